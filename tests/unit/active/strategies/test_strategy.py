from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.multiclass import margin
from coilal.active.strategies.strategy import NonFiniteOutputsError, Strategy, names_fitting
from coilal.common.types import UserError

OUTPUTS = PoolOutputs("multiclass", np.array([4, 6, 9]), np.eye(3))


def margin_strategy() -> Strategy:
    return Strategy("margin", ["multiclass"], margin, ["logits"], {"multilabel": "avg_confidence"})


def returning(ids: list[int], scores: int | None = None) -> Strategy:
    selection = Selection(np.array(ids), np.zeros(len(ids) if scores is None else scores))
    return Strategy("broken", ["multiclass"], lambda outputs, batch_size, generator: selection)


def test_a_task_that_fits_passes() -> None:
    margin_strategy().check("multiclass", lambda: ["margin"])


def test_a_task_that_does_not_fit_is_refused_with_those_that_do_and_the_equal_one() -> None:
    with pytest.raises(UserError) as error:
        margin_strategy().check("multilabel", lambda: ["avg_confidence", "entropy"])
    assert str(error.value) == (
        "strategy=margin does not fit a multilabel task. There it would rank exactly as avg_confidence, "
        "so use strategy=avg_confidence. Strategies that fit: avg_confidence, entropy."
    )


def test_without_an_equal_one_only_the_list_is_given() -> None:
    strategy = Strategy("max_score", ["multilabel"], margin, ["logits"])
    with pytest.raises(UserError, match=r"a multiclass task\. Strategies that fit: entropy, margin\.$"):
        strategy.check("multiclass", lambda: ["entropy", "margin"])


@pytest.mark.parametrize(("tasks", "needs"), [(["multilable"], []), (["multiclass"], ["embeddings"])])
def test_unknown_tasks_and_needs_are_refused(tasks: list[str], needs: list[str]) -> None:
    with pytest.raises(UserError, match=r"strategy new: .* known are"):
        Strategy("new", tasks, margin, needs)  # type: ignore[arg-type]


def test_names_fitting_reads_the_folder(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("tasks: [multiclass]")
    (tmp_path / "a.yaml").write_text("tasks: [multilabel, multiclass]")
    assert names_fitting(tmp_path, "multiclass") == ["a", "b"]
    assert names_fitting(tmp_path, "multilabel") == ["a"]


def test_a_query_of_a_small_pool_leaves_the_other_cores_to_the_others() -> None:
    seen = set()

    def query(outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
        seen.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return margin(outputs, batch_size, generator)

    Strategy("seen", ["multiclass"], query, ["logits"])(OUTPUTS, 1, np.random.default_rng(0))
    assert seen == {1}


def test_an_empty_pool_is_refused() -> None:
    empty = PoolOutputs("multiclass", np.array([], dtype=np.int64), np.empty((0, 1)))
    with pytest.raises(UserError, match="strategy margin: the pool is empty"):
        margin_strategy()(empty, 1, np.random.default_rng(0))


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        margin_strategy()(OUTPUTS, 0, np.random.default_rng(0))


@pytest.mark.parametrize("logits", [None, np.eye(2), np.zeros(3)])
def test_missing_or_misshapen_logits_are_refused(logits: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"needs logits \(3, C\), not"):
        margin_strategy()(PoolOutputs("multiclass", OUTPUTS.ids, logits), 1, np.random.default_rng(0))


def test_non_finite_outputs_carry_the_ids() -> None:
    logits = np.array([[0.0, np.nan], [0, 0], [np.inf, 0]])
    with pytest.raises(NonFiniteOutputsError, match=r"2 of 3 .*\(ids 4, 9\)") as error:
        margin_strategy()(PoolOutputs("multiclass", OUTPUTS.ids, logits), 1, np.random.default_rng(0))
    assert error.value.ids.tolist() == [4, 9]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (returning([4, 4]), "more than once"),
        (returning([4, 5]), "not in the unlabelled pool"),
        (returning([4]), "returned 1 ids and 1 scores"),
        (returning([4, 6], scores=1), "returned 2 ids and 1 scores"),
    ],
)
def test_a_query_function_that_breaks_its_contract_is_named(strategy: Strategy, message: str) -> None:
    with pytest.raises(RuntimeError, match=f"strategy broken .*{message}"):
        strategy(OUTPUTS, 2, np.random.default_rng(0))
