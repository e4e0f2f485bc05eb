"""The coils that are drawn here, so that everything can be tried without data of one's own.

In: a seed. Out: photographs with labels (``renderer``, ``rendered``), image folders (``rendering``), and the
weights of ``model=tiny``, trained on other rendered coils (``pretraining``).
"""
