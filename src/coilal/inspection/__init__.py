"""What an inspection line decides by: where probabilities become a decision, and how far they can be believed.

In: logits or probabilities of images, their labels and groups. Out: thresholds from validation images, decisions on
images and groups (coils), escape and overkill at them, calibration. No torch, and no files.
"""
