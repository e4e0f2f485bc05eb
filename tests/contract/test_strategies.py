"""What every strategy in conf/strategy must keep; a new yaml is tested without a new test."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from coilal.active.features import Features
from coilal.active.outputs import HeldOut, PoolOutputs
from coilal.active.strategies.strategy import Needs, NonFiniteOutputsError, Strategy, names_fitting
from coilal.common.types import Kind, UserError

FOLDER = Path(__file__).parents[2] / "conf" / "strategy"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Strategy:
    strategy = instantiate(OmegaConf.load(FOLDER / f"{name}.yaml"), _execution_whitelist_="coilal.*")
    assert isinstance(strategy, Strategy)
    return strategy


CASES = [(load(name), kind) for name in NAMES for kind in load(name).tasks]
CASE_IDS = [f"{strategy.name}-{kind}" for strategy, kind in CASES]
DRAWN = {"power_margin", "power_bald"}  # each image has noise of its own
RANKED = [case for case in CASES if case[0].needed == Needs(logits=True) and case[0].name not in DRAWN]
RANKED_IDS = [f"{strategy.name}-{kind}" for strategy, kind in RANKED]
ON_FEATURES = [(strategy, kind) for strategy, kind in CASES if strategy.needed.features]
ON_FEATURES_IDS = [f"{strategy.name}-{kind}" for strategy, kind in ON_FEATURES]
WITHOUT_MODEL = [(strategy, kind) for strategy, kind in CASES if strategy.needs_no_model]

each_case = pytest.mark.parametrize(("strategy", "kind"), CASES, ids=CASE_IDS)
each_case_on_features = pytest.mark.parametrize(("strategy", "kind"), ON_FEATURES, ids=ON_FEATURES_IDS)
each_ranked_case = pytest.mark.parametrize(("strategy", "kind"), RANKED, ids=RANKED_IDS)


def outputs(strategy: Strategy, kind: Kind, number: int = 60, scale: float = 2, width: int = 6) -> PoolOutputs:
    """Return what the strategy needs, on ids with gaps in no order; 12 other images are labelled."""
    generator, needed = np.random.default_rng(5), strategy.needed
    ids = generator.permutation(np.arange(number) * 7 + 11)
    logits = (generator.normal(size=(number, 4)) * scale).astype(np.float32)
    labelled = (generator.normal(size=(12, 4)) * scale).astype(np.float32)
    held_out = generator.integers(4, size=12) if kind == "multiclass" else generator.integers(2, size=(12, 4))
    passes = logits + (generator.normal(size=(needed.passes, number, 4)) * scale).astype(np.float32)
    rows = generator.normal(size=(number + 12, width)).astype(np.float32) * (scale > 0) + np.float32(scale == 0)
    features = Features(rows, np.arange(number))
    return PoolOutputs(
        kind,
        ids,
        logits if needed.logits else None,
        features if needed.features else None,
        Features(rows, np.arange(number, number + 12)) if needed.labelled_features else None,
        labelled if needed.labelled_logits else None,
        HeldOut(labelled, held_out) if needed.held_out_logits else None,
        passes if needed.passes else None,
        (lambda batches: [float(ids.sum() % 97) for ids in batches]) if needed.trials else None,
        classes=4,
    )


def chosen(strategy: Strategy, pool: PoolOutputs, batch_size: int, seed: int = 0) -> list[int]:
    return strategy(pool, batch_size, np.random.default_rng(seed)).ids.tolist()


def test_the_study_has_its_strategies() -> None:
    assert set(NAMES) >= {"random", "entropy", "margin", "uncertainty"}
    assert {"avg_confidence", "avg_score", "max_score"} <= set(names_fitting(FOLDER, "multilabel"))
    assert "avg_confidence" not in names_fitting(FOLDER, "multiclass")


@pytest.mark.parametrize("name", NAMES)
def test_name_comment_and_source_are_given(name: str) -> None:
    strategy = load(name)
    assert strategy.name == name
    assert (FOLDER / f"{name}.yaml").read_text().startswith("# ")
    assert isinstance(strategy.query, partial)
    text = inspect.getdoc(strategy.query.func) or ""
    assert all(word in text for word in ("Formula:", "Direction:", "Source:"))


@pytest.mark.parametrize("name", NAMES)
def test_tasks_that_do_not_fit_are_refused_naming_only_strategies_that_do(name: str) -> None:
    strategy = load(name)
    for kind in ("multiclass", "multilabel"):
        fitting = names_fitting(FOLDER, kind)  # type: ignore[arg-type]
        if kind in strategy.tasks:
            assert (name in fitting) != strategy.needed.trials
            strategy.check(kind, fitting.copy)
        else:
            with pytest.raises(UserError, match=f"strategy={name} does not fit a {kind} task"):
                strategy.check(kind, fitting.copy)  # type: ignore[arg-type]
        assert strategy.instead.get(kind) in (None, *fitting)  # type: ignore[call-overload]


@each_case
def test_the_same_seed_chooses_the_same(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind)
    first = strategy(pool, 9, np.random.default_rng(3))
    again = strategy(pool, 9, np.random.default_rng(3))
    assert first.ids.tolist() == again.ids.tolist()
    np.testing.assert_array_equal(first.scores, again.scores)


@each_case
@pytest.mark.parametrize(("number", "batch_size"), [(60, 1), (60, 9), (60, 60), (60, 1000), (1, 1), (1, 5)])
def test_different_unlabelled_images_as_many_as_wanted_or_left(
    strategy: Strategy, kind: Kind, number: int, batch_size: int
) -> None:
    pool = outputs(strategy, kind, number)
    selection = strategy(pool, batch_size, np.random.default_rng(0))
    assert len(selection.ids) == len(set(selection.ids.tolist())) == min(batch_size, number)
    assert set(selection.ids.tolist()) <= set(pool.ids.tolist())
    assert selection.ids.dtype == np.int64
    assert selection.scores.dtype == np.float64
    assert np.isfinite(selection.scores).all() == (strategy.needed != Needs())


@each_case
def test_ties_are_broken_by_the_seed_not_by_the_order_of_the_files(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind, scale=0)
    batches = [chosen(strategy, pool, 10, seed) for seed in range(100)]
    assert len({tuple(batch) for batch in batches}) == 100
    assert {image for batch in batches for image in batch} == set(pool.ids.tolist())


@each_ranked_case
def test_without_ties_the_order_of_the_pool_makes_no_difference(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind)
    assert pool.logits is not None
    reverse = PoolOutputs(kind, pool.ids[::-1], pool.logits[::-1])
    assert chosen(strategy, pool, 9) == chosen(strategy, reverse, 9)


@each_case
def test_an_empty_pool_is_refused(strategy: Strategy, kind: Kind) -> None:
    with pytest.raises(UserError, match=f"{strategy.name}: the pool is empty"):
        strategy(outputs(strategy, kind, 0), 3, np.random.default_rng(0))


@each_ranked_case
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused_with_the_image(
    strategy: Strategy, kind: Kind, value: float
) -> None:
    pool = outputs(strategy, kind)
    assert pool.logits is not None
    pool.logits[17, 2] = value
    with pytest.raises(NonFiniteOutputsError, match=rf"\(ids {pool.ids[17]}\)") as error:
        strategy(pool, 3, np.random.default_rng(0))
    assert error.value.ids.tolist() == [pool.ids[17]]


@each_case
def test_inputs_are_left_as_they_are(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind)
    pool.ids.flags.writeable = False
    before = None if pool.logits is None else pool.logits.copy()
    selection = strategy(pool, 9, np.random.default_rng(0))
    selection.ids[:] = -1  # the result is no view of the pool either
    assert (pool.ids >= 0).all()
    if before is not None:
        np.testing.assert_array_equal(pool.logits, before)


@each_ranked_case
def test_extreme_logits_give_finite_scores_without_warnings(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind, scale=1e6)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(strategy(pool, 60, np.random.default_rng(0)).scores).all()


@each_case_on_features
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_with_the_image(
    strategy: Strategy, kind: Kind, value: float
) -> None:
    pool = outputs(strategy, kind)
    assert pool.features is not None
    pool.features._source[17, 2] = value  # type: ignore[index]
    with pytest.raises(
        NonFiniteOutputsError, match=rf"features are NaN .*\(ids {pool.ids[17]}\).* check its weights"
    ):
        strategy(pool, 3, np.random.default_rng(0))


@each_case_on_features
@pytest.mark.parametrize("width", [1, 2])
def test_narrow_features_will_do(strategy: Strategy, kind: Kind, width: int) -> None:
    assert len(set(chosen(strategy, outputs(strategy, kind, width=width), 20))) == 20


@each_case_on_features
def test_duplicates_of_images_are_all_there_to_be_chosen(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind)
    twins = np.repeat(np.arange(30), 2)
    assert pool.features is not None
    double = replace(
        pool,
        logits=None if pool.logits is None else pool.logits[twins],
        features=pool.features.subset(twins),
        passes=None if pool.passes is None else pool.passes[:, twins],
    )
    assert len(set(chosen(strategy, double, 60))) == 60


@each_case
@pytest.mark.parametrize("most", [1, 2])
def test_a_batch_takes_as_many_of_a_group_as_it_may(strategy: Strategy, kind: Kind, most: int) -> None:
    pool = replace(outputs(strategy, kind), groups=np.arange(60) // 5)
    if strategy.needed.trials:
        with pytest.raises(UserError, match="tries whole batches"):
            replace(strategy, per_group=most)
        return
    limited = replace(strategy, per_group=most)
    group_of = dict(zip(pool.ids.tolist(), (np.arange(60) // 5).tolist(), strict=True))
    counts = np.bincount([group_of[image] for image in chosen(limited, pool, 12 * most)])
    assert counts.tolist() == [most] * 12
    more = np.bincount([group_of[image] for image in chosen(limited, pool, 12 * most + 3)])
    assert more.max() <= 2 * most
    assert more.sum() == 12 * most + 3


@pytest.mark.parametrize(
    ("strategy", "kind"), WITHOUT_MODEL, ids=[f"{strategy.name}-{kind}" for strategy, kind in WITHOUT_MODEL]
)
def test_a_strategy_that_needs_no_model_can_begin_without_labels(strategy: Strategy, kind: Kind) -> None:
    pool = outputs(strategy, kind)
    if pool.labelled is not None:
        pool = replace(pool, labelled=pool.labelled.subset(np.arange(0)))
    assert len(set(chosen(strategy, pool, 16))) == 16
