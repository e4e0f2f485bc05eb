"""A training step of many heads in bare torch, replayed as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.timing import seconds_of

BATCH = 32


class BareStep:
    """A step of S linear heads, each with its own batch of rows: gather, product, loss, gradient, fused AdamW.

    Args:
        features: float32 (N, D), on the device.
        labels: int64 (N,), on the device.
        heads: their number S.
        classes: logits of each.
    """

    def __init__(self, features: Tensor, labels: Tensor, heads: int, classes: int) -> None:
        self.features, self.labels = features, labels
        device, width = features.device, features.shape[1]
        self.weight = torch.zeros(heads, width, classes, device=device, requires_grad=True)
        self.bias = torch.zeros(heads, 1, classes, device=device, requires_grad=True)
        capturable = device.type == "cuda"
        self.optimizer = torch.optim.AdamW([self.weight, self.bias], lr=1e-3, fused=True, capturable=capturable)
        self.rows = torch.randint(len(features), (heads, BATCH), device=device)

    def __call__(self) -> None:
        """Do one step for the rows that stand in ``rows``."""
        batch = self.features[self.rows]
        logits = torch.baddbmm(self.bias, batch, self.weight)
        targets = self.labels[self.rows]
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / BATCH
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def replayed(step: Callable[[], None]) -> Callable[[], None]:
    """Return a step captured as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries choose their kernels before the capture
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def step_seconds(heads: int, device: torch.device, images: int = 1280, width: int = 768, classes: int = 8) -> float:
    """Return the seconds of a step; replayed where there is a GPU."""
    features = torch.randn(images, width, device=device)
    step = BareStep(features, torch.randint(classes, (images,), device=device), heads, classes)
    return seconds_of(replayed(step) if device.type == "cuda" else step, device)
