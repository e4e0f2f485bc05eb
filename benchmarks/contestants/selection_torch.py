"""Margin and entropy in bare torch: logits (n, C) to the rows of the 100 most uncertain."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

BATCH = 100


def margin(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows with the smallest difference of the two largest probabilities."""
    with torch.inference_mode():
        largest = torch.from_numpy(logits).softmax(1).topk(2).values
        return (largest[:, 0] - largest[:, 1]).topk(BATCH, largest=False).indices.numpy()


def entropy(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows with the highest entropy."""
    with torch.inference_mode():
        log = torch.from_numpy(logits).log_softmax(1)
        return (log.exp() * log).sum(1).topk(BATCH, largest=False).indices.numpy()


SELECT = {"margin": margin, "entropy": entropy}
