"""What every strategy in conf/strategy must keep; a new yaml is tested without a new test."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from coilal.active.strategies.strategy import NonFiniteOutputsError, Strategy, names_fitting
from coilal.common.types import Kind, PoolOutputs, UserError

FOLDER = Path(__file__).parents[2] / "conf" / "strategy"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Strategy:
    strategy = instantiate(OmegaConf.load(FOLDER / f"{name}.yaml"), _execution_whitelist_="coilal.*")
    assert isinstance(strategy, Strategy)
    return strategy


CASES = [(load(name), kind) for name in NAMES for kind in load(name).tasks]
CASE_IDS = [f"{strategy.name}-{kind}" for strategy, kind in CASES]
RANKED = [(strategy, kind) for strategy, kind in CASES if strategy.needs_logits]
RANKED_IDS = [f"{strategy.name}-{kind}" for strategy, kind in RANKED]

each_case = pytest.mark.parametrize(("strategy", "kind"), CASES, ids=CASE_IDS)
each_ranked_case = pytest.mark.parametrize(("strategy", "kind"), RANKED, ids=RANKED_IDS)


def outputs(strategy: Strategy, kind: Kind, number: int = 60, scale: float = 2) -> PoolOutputs:
    """Return outputs on ids with gaps, in no order, with float32 logits where the strategy needs them."""
    generator = np.random.default_rng(5)
    ids = generator.permutation(np.arange(number) * 7 + 11)
    logits = (generator.normal(size=(number, 4)) * scale).astype(np.float32)
    return PoolOutputs(kind, ids, logits if strategy.needs_logits else None)


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
            assert name in fitting
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
    assert np.isfinite(selection.scores).all() == strategy.needs_logits


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
