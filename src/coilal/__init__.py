"""coilal: how few coil images must be labelled, and which (active learning for visual inspection)."""

__version__ = "0.1.0"
