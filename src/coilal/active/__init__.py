"""What is labelled and what is asked for: session, oracle, starting set and strategies. No torch.

In: ids of the pool, the model's outputs on it, answers. Out: ids to be labelled next, best first; labels as told.
"""
