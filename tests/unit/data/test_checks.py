from __future__ import annotations

import numpy as np
import pytest

from coilal.data.checks import check_budget, check_split
from coilal.types import Budget, Samples, Split, Targets

SAMPLES = Samples(tuple("abcdef"), ("g", "g", "h", "h", "i", "i"))
CLASSES = Targets("multiclass", np.array([0, 1] * 3), ("ok", "bent"), np.ones(6, dtype=np.bool_))


def split(pool: list[int], validation: list[int], test: list[int]) -> Split:
    return Split(*(np.array(ids, dtype=np.int64) for ids in (pool, validation, test)))


def test_a_good_split_has_no_problem() -> None:
    assert check_split(SAMPLES, CLASSES, split([0, 1], [2, 3], [4, 5])) == []


def test_empty_parts() -> None:
    (problem,) = check_split(SAMPLES, CLASSES, split([], [0, 1, 2, 3], [4, 5]))
    assert problem.places == ("pool",)
    assert "6 images in 3 groups" in problem.kind


def test_groups_on_both_sides() -> None:
    (problem,) = check_split(SAMPLES, CLASSES, split([0, 3], [2, 1], [4, 5]))
    assert problem.places == ("g: pool and validation", "h: pool and validation")


def test_absent_classes() -> None:
    (problem,) = check_split(SAMPLES, CLASSES, split([0, 1], [2], [4]))
    assert "classes that are absent" in problem.kind
    assert problem.places == ("bent: not in validation, test (3 images in 3 groups)",)


def test_absent_labels() -> None:
    labels = np.array([[1, 1], [0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])
    targets = Targets("multilabel", labels, ("gap", "crossover"), np.ones(6, dtype=np.bool_))
    (problem,) = check_split(SAMPLES, targets, split([0, 1], [2, 3], [4, 5]))
    assert problem.places == ("gap: not in validation, test (1 images in 1 groups)",)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(initial=11), "starting set is larger than the pool: 11 images of 10"),
        (Budget(initial=2, query=3, cycles=3), "the pool: 11 images of 10; budget.cycles=2"),
        (Budget(labelled=(2, 12)), "the pool: 12 images of 10"),
    ],
)
def test_budgets_larger_than_the_pool(budget: Budget, message: str) -> None:
    (problem,) = check_budget(budget, 10)
    assert message in problem.kind


def test_a_budget_of_the_whole_pool_is_fine() -> None:
    assert check_budget(Budget(initial=4, query=3, cycles=2), 10) == []
