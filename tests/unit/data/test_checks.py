from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coilal.common.types import Budget, Samples, Split, Targets
from coilal.data.checks import check_budget, check_split
from coilal.data.division import Division

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


def test_absent_classes_that_another_split_may_bring_in() -> None:
    (problem,) = check_split(SAMPLES, CLASSES, split([0, 1], [2], [4]))
    assert "try another split" in problem.kind
    assert problem.places == ("bent: not in validation, test (3 images in 3 groups)",)


def test_absent_labels_that_no_split_can_bring_in() -> None:
    labels = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]])
    targets = Targets("multilabel", labels, ("gap", "crossover", "dust"), np.ones(6, dtype=np.bool_))
    never, too_few = check_split(SAMPLES, targets, split([0, 1], [2, 3], [4, 5]))
    assert never.places == ("dust",)
    assert "never 1" in never.kind
    assert too_few.places == ("gap: not in validation, test (1 images in 1 groups)",)
    for problem in (never, too_few):
        assert "data.source.ignored_columns" in problem.kind
        assert "another split" not in problem.kind


@pytest.mark.parametrize(
    ("class_labels", "ways"),
    [
        (None, ["drop the class"]),
        ([[0, 0], [1, 0]], ["drop the class", "task=multilabel"]),
        ([[0, 0], [1, 1]], ["drop the class", "task=multilabel", "task.module.classes=single"]),
    ],
)
def test_ways_out_of_a_class_in_too_few_groups(class_labels: list[list[int]] | None, ways: list[str]) -> None:
    faults = None if class_labels is None else np.array(class_labels, dtype=np.uint8)
    samples = Samples(SAMPLES.names, SAMPLES.groups, class_labels=faults)
    values = np.array([1, 0, 0, 0, 0, 0])
    targets = Targets("multiclass", values, ("ok", "bent"), np.ones(6, dtype=np.bool_), faults)
    (problem,) = check_split(samples, targets, split([0, 1], [2, 3], [4, 5]))
    assert "no split helps" in problem.kind
    assert problem.places == ("bent: not in validation, test (1 images in 1 groups)",)
    offered = [
        way for way in ("drop the class", "task=multilabel", "task.module.classes=single") if way in problem.kind
    ]
    assert offered == ways


def test_a_rare_class_that_is_spelt_like_another_one_is_asked_for_with_its_images() -> None:
    values = np.array([1, 2, 0, 1, 0, 1])
    targets = Targets("multiclass", values, ("ok", "blowhole", "blowhol"), np.ones(6, dtype=np.bool_))
    (problem,) = check_split(SAMPLES, targets, split([0, 1], [2, 3], [4, 5]))
    ok, misspelt = problem.places
    assert ok == "ok: not in pool (2 images in 2 groups)"
    assert misspelt == "blowhol: not in validation, test (1 images in 1 groups); did you mean blowhole? In b"


def test_two_parts_need_two_groups() -> None:
    targets = Targets("multiclass", np.array([1, 0, 1, 0, 0, 0]), ("ok", "bent"), np.ones(6, dtype=np.bool_))
    (problem,) = check_split(SAMPLES, targets, split([0, 1, 2, 3], [], [4, 5]))[1:]
    assert "try another split" in problem.kind


@pytest.mark.parametrize(
    ("budget", "pool", "message"),
    [
        (Budget(initial=11), 10, "starting set is larger than the pool: 11 images of 10; budget.initial=10"),
        (Budget(initial=2, query=3, cycles=3), 10, "11 images of 10; budget.initial=2 budget.query=2, or"),
        (Budget(initial=2, query=3, cycles=3), 10, "or budget.cycles=2"),
        (Budget(initial=24, query=24, cycles=12), 8, "budget.initial=1 budget.query=1 budget.cycles=7"),
        (Budget(initial=24, query=24, cycles=12), 100, "budget=small, or budget.initial=7 budget.query=7, or"),
        (Budget(labelled=(2, 12)), 10, "the pool: 12 images of 10; shorten budget.labelled"),
    ],
)
def test_budgets_larger_than_the_pool(budget: Budget, pool: int, message: str) -> None:
    (problem,) = check_budget(budget, pool)
    assert message in problem.kind


@pytest.mark.parametrize("pool", [1, 2, 5, 8, 63, 64, 100])
def test_the_smaller_budget_that_is_offered_fits(pool: int) -> None:
    (problem,) = check_budget(Budget(initial=24, query=24, cycles=12), pool)
    assert ("budget=small" in problem.kind) == (pool >= 64)
    offered = next(way for way in problem.kind.split("; ")[1].split(", or ") if "budget.initial" in way)
    values = dict(setting.removeprefix("budget.").split("=") for setting in offered.split())
    smaller = Budget(**({"cycles": 12} | {key: int(value) for key, value in values.items()}))
    assert check_budget(smaller, pool) == []


def test_a_budget_of_the_whole_pool_is_fine() -> None:
    assert check_budget(Budget(initial=4, query=3, cycles=2), 10) == []


def test_what_a_pool_without_all_labels_lacks_is_not_known() -> None:
    targets = Targets("multiclass", np.array([0, -1, 0, 1, 0, 1]), ("ok", "bent"), np.ones(6, dtype=np.bool_))
    assert check_split(SAMPLES, targets, split([0, 1], [2, 3], [4, 5])) == []
    (problem,) = check_split(SAMPLES, targets, split([0, 1], [2], [4, 5]))
    assert problem.places == ("bent: not in validation (2 images in 2 groups)",)


def test_nobody_is_told_to_draw_a_given_split_anew() -> None:
    given = replace(SAMPLES, parts=("pool",) * 6)
    empty, absent = check_split(given, CLASSES, split([0, 1], [2], []))
    assert empty.places == ("test",)
    for problem in (empty, absent):
        assert "given split" in problem.kind
        assert "another split" not in problem.kind


@pytest.mark.parametrize(
    ("division", "way"),
    [
        (Division(0.2, 0.2, number=3), "another split than split=3"),
        (Division(0.2, 0.2, folds=3, number=4), "splits 6 to 8, in place of 3 to 5"),
        (Division(0.2, 0.2, number=0, by="type"), "data.split.validation"),
    ],
)
def test_what_brings_a_class_in_depends_on_how_the_split_was_drawn(division: Division, way: str) -> None:
    samples = Samples(tuple("abcdefgh"), ("g", "g", "h", "h", "i", "i", "j", "j"))
    targets = Targets("multiclass", np.array([0, 1] * 4), ("ok", "bent"), np.ones(8, dtype=np.bool_))
    (problem,) = check_split(samples, targets, split([0, 1, 6, 7], [2], [4, 5]), division=division)
    assert problem.places[0].startswith("bent: not in validation")
    assert way in problem.kind


def test_a_class_that_only_the_value_left_out_shows_cannot_be_learnt() -> None:
    targets = Targets("multiclass", np.array([0, 2, 0, 2, 0, 1]), ("ok", "bent", "cut"), np.ones(6, dtype=np.bool_))
    by = Division(0.2, 0.2, number=0, by="type")
    (problem,) = check_split(SAMPLES, targets, split([0, 1], [2, 3], [4, 5]), division=by)
    assert problem.places == ("bent",)
    assert "leave out other values" in problem.kind


def test_a_budget_says_that_pools_of_other_folds_may_be_smaller() -> None:
    for division, told in ((Division(0.2, 0.2, folds=3), True), (Division(0.2, 0.2), False)):
        (problem,) = check_budget(Budget(initial=9), 8, division)
        assert ("other splits may be smaller" in problem.kind) == told
