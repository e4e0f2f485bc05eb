"""One training step of heads, as Lightning does it, without what nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from coilal.fit.batches import Batch
from coilal.fit.module import CoilModule


def step_of(
    module: CoilModule, optimizer: torch.optim.Optimizer, precision: Callable[[], AbstractContextManager[Any]]
) -> Callable[[Batch], None]:
    """Return what does a training step.

    Args:
        module: what is trained.
        optimizer: of its parameters.
        precision: context in which the loss is computed.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]

    def step(batch: Batch) -> None:
        with precision():
            loss = module.training_step(batch, 0)
        for parameter in parameters:  # as optimizer.zero_grad does, without a profiler's wrapper
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step
