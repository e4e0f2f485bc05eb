"""The catalogue of a rendered data set: names, labels with the real proportions, histories that explain labels."""

from __future__ import annotations

import numpy as np
import pytest

from coilal.common.types import DataError, UserError
from coilal.demo.renderer import (
    COMBINATIONS,
    KINDS,
    Winding,
    catalogue,
    catalogue_for,
    codes_of,
    events_of,
    labels_of,
    place,
)
from coilal.demo.renderer.catalogue import PROPORTIONS
from coilal.demo.renderer.faults import ROOM

# The counts of the real table as COILS.md lists them, by the code of Error_Multi.
REAL = np.array([19304, 640, 4128, 736, 6018, 811, 668, 5737])


def test_proportions_are_those_of_the_real_table() -> None:
    np.testing.assert_allclose(PROPORTIONS, REAL / REAL.sum(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coils", "images", "tolerance", "spread"), [(40, 32, 0.012, 5), (12, 16, 0.035, 3), (40, 240, 0.01, 5)]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_come_near_the_real_proportions(
    coils: int, images: int, tolerance: float, spread: int, seed: int
) -> None:
    known = catalogue(coils, images, seed)
    codes = codes_of(known.labels)
    shares = np.bincount(codes, minlength=8) / len(codes)
    np.testing.assert_allclose(shares, REAL / REAL.sum(), atol=tolerance)
    assert min(len(np.unique(known.coils[codes == code])) for code in range(8)) >= spread
    faultless = sum(not codes[known.coils == coil].any() for coil in range(1, coils + 1))
    assert abs(faultless / coils - 11 / 40) < 0.1


def test_first_faults_come_when_the_real_ones_do() -> None:
    known = catalogue(40, 960, 0)
    first = [
        int(np.flatnonzero(known.labels[known.coils == coil].any(1))[0])
        for coil in range(1, 41)
        if known.faults[coil]
    ]
    assert len(first) == 29
    assert min(first) >= 59
    assert max(first) <= 790
    assert 60 <= np.median(first) <= 130


def test_names_are_whole_turns_in_the_real_numbering() -> None:
    known = catalogue(2, 16, 0)
    assert known.names[0] == "Spule001_Image0121.jpg"
    assert len(set(known.names)) == len(known) == 32
    turns = known.numbers.reshape(-1, 4)
    assert (turns[:, 0] % 4 == 1).all()
    assert (np.diff(turns, axis=1) == 1).all()
    np.testing.assert_array_equal(catalogue(1, 960, 0).numbers, np.arange(1, 961))


def test_labels_say_what_the_faults_show() -> None:
    known = catalogue(6, 32, 2)
    for position in range(len(known)):
        number = int(known.numbers[position])
        kinds = {fault.kind for fault in known.faults[int(known.coils[position])] if fault.seen_in(number)}
        assert known.labels[position].tolist() == [int(kind in kinds) for kind in range(3)]


def test_faults_seen_together_leave_each_other_room() -> None:
    known = catalogue(20, 64, 1)
    for faults in known.faults.values():
        for a in faults:
            for b in faults:
                together = a.face == b.face and a.start < b.end and b.start < a.end
                if a is not b and together:
                    assert abs(a.strand - b.strand) >= ROOM[a.kind] + ROOM[b.kind]


def test_same_seed_same_plan_other_seed_other_plan() -> None:
    assert catalogue(8, 16, 3).faults == catalogue(8, 16, 3).faults
    assert catalogue(8, 16, 3).faults != catalogue(8, 16, 4).faults


def test_codes_are_the_rows_of_the_combinations() -> None:
    np.testing.assert_array_equal(codes_of(COMBINATIONS), np.arange(8))
    assert COMBINATIONS[4].tolist() == [1, 1, 0]
    assert KINDS == ("double_winding", "gap", "crossover")


def test_any_label_table_is_explained_by_its_history() -> None:
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.choice(np.arange(1, 961), 300, replace=False)).tolist()
    labels = rng.integers(0, 2, (300, 3)).astype(np.uint8)
    faults = place(events_of(numbers, labels), Winding.of(0, 1))
    np.testing.assert_array_equal(labels_of(faults, numbers), labels)


def test_catalogue_for_keeps_names_and_labels() -> None:
    names = ("Spule007_Image0005.jpg", "Spule007_Image0009.jpg", "Spule002_Image0960.png")
    labels = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 1]], np.uint8)
    known = catalogue_for(names, labels, 0)
    assert known.names == names
    assert known.coils.tolist() == [7, 7, 2]
    assert known.numbers.tolist() == [5, 9, 960]
    np.testing.assert_array_equal(labels_of(known.faults[7], [5, 9]), labels[:2])


def test_catalogue_for_lists_bad_and_double_names() -> None:
    labels = np.zeros((2, 3), np.uint8)
    with pytest.raises(DataError, match=r"\(2\)"):
        catalogue_for(("picture.jpg", "Spule001_Image0961.jpg"), labels, 0)
    with pytest.raises(DataError, match="twice"):
        catalogue_for(("Spule001_Image0001.jpg", "Spule001_Image0001.jpg"), labels, 0)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((0, 32, 0), "coils"),
        ((4, 30, 0), "images_per_coil"),
        ((4, 964, 0), "images_per_coil"),
        ((4, 32, -1), "seed"),
    ],
)
def test_impossible_numbers_are_refused(arguments: tuple[int, int, int], word: str) -> None:
    with pytest.raises(UserError, match=word):
        catalogue(*arguments)
