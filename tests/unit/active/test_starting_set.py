from __future__ import annotations

import numpy as np
import pytest

from coilal.active.starting_set import draw, draw_spread
from coilal.common.types import UserError

IDS = np.arange(200) * 2 + 7
CLASSES = np.repeat([0, 1, 2, 3], [140, 40, 15, 5])
LABELS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])[CLASSES]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("how", ["random", "stratified"])
def test_draws_different_images_of_the_pool_anew_for_each_seed(how: str) -> None:
    first = draw(IDS, CLASSES, 50, how, generator())  # type: ignore[arg-type]
    again = draw(IDS, CLASSES, 50, how, generator())  # type: ignore[arg-type]
    other = draw(IDS, CLASSES, 50, how, generator(1))  # type: ignore[arg-type]
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(set(first.tolist())) == 50
    assert set(first.tolist()) <= set(IDS.tolist())


def test_random_looks_at_no_label() -> None:
    no_labels = np.empty((0, 2), dtype=np.int64)
    assert draw(IDS, CLASSES, 20, "random", generator()).tolist() == (
        draw(IDS, no_labels, 20, "random", generator()).tolist()
    )


@pytest.mark.parametrize("values", [CLASSES, LABELS], ids=["classes", "label combinations"])
@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (200, [140, 40, 15, 5]),
        (40, [28, 8, 3, 1]),  # exactly in proportion
        (10, [7, 1, 1, 1]),  # quotas 7, 2, 0.75, 0.25: the second gives up one for the last
        (4, [1, 1, 1, 1]),
        (2, [1, 1, 0, 0]),  # too few for all: the most frequent
    ],
)
def test_stratified_is_in_proportion_with_at_least_one_each(
    values: np.ndarray, count: int, expected: list[int]
) -> None:
    ids = draw(IDS, values, count, "stratified", generator())
    counts = np.bincount(CLASSES[(ids - 7) // 2], minlength=4)
    assert counts.sum() == count
    if count == 10:  # which of the two large ones gives up its place is a matter of rounding
        assert counts.tolist() in (expected, [6, 2, 1, 1])
    else:
        assert counts.tolist() == expected


def test_stratified_never_deviates_from_the_quota_by_more_than_the_minimum_asks() -> None:
    for seed in range(50):
        sizes = generator(seed).integers(1, 60, size=6)
        classes = np.repeat(np.arange(6), sizes)
        count = int(generator(seed).integers(6, sizes.sum() + 1))
        ids = draw(np.arange(len(classes)), classes, count, "stratified", generator(seed))
        counts = np.bincount(classes[ids], minlength=6)
        quota = count * sizes / sizes.sum()
        raised = np.maximum(1 - quota, 0).sum()
        assert counts.sum() == count == len(set(ids.tolist()))
        assert (counts >= 1).all()
        assert (np.abs(counts - quota) < 1 + raised).all()


def test_the_order_is_random_not_class_by_class() -> None:
    ids = draw(IDS, CLASSES, 100, "stratified", generator())
    assert (np.diff(CLASSES[(ids - 7) // 2]) < 0).any()


@pytest.mark.parametrize("count", [0, 201])
def test_impossible_sizes_are_refused(count: int) -> None:
    with pytest.raises(UserError, match=f"1 to 200 images.* not {count}"):
        draw(IDS, CLASSES, count, "random", generator())


def test_unknown_way_of_drawing_is_refused() -> None:
    with pytest.raises(UserError, match="choose random or stratified"):
        draw(IDS, CLASSES, 5, "stratify", generator())  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [np.where(IDS < 20, -1, CLASSES), np.where(IDS[:, None] < 20, -1, LABELS)])
def test_a_stratified_start_needs_all_labels(values: np.ndarray) -> None:
    with pytest.raises(UserError, match="7 of 200 images have none"):
        draw(IDS, values, 20, "stratified", generator())
    assert len(draw(IDS, values, 20, "random", generator())) == 20


def test_a_spread_draw_takes_few_images_of_a_group_and_more_only_where_all_have_given_theirs() -> None:
    groups = np.repeat([5, 8, 9], [150, 45, 5])
    for seed, (count, expected) in enumerate([(12, [4, 4, 4]), (13, [5, 4, 4]), (21, [8, 8, 5])]):
        ids = draw_spread(IDS, groups, count, 4, generator(seed))
        given = np.bincount(groups[(ids - 7) // 2], minlength=10)[[5, 8, 9]]
        assert len(set(ids.tolist())) == count
        assert (given <= (np.array(expected) if count != 13 else [5, 5, 5])).all()
        assert sorted(given) == sorted(expected)
    few = draw_spread(IDS, np.arange(200), 50, 1, generator())
    assert len(set(few.tolist())) == 50
    everything = draw_spread(IDS, groups, 200, 4, generator())
    assert sorted(everything.tolist()) == IDS.tolist()


def test_a_spread_draw_is_uniform_within_a_group_and_over_equal_groups() -> None:
    ids, groups = np.arange(12), np.repeat([0, 1, 2], 4)
    drawn = np.array([draw_spread(ids, groups, 3, 2, generator(seed)) for seed in range(4000)])
    assert np.bincount(drawn.ravel()) == pytest.approx(np.full(12, 1000), rel=0.12)
    assert np.bincount(drawn[:, 0]) == pytest.approx(np.full(12, 4000 / 12), rel=0.25), "in random order"
    assert max(np.bincount(groups[row]).max() for row in drawn) == 2
