from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from coilal.common.device_memory import BatchSize
from coilal.common.types import Kind
from coilal.features.backbone import PooledFeatures
from coilal.fit.batches import Labelled
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.tasks.multilabel import Multilabel
from coilal.fit.trial import Trials
from tests.unit.fit.test_stack import COUNTS, Data

CPU = torch.device("cpu")


def trials(data: Data, epochs: int = 3) -> Trials:
    criterion = Multiclass("all", "balanced") if data.kind == "multiclass" else Multilabel("balanced")
    net = CoilModule(PooledFeatures(data.shape.features), data.shape, criterion)
    net.given_standardised = True
    return Trials(net, Rows(data.features, CPU, 0), 8, epochs, 10**9, BatchSize("", 64, ""), nullcontext)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize("hidden", [(), (24,)])
def test_a_trial_learns_to_the_last_digit_what_a_run_learns_in_the_loop(
    kind: Kind, hidden: tuple[int, ...]
) -> None:
    data = Data(HeadShape(30, 4, hidden, 0.3), kind)
    run = data.run(1)
    asked: list[Labelled] = []
    begin = run.begin

    def noting() -> Labelled:
        asked.append(begin())
        return asked[-1]

    run.begin = noting  # type: ignore[method-assign]
    data.train([run])
    assert [len(own.ids) for own in asked] == list(COUNTS)
    test = np.arange(120, 200)
    for cycle, own in enumerate(asked):
        logits = trials(data).logits([own, own], [run.initial] * 2, [run.optimizer] * 2, test)
        assert torch.equal(logits[0], logits[1])
        assert torch.equal(logits[0], run.store.kept[cycle])  # type: ignore[attr-defined]


def test_held_out_images_are_told_by_heads_that_have_not_seen_them() -> None:
    """Labels that are noise are learnt by heart, and not told of others."""
    data = Data(HeadShape(60, 2), "multiclass")
    own = Labelled(np.arange(40), np.random.default_rng(1).integers(2, size=40), 5)
    initial, rates = data.shape.initial(0), Optimizer(3e-2, 0, 0)
    known = trials(data, epochs=60).logits([own], [initial], [rates], own.ids)[0].argmax(1).numpy()
    assert (known == own.values).mean() == 1
    (held_out,) = trials(data, epochs=60).held_out([own], [initial], [rates])
    assert len(held_out.logits) == len(held_out.values) == 48
    assert (held_out.logits.argmax(axis=1) == held_out.values).mean() < 0.75


@pytest.mark.parametrize(("images", "expected"), [(3, 0), (4, 4), (10, 12)])
def test_of_very_few_images_none_is_held_out(images: int, expected: int) -> None:
    data = Data(HeadShape(8, 3), "multiclass")
    own = Labelled(np.arange(images), data.values[:images], 0)
    (found,) = trials(data).held_out([own], [data.shape.initial(0)], [Optimizer(1e-2, 0, 0)])
    assert found.logits.shape == (expected, 3)
    assert len(found.values) == expected


def test_what_is_held_out_of_a_run_does_not_depend_on_those_beside_it() -> None:
    data = Data(HeadShape(20, 3, (), 0.4), "multiclass")
    sets = [
        Labelled(np.sort(np.random.default_rng(k).permutation(200)[:25]), data.values[:25], k) for k in range(3)
    ]
    starts, rates = [data.shape.initial(k) for k in range(3)], [Optimizer(k * 1e-3, 0, 0) for k in (1, 1, 2)]
    together = trials(data).held_out(sets, starts, rates)
    for own, start, rate, found in zip(sets, starts, rates, together, strict=True):
        (alone,) = trials(data).held_out([own], [start], [rate])
        np.testing.assert_array_equal(alone.logits, found.logits)
        np.testing.assert_array_equal(alone.values, found.values)
