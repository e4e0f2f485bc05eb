"""What a run has learnt, used: predictions for a folder of images, and the model as one file.

In: a run directory with its trained weights, a folder of images. Out: a table of the images and one of their parts
(coils), an ONNX or TorchScript file that is checked against the run, or a table of told labels that are doubtful.
"""
