"""Learning from the labels that were bought: the Lightning loop, the module, batches, tasks (loss and metrics).

In: features or images, and labels as told. Out: after each cycle the metrics, and what the strategy looks at.
"""
