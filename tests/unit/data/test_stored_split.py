from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from coilal.common.types import DataError, Samples
from coilal.data.splits import PARTS, draw_parts
from coilal.data.stored_split import StoredSplit, place, place_audit

SHARES = {"validation": 0.2, "test": 0.3}


def data(groups: int, first: int = 0, of_each: int = 3) -> Samples:
    numbers = [number for number in range(first, first + groups) for _ in range(of_each)]
    names = tuple(f"g{number}_{index}.png" for index, number in enumerate(numbers))
    classes = np.arange(len(numbers)) % 2
    return Samples(names, tuple(f"g{number}" for number in numbers), classes=classes, class_names=("a", "b"))


def drawn(samples: Samples) -> StoredSplit:
    return StoredSplit().extended(samples, draw_parts(samples, SHARES, 0))


def by_name(samples: Samples, part: np.ndarray) -> dict[str, str]:
    return dict(zip(samples.names, (PARTS[number] for number in part), strict=True))


def test_a_first_data_set_is_drawn_as_ever() -> None:
    samples = data(30)
    placed = place(samples, SHARES, 0, StoredSplit())
    assert placed.part.tolist() == draw_parts(samples, SHARES, 0).tolist()
    assert not placed.is_stored
    assert placed.note == ""


def test_corrected_labels_move_nothing() -> None:
    samples = data(30)
    assert samples.classes is not None
    flipped = replace(samples, classes=1 - samples.classes)
    shifted = replace(samples, classes=np.where(np.arange(len(samples)) < 40, 0, samples.classes))
    before = draw_parts(samples, SHARES, 0)
    for corrected in (flipped, shifted):
        assert place(corrected, SHARES, 0, drawn(samples)).part.tolist() == before.tolist()
    assert draw_parts(shifted, SHARES, 0).tolist() != before.tolist(), "a split drawn anew would have moved some"


def test_new_groups_do_not_move_the_old_ones_nor_one_another() -> None:
    old, more, still_more = data(30), data(60), data(90)
    stored = drawn(old)
    once = place(more, SHARES, 0, stored)
    before, after = by_name(old, draw_parts(old, SHARES, 0)), by_name(more, once.part)
    assert all(after[name] == part for name, part in before.items())
    assert once.is_stored
    assert "30 new groups" in once.note
    in_steps = place(still_more, SHARES, 0, stored.extended(more, once.part))
    at_once = place(still_more, SHARES, 0, stored)
    assert in_steps.part.tolist() == at_once.part.tolist(), "a group's part depends on its name alone"


def test_new_groups_come_to_the_parts_in_the_shares() -> None:
    one = data(1)
    many = data(5000, of_each=1)
    counts = Counter(place(many, SHARES, 0, drawn(one)).part.tolist())
    assert np.allclose([counts[part] / 5000 for part in range(3)], (0.5, 0.2, 0.3), atol=0.03)


def test_groups_that_are_gone_keep_their_part_for_when_they_come_back() -> None:
    whole = data(30)
    stored = drawn(whole)
    half = data(15)
    stored = stored.extended(half, place(half, SHARES, 0, stored).part)
    assert place(whole, SHARES, 0, stored).part.tolist() == draw_parts(whole, SHARES, 0).tolist()


def test_a_renamed_group_stays_where_its_images_were() -> None:
    samples = data(30)
    renamed = replace(samples, groups=tuple(f"coil {group}" for group in samples.groups))
    assert place(renamed, SHARES, 0, drawn(samples)).part.tolist() == draw_parts(samples, SHARES, 0).tolist()


def test_groups_that_were_joined_across_parts_are_refused_by_name() -> None:
    samples = data(30)
    part = draw_parts(samples, SHARES, 0)
    test, pool = (samples.groups[np.flatnonzero(part == number)[0]] for number in (2, 0))
    joined = replace(samples, groups=tuple(pool if group == test else group for group in samples.groups))
    with pytest.raises(DataError) as error:
        place(joined, SHARES, 0, drawn(samples))
    assert f"{pool}: pool, test" in str(error.value)
    assert "study=…" in str(error.value)


def test_another_data_set_is_drawn_anew() -> None:
    other = data(20, first=1000)
    placed = place(other, SHARES, 0, drawn(data(30)))
    assert placed.part.tolist() == draw_parts(other, SHARES, 0).tolist()
    assert not placed.is_stored


def test_a_given_split_counts_before_a_stored_one_and_is_not_stored() -> None:
    samples = data(4, of_each=1)
    stored = drawn(samples)
    given = replace(samples, parts=("test", "pool", "validation", "test"))
    placed = place(given, SHARES, 5, stored)
    assert placed.part.tolist() == [2, 0, 1, 2]
    assert (placed.is_stored, placed.adds, placed.note) == (False, False, "")


def test_new_groups_without_a_label_stand_in_the_pool() -> None:
    stored, more = drawn(data(30)), data(90)
    unlabelled = tuple(range(90, len(more)))
    some = replace(more, unlabelled=unlabelled)
    assert (place(some, SHARES, 0, stored).part[90:] == 0).all()
    assert not (place(more, SHARES, 0, stored).part[90:] == 0).all()
    labelled_since = place(more, SHARES, 0, stored.extended(some, place(some, SHARES, 0, stored).part))
    assert (labelled_since.part[90:] == 0).all(), "what was in the pool stays there when it gets its label"


def coils(number: int, views: int, new: str = "") -> Samples:
    groups = tuple(f"coil{coil:03}" for coil in range(number) for _ in range(views)) + ((new,) if new else ())
    return Samples(tuple(f"{place}.png" for place in range(len(groups))), groups)


@pytest.mark.parametrize("images", [0, 1, 10, 64])
def test_an_audit_set_is_of_whole_groups_until_it_is_large_enough(images: int) -> None:
    samples = coils(40, 4)
    part = place_audit(samples, images, 3, StoredSplit()).part
    audited = {group for group, where in zip(samples.groups, part.tolist(), strict=True) if where == 2}
    assert set(part.tolist()) <= {0, 2}
    assert (part == 2).sum() == 4 * len(audited)
    assert images <= (part == 2).sum() < images + 4


def test_an_audit_set_is_drawn_uniformly_over_groups_and_never_grows() -> None:
    samples = coils(10, 2)
    counts = np.zeros(10)
    for seed in range(2000):
        counts += place_audit(samples, 6, seed, StoredSplit()).part[::2] == 2
    assert np.abs(counts / 2000 - 0.3).max() < 0.05
    first = place_audit(samples, 6, 0, StoredSplit()).part
    stored = StoredSplit().extended(samples, first)
    more = coils(10, 2, new="coil999")
    again = place_audit(more, 20, 1, stored)
    assert again.part[:-1].tolist() == first.tolist()
    assert again.part[-1] == 0, "what is new stands in the pool"
