from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from coilal.common.types import DataError, Samples, Split, Targets, UserError
from coilal.data.checks import check_split
from coilal.data.division import Division
from coilal.data.splits import PARTS, as_split, draw_parts, label_counts

SHARES = {"validation": 0.15, "test": 0.25}


def with_classes(classes: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[Samples, Targets]:
    names = tuple(f"class{index}" for index in range(int(classes.max()) + 1))
    samples = Samples(
        names=tuple(map(str, range(len(classes)))),
        groups=tuple(map(str, groups)),
        classes=classes,
        class_names=names,
    )
    return samples, Targets("multiclass", classes, names, np.ones(len(classes), dtype=np.bool_))


def with_labels(labels: NDArray[np.uint8], groups: NDArray[np.int64]) -> tuple[Samples, Targets]:
    names = tuple(f"label{index}" for index in range(labels.shape[1]))
    samples = Samples(tuple(map(str, range(len(labels)))), tuple(map(str, groups)), labels, names)
    return samples, Targets("multilabel", labels.astype(np.int64), names, np.ones(len(labels), dtype=np.bool_))


def coils(seed: int) -> tuple[Samples, Targets]:
    """40 coils of 32 images; classes 1 to 7 are rare and stand in 5 coils each at random."""
    rng = np.random.default_rng(seed)
    classes = np.zeros((40, 32), dtype=np.int64)
    for index in range(1, 8):
        for coil in rng.choice(40, 5, replace=False):
            classes[coil, rng.choice(32, 4, replace=False)] = index
    return with_classes(classes.reshape(-1), np.repeat(np.arange(40), 32))


def split_by_group(samples: Samples, targets: Targets, shares: dict[str, float], seed: int) -> Split:
    return as_split(draw_parts(samples, Division.of(shares, seed)), targets)


def parts(split: Split) -> list[list[int]]:
    return [ids.tolist() for _, ids in split.parts()]


@pytest.mark.parametrize("seed", range(5))
def test_coils_stay_whole_and_every_class_is_in_every_part(seed: int) -> None:
    samples, targets = coils(seed)
    split = split_by_group(samples, targets, SHARES, seed)
    assert check_split(samples, targets, split) == []
    assert sorted(id_ for ids in parts(split) for id_ in ids) == list(range(len(samples)))
    shares = np.array([len(ids) for _, ids in split.parts()]) / len(samples)
    assert np.abs(shares - (0.6, 0.15, 0.25)).max() < 0.08


def test_three_groups_give_three_parts() -> None:
    samples, targets = with_classes(np.array([0, 1] * 3), np.array([0, 0, 1, 1, 2, 2]))
    split = split_by_group(samples, targets, SHARES, 0)
    assert check_split(samples, targets, split) == []
    samples, targets = with_classes(np.array([0, 1, 2]).repeat(2), np.array([0, 0, 1, 1, 2, 2]))
    assert all(len(ids) == 2 for ids in parts(split_by_group(samples, targets, SHARES, 0)))


def test_rare_labels_in_three_groups_reach_every_part() -> None:
    labels = np.zeros((60, 3), dtype=np.uint8)
    for label in range(3):
        labels[[label * 3, 20 + label * 3, 40 + label * 3], label] = 1
    samples, targets = with_labels(labels, np.arange(60) // 2)
    assert check_split(samples, targets, split_by_group(samples, targets, SHARES, 0)) == []


def test_the_seed_decides() -> None:
    samples, targets = coils(0)
    splits = [parts(split_by_group(samples, targets, SHARES, seed)) for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_images_without_groups_are_stratified_to_the_image() -> None:
    classes = np.repeat(np.arange(3), (100, 40, 20))
    samples, targets = with_classes(classes, np.arange(160))
    counts = label_counts(samples, targets, split_by_group(samples, targets, SHARES, 0))
    assert counts[["class0", "class1", "class2"]].to_numpy().tolist() == [
        [60, 24, 12],
        [15, 6, 3],
        [25, 10, 5],
        [100, 40, 20],
    ]


def test_rare_classes_without_groups_reach_every_part() -> None:
    samples, targets = with_classes(np.repeat(np.arange(5), (200, 3, 3, 3, 4)), np.arange(213))
    assert check_split(samples, targets, split_by_group(samples, targets, SHARES, 0)) == []


def test_the_split_is_the_same_for_every_task_and_leaves_out_what_is_not_used() -> None:
    samples, targets = coils(1)
    used = targets.values < 3
    some = Targets("multiclass", np.where(used, targets.values, -1), targets.names[:3], used)
    for whole, part in zip(
        parts(split_by_group(samples, targets, SHARES, 0)),
        parts(split_by_group(samples, some, SHARES, 0)),
        strict=True,
    ):
        assert part == [index for index in whole if used[index]]


def test_folds_test_every_group_once_and_then_again_with_other_folds() -> None:
    samples, targets = coils(0)
    drawn = [draw_parts(samples, Division(0.15, 0.25, folds=5, number=number)) for number in range(10)]
    groups = np.asarray(samples.groups)
    for dealing in (drawn[:5], drawn[5:]):
        tested = [set(groups[part == PARTS.index("test")].tolist()) for part in dealing]
        assert sorted(group for fold in tested for group in fold) == sorted(set(samples.groups))
    assert (drawn[0] != drawn[5]).any()
    for part in drawn:
        split = as_split(part, targets)
        assert check_split(samples, targets, split) == []
        shares = np.array([len(ids) for _, ids in split.parts()]) / len(samples)
        assert np.abs(shares - (0.65, 0.15, 0.2)).max() < 0.08


@pytest.mark.parametrize(
    ("shares", "what"),
    [({"folds": 1}, "folds is 1"), ({"validation": 0.6, "folds": 2}, "test=0.5"), ({"fold": 5}, "fold")],
)
def test_folds_that_cannot_be(shares: dict[str, float], what: str) -> None:
    with pytest.raises(UserError, match=what):
        Division.of({**SHARES, **shares})


def test_more_folds_than_groups_are_refused_with_their_number() -> None:
    samples, _ = coils(0)
    unlabelled = replace(samples, unlabelled=tuple(range(32)))
    draw_parts(samples, Division(0.01, 0.25, folds=40))
    for some, groups in ((samples, 40), (unlabelled, 39)):
        with pytest.raises(DataError, match=f"in {groups} groups.*data.split.folds={groups} or fewer"):
            draw_parts(some, Division(0.01, 0.25, folds=41))


def typed(samples: Samples) -> Samples:
    """Coils of three types, coil by coil."""
    kinds = ("narrow", "wide", "usual")
    return replace(samples, attributes={"type": tuple(kinds[int(group) % 3] for group in samples.groups)})


@pytest.mark.parametrize(("number", "value"), enumerate(("narrow", "usual", "wide")))
def test_a_type_is_left_out_and_tested_and_validation_has_the_others(number: int, value: str) -> None:
    classes = np.tile(np.repeat([0, 1, 0, 0], 8), 45)
    classes[np.repeat(np.arange(45), 32) % 3 == 0] = 0  # the narrow ones have one class alone
    samples, targets = with_classes(classes, np.repeat(np.arange(45), 32))
    samples = typed(samples)
    unlabelled = replace(samples, unlabelled=tuple(range(0, len(samples), 7)))
    for some in (samples, unlabelled):
        left_out = Division(0.2, 0.25, number=number, by="type")
        part = draw_parts(some, left_out)
        is_tested = part == PARTS.index("test")
        assert is_tested.tolist() == [found == value for found in samples.attributes["type"]]
        split = as_split(part, targets)
        assert check_split(some, targets, split, division=left_out) == []
        assert bool(check_split(some, targets, split)) == (value == "narrow")
    assert 0.12 < (part[~is_tested] == PARTS.index("validation")).mean() < 0.28


def test_what_cannot_be_left_out() -> None:
    samples, _ = coils(0)
    by = Division(0.2, 0.25, by="type")
    with pytest.raises(UserError, match="no such attribute"):
        draw_parts(samples, by)
    with pytest.raises(UserError, match=r"3 values \(narrow, usual, wide\).* splits 0 to 2"):
        draw_parts(typed(samples), replace(by, number=3))
    mixed = ("", "a", "b", *typed(samples).attributes["type"][3:])
    with pytest.raises(DataError) as refused:
        draw_parts(replace(samples, attributes={"type": mixed}), by)
    assert [problem.places for problem in refused.value.problems] == [("0",), ("0: a, b, narrow",)]
    spelled = ("Wide", *typed(samples).attributes["type"][1:])
    with pytest.raises(DataError, match="differ in spelling alone") as refused:
        draw_parts(replace(samples, attributes={"type": spelled}), by)
    with pytest.raises(UserError, match=r"all images have one value of it \(usual\)"):
        draw_parts(replace(samples, attributes={"type": ("usual",) * len(samples)}), by)
    with pytest.raises(UserError, match="exclude each other"):
        Division.of({**SHARES, "folds": 5, "by": "type"})


def test_shares_of_zero_leave_a_part_empty() -> None:
    samples, targets = coils(0)
    split = split_by_group(samples, targets, {"validation": 0, "test": 0.5}, 0)
    assert len(split.validation) == 0
    assert abs(len(split.test) - 640) <= 96


@pytest.mark.parametrize(
    "shares", [{"test": 0.2}, {"validation": 0.5, "test": 0.5}, {"validation": -0.1, "test": 0.2}]
)
def test_shares_that_cannot_be(shares: dict[str, float]) -> None:
    samples, targets = coils(0)
    with pytest.raises(UserError, match=r"data\.split"):
        split_by_group(samples, targets, shares, 0)


def test_no_images_give_empty_parts() -> None:
    samples = Samples((), (), classes=np.empty(0, dtype=np.int64), class_names=("a", "b"))
    targets = Targets("multiclass", np.empty(0, dtype=np.int64), ("a", "b"), np.empty(0, dtype=np.bool_))
    assert parts(split_by_group(samples, targets, SHARES, 0)) == [[], [], []]


def test_ungrouped_images_are_split_in_the_shares() -> None:
    labels = (np.random.default_rng(0).random((200_000, 5)) < 0.1).astype(np.uint8)
    samples, targets = with_labels(labels, np.arange(200_000))
    split = split_by_group(samples, targets, SHARES, 0)
    assert abs(len(split.pool) - 120_000) < 100


def test_label_counts_of_labels() -> None:
    samples, targets = with_labels(np.array([[1, 1], [0, 1], [0, 0]], np.uint8), np.array([0, 0, 1]))
    counts = label_counts(samples, targets, Split(np.array([0, 1]), np.array([2]), np.array([], dtype=np.int64)))
    assert counts.index.name == "part"
    assert counts.to_dict("index") == {
        "pool": {"images": 2, "groups": 1, "label0": 1, "label1": 2},
        "validation": {"images": 1, "groups": 1, "label0": 0, "label1": 0},
        "test": {"images": 0, "groups": 0, "label0": 0, "label1": 0},
        "all": {"images": 3, "groups": 2, "label0": 1, "label1": 2},
    }


def without_label(samples: Samples, ids: list[int]) -> tuple[Samples, Targets]:
    assert samples.classes is not None
    classes = samples.classes.copy()
    classes[ids] = -1
    some = replace(samples, classes=classes, unlabelled=tuple(ids))
    return some, Targets("multiclass", classes, samples.class_names, np.ones(len(classes), dtype=np.bool_))


def test_images_without_a_label_have_no_say_in_the_split_and_follow_their_group() -> None:
    samples, _ = coils(0)
    ids = [*range(32), *range(40, len(samples), 5)]  # the first coil has no label at all
    some, targets = without_label(samples, ids)
    part = draw_parts(some, Division.of(SHARES, 3))
    labelled = np.flatnonzero(some.is_labelled)
    assert part[labelled].tolist() == draw_parts(samples.subset(labelled), Division.of(SHARES, 3)).tolist()
    assert (part[:32] == 0).all(), "nobody scores a coil without a label"
    assert (part.reshape(40, 32) == part.reshape(40, 32)[:, :1]).all(), "coils stay whole"
    split = as_split(part, targets)
    assert split.pool.tolist() == np.flatnonzero(part == 0).tolist()
    for ids_of_part, number in ((split.validation, 1), (split.test, 2)):
        assert ids_of_part.tolist() == np.flatnonzero((part == number) & targets.is_labelled).tolist()
        assert len(ids_of_part) < (part == number).sum()


def test_without_any_label_all_images_are_of_the_pool() -> None:
    samples, _ = without_label(with_classes(np.array([0, 1]), np.arange(2))[0], [0, 1])
    assert draw_parts(samples, Division.of(SHARES, 0)).tolist() == [0, 0]


def test_images_without_a_label_are_counted() -> None:
    samples, targets = without_label(with_classes(np.array([0, 1, 1, 0]), np.arange(4))[0], [1])
    counts = label_counts(samples, targets, Split(np.array([0, 1]), np.array([2]), np.array([3])))
    assert counts.columns.tolist() == ["images", "groups", "class0", "class1", "unlabelled"]
    assert counts.to_numpy().tolist() == [[2, 2, 1, 0, 1], [1, 1, 0, 1, 0], [1, 1, 1, 0, 0], [4, 4, 2, 1, 1]]
    labels, of_labels = with_labels(np.array([[1, 1], [0, 1], [0, 0]], np.uint8), np.arange(3))
    values = np.where([[True], [False], [True]], of_labels.values, -1)
    counts = label_counts(
        replace(labels, unlabelled=(1,)),
        replace(of_labels, values=values),
        Split(np.array([0, 1]), np.array([2]), np.empty(0, np.int64)),
    )
    assert counts.loc["pool"].tolist() == [2, 2, 1, 1, 1]
