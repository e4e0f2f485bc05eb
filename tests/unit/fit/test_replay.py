"""Replayed steps, on a GPU where there is one."""

from __future__ import annotations

import pytest
import torch

from coilal.fit.batches import Batch
from coilal.fit.replay import WARM_UP, ReplayedStep

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@cuda
def test_replayed_steps_train_as_others_do() -> None:
    trained = []
    for replays in (False, True):
        torch.manual_seed(0)
        weight = torch.randn(3, 8, 16, device="cuda", requires_grad=True)
        optimizer = torch.optim.AdamW([weight], lr=1e-2, fused=True, capturable=True)

        def step(batch: Batch, weight: torch.Tensor = weight, optimizer: torch.optim.Optimizer = optimizer) -> None:
            weight.grad = None
            logits = torch.bmm(batch.boundary * batch.kept[0], weight.mT)
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.values.flatten()).backward()
            optimizer.step()

        todo = ReplayedStep(step) if replays else step
        generator = torch.Generator("cuda").manual_seed(1)
        for number in range(4 * WARM_UP):
            images = 2 if number % 4 == 3 else 5
            boundary = torch.randn(3, images, 16, device="cuda", generator=generator)
            values = torch.randint(0, 8, (3, images), device="cuda", generator=generator)
            todo(Batch(boundary, values, (torch.ones_like(boundary, dtype=torch.uint8),)))
        trained.append(weight.detach().cpu())
    torch.testing.assert_close(*trained)


def test_the_first_steps_and_smaller_batches_are_done_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be seen without a GPU: which batches are given to the step, and which to the graph."""
    done, replayed = [], []
    monkeypatch.setattr(ReplayedStep, "_beside", lambda self, batch: self._step(batch))
    monkeypatch.setattr(
        ReplayedStep, "_replay", lambda self, batch, inputs: replayed.append(int(batch.values[0, 0]))
    )
    step = ReplayedStep(lambda batch: done.append(int(batch.values[0, 0])))
    for number in range(8):
        images = 2 if number in (1, 6) else 3
        step(Batch(torch.zeros(1, images if number else 3, 4), torch.full((1, images), number)))
    assert done == [0, 1, 2, 3, 6]
    assert replayed == [4, 5, 7]
