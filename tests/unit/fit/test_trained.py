from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.strategy import Needs
from coilal.common.device_memory import BatchSize
from coilal.features.backbone import PooledFeatures
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.loop import fit
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.standardise import Statistics, standardised
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.trained import Trained
from coilal.fit.trial import Trials
from tests.unit.fit.test_loop import COUNTS, Memory, learning, module, stack, trainer

CPU = torch.device("cpu")
EVERYTHING = Needs(logits=True, features=True, labelled_features=True, labelled_logits=True, passes=4, dropout=0.75)


def seen_in_the_loop(trainable: str | int, needs: Needs) -> list[tuple[PoolOutputs, Mapping[str, torch.Tensor]]]:
    """Return what a strategy sees in each cycle, with the weights that it was computed with."""
    net, boundary = module(trainable)
    run, found = learning(Memory(), net.shape), []

    def choose(cycle: int, outputs: PoolOutputs, size: int) -> Selection:
        weights = {name: tensor.clone() for name, tensor in net.weights_of(0).items()}
        found.append((outputs, weights))
        return Selection(outputs.ids[:size], np.full(size, np.nan))

    fit(trainer(), net, stack(boundary, replace(run, needs=needs, choose=choose)))
    return found


@pytest.mark.parametrize("trainable", ["head", 2, "all"])
def test_a_strategy_sees_what_enters_the_last_layer_in_its_cycle(trainable: str | int) -> None:
    seen = seen_in_the_loop(trainable, EVERYTHING)
    assert [outputs.cycle for outputs, _ in seen] == [1, 2, 3][: len(COUNTS) - 1]
    for cycle, (outputs, weights) in enumerate(seen):
        names = [name for name in weights if name.startswith("head.") and name.endswith(".weight")]
        weight, bias = weights[names[-1]].numpy(), weights[names[-1].replace("weight", "bias")].numpy()
        for features, logits, images in (
            (outputs.features, outputs.logits, len(outputs.ids)),
            (outputs.labelled, outputs.labelled_logits, COUNTS[cycle]),
        ):
            assert features is not None
            assert logits is not None
            assert (len(features), features.width) == (images, 16)
            np.testing.assert_allclose(features.products(weight) + bias, logits, rtol=1e-4, atol=1e-5)
        assert outputs.passes is not None
        assert outputs.passes.shape == (4, len(outputs.ids), 3)


def test_only_what_is_needed_is_computed() -> None:
    for needs in (Needs(), Needs(logits=True), Needs(features=True), Needs(passes=2)):
        for outputs, _ in seen_in_the_loop("head", needs):
            assert (outputs.logits is not None) == needs.logits
            assert (outputs.features is not None) == needs.features
            assert outputs.labelled_logits is None
            assert (outputs.passes is not None) == bool(needs.passes)


@pytest.mark.parametrize("trainable", ["head", 2])
def test_what_queried_images_are_taken_for_is_the_same_where_the_pool_is_scored(trainable: str | int) -> None:
    kept, spent = [], []
    for seen in (None, lambda ids, logits: None):
        net, boundary = module(trainable)
        store = Memory()
        run = replace(learning(store, net.shape, needs_logits=False), seen=seen)
        run = replace(run, choose=lambda _, outputs, size: Selection(outputs.ids[:size], np.full(size, np.nan)))
        fit(trainer(), net, stack(boundary, run))
        kept.append([batch.predictions for batch in store.session.batches])
        spent.append([row["infer_s"] for row in store.rows])
    assert [len(said) for said in kept[0]] == [0, *np.diff(COUNTS)]
    assert not any(spent[0]), "no strategy is charged with it"
    for of_chosen, of_pool in zip(*kept, strict=True):
        assert [each.label for each in of_chosen] == [each.label for each in of_pool]
        for one, other in zip(of_chosen, of_pool, strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=2e-4)


@pytest.mark.parametrize("place", [0, 3])
def test_logits_of_some_images_are_those_of_the_run_s_own_head(place: int) -> None:
    model = trained(HeadShape(20, 3), place=place, beside=3)
    weight, bias = (tensor.detach().numpy() for tensor in model.module.last_layer(place))
    np.testing.assert_allclose(model.logits(IDS).numpy(), ROWS[IDS] @ weight.T + bias, rtol=1e-4, atol=1e-5)
    assert torch.equal(model.logits(IDS), trained(HeadShape(20, 3)).logits(IDS)), "whatever stands beside it"


