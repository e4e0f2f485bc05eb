"""The keys of the labelling page, as its list of keys shows them; ``static/label.js`` acts on them."""

from __future__ import annotations

KEYS = (
    ("1 – 9", "the class with this number; of labels: on and off"),
    ("Enter", "tell the labels that are on (where an image can have several)"),
    ("U", "unsure: not learnt from, not asked again, listed at the end"),
    ("S", "skip: not this one now"),
    ("Z", "undo: show the last answer again, to give another one"),
    ("← →", "back and forth through what was seen"),
    ("↑ ↓", "the previous and the next view of the part, to look at"),
    ("P", "the whole part: the next answer counts for all its views without a label"),
    ("N", "add a class"),
    ("+ − 0", "zoom in, out, and back to the whole image; the wheel zooms and a drag moves it, too"),
    ("C", "contrast: spread the grey levels of the image"),
    ("M", "the image as the model sees it"),
    ("G", "hide or show what the model takes the image for"),
    ("?", "this list"),
)
"""Key and what it does."""