ROWS = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
IDS = np.array([7, 250, 3, 299])


def trained(shape: HeadShape, place: int = 0, beside: int = 1, seed: int = 0, rows: np.ndarray = ROWS) -> Trained:
    net = CoilModule(PooledFeatures(20), shape, Multiclass("all", "none"))
    net.given_standardised = True
    seeds = list(range(beside))
    seeds.insert(place, 100)
    net.hold([shape.initial(own) for own in seeds], [Optimizer(1e-3, 1e-3, 0.0)] * len(seeds))
    net.eval()
    source, at_once = Rows(rows, CPU, 0), BatchSize("", 64, "")
    trials = Trials(net, source, 8, 3, 10**9, at_once, nullcontext)
    return Trained(net, place, source, at_once, nullcontext, trials, None, seed)


def test_features_of_a_linear_head_are_the_rows_themselves() -> None:
    features = trained(HeadShape(20, 3)).features(IDS)
    assert features._source is ROWS
    np.testing.assert_array_equal(features.take(np.arange(4)), ROWS[IDS])


def test_features_that_are_not_standardised_yet_are_so_where_they_are_looked_at() -> None:
    model = trained(HeadShape(20, 3))
    statistics = Statistics.of(torch.from_numpy(ROWS * 3 + 1))
    model.module.standardise(statistics, given_standardised=False)
    expected = (ROWS[IDS] - statistics.mean.numpy()) / statistics.deviation.numpy()
    np.testing.assert_allclose(model.features(IDS).take(np.arange(4)), expected, rtol=1e-5, atol=1e-5)
    inputs = standardised(ROWS.copy(), statistics, CPU)
    np.testing.assert_allclose(inputs.features(IDS).take(np.arange(4)), expected, rtol=1e-5, atol=1e-5)


def passes(model: Trained, number: int, share: float | None) -> np.ndarray:
    if share is None:
        return model.passes(np.arange(300), number)
    return model.passes_of_last(model.features(np.arange(300)), number, share)


@pytest.mark.parametrize("share", [None, 0.75])
@pytest.mark.parametrize("hidden", [(), (24,)])
def test_passes_depend_on_the_run_alone(hidden: tuple[int, ...], share: float | None) -> None:
    shape = HeadShape(20, 3, hidden, 0.5)
    alone = passes(trained(shape, seed=5), 3, share)
    assert np.array_equal(passes(trained(shape, seed=5, place=2, beside=4), 3, share), alone)
    assert not np.array_equal(passes(trained(shape, seed=6), 3, share), alone)
    assert not np.array_equal(alone[0], alone[1])


@pytest.mark.parametrize("share", [None, 0.75])
def test_passes_of_a_linear_head_scatter_about_its_logits(share: float | None) -> None:
    model = trained(HeadShape(20, 3, (), 0.5))
    weight, bias = (tensor.numpy() for tensor in model.module.last_layer(0))
    expected = ROWS @ weight.T + bias
    many = passes(model, 400, share)
    kept = 0.5 if share is None else 1 - share
    deviation = np.sqrt((1 - kept) / kept * np.square(ROWS) @ np.square(weight).T)
    assert np.abs((many.mean(axis=0) - expected) / (deviation / 20)).max() < 6
    np.testing.assert_allclose(many.std(axis=0) / deviation, 1, atol=0.25)


def test_of_a_perceptron_the_dropout_of_each_layer_counts() -> None:
    model = trained(HeadShape(20, 3, (24,), 0.5))
    own, last = passes(model, 200, None), passes(model, 200, 0.5)
    assert own.var(axis=0).mean() > 1.2 * last.var(axis=0).mean()
    assert softmax(own, axis=2).mean() == pytest.approx(1 / 3)


def test_a_block_of_one_image_is_no_exception() -> None:
    shape: Any = HeadShape(20, 3, (24,), 0.5)
    rows = ROWS[:65]
    assert np.isfinite(trained(shape, rows=rows).passes(np.arange(65), 2)).all()
    whole, last = (trained(shape, rows=rows).features(ids) for ids in (np.arange(65), np.array([64])))
    np.testing.assert_allclose(whole.take(np.array([64])), last.take(np.array([0])), rtol=1e-6)
