from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from coilal.common.types import DataError, Samples
from coilal.data.division import Division
from coilal.data.splits import PARTS, draw_parts
from coilal.data.stored_split import StoredSplit, place, place_audit

DIVISION = Division(validation=0.2, test=0.3)


def data(groups: int, first: int = 0, of_each: int = 3) -> Samples:
    numbers = [number for number in range(first, first + groups) for _ in range(of_each)]
    names = tuple(f"g{number}_{index}.png" for index, number in enumerate(numbers))
    classes = np.arange(len(numbers)) % 2
    return Samples(names, tuple(f"g{number}" for number in numbers), classes=classes, class_names=("a", "b"))


def drawn(samples: Samples) -> StoredSplit:
    return StoredSplit().extended(samples, draw_parts(samples, DIVISION))


def by_name(samples: Samples, part: np.ndarray) -> dict[str, str]:
    return dict(zip(samples.names, (PARTS[number] for number in part), strict=True))


def test_a_first_data_set_is_drawn_as_ever() -> None:
    samples = data(30)
    placed = place(samples, DIVISION, StoredSplit())
    assert placed.part.tolist() == draw_parts(samples, DIVISION).tolist()
    assert not placed.is_stored
    assert placed.note == ""


def test_corrected_labels_move_nothing() -> None:
    samples = data(30)
    assert samples.classes is not None
    flipped = replace(samples, classes=1 - samples.classes)
    shifted = replace(samples, classes=np.where(np.arange(len(samples)) < 40, 0, samples.classes))
    before = draw_parts(samples, DIVISION)
    for corrected in (flipped, shifted):
        assert place(corrected, DIVISION, drawn(samples)).part.tolist() == before.tolist()
    assert draw_parts(shifted, DIVISION).tolist() != before.tolist(), "a split drawn anew would have moved some"


def test_new_groups_do_not_move_the_old_ones_nor_one_another() -> None:
    old, more, still_more = data(30), data(60), data(90)
    stored = drawn(old)
    once = place(more, DIVISION, stored)
    before, after = by_name(old, draw_parts(old, DIVISION)), by_name(more, once.part)
    assert all(after[name] == part for name, part in before.items())
    assert once.is_stored
    assert "30 new groups" in once.note
    in_steps = place(still_more, DIVISION, stored.extended(more, once.part))
    at_once = place(still_more, DIVISION, stored)
    assert in_steps.part.tolist() == at_once.part.tolist(), "a group's part depends on its name alone"


def test_new_groups_come_to_the_parts_in_the_shares() -> None:
    one = data(1)
    many = data(5000, of_each=1)
    counts = Counter(place(many, DIVISION, drawn(one)).part.tolist())
    assert np.allclose([counts[part] / 5000 for part in range(3)], (0.5, 0.2, 0.3), atol=0.03)


def test_a_new_group_is_tested_in_one_of_the_folds() -> None:
    many, stored = data(3000, of_each=1), drawn(data(1))
    parts = np.array([place(many, Division(0.16, 0.2, 5, number), stored).part for number in range(5)])
    assert ((parts == PARTS.index("test")).sum(0)[1:] == 1).all()
    shares = [(parts == PARTS.index(name)).mean() for name in PARTS]
    assert np.allclose(shares, (0.64, 0.16, 0.2), atol=0.02)


def test_new_groups_of_the_type_that_is_left_out_are_tested() -> None:
    def typed(samples: Samples) -> Samples:
        return replace(samples, attributes={"type": tuple("ab"[int(group[1:]) % 2] for group in samples.groups)})

    division = Division(0.2, 0.3, by="type", number=1)
    first, more = typed(data(10)), typed(data(400))
    more = replace(more, unlabelled=tuple(range(1190, 1200)))
    stored = StoredSplit().extended(first, draw_parts(first, division))
    part = place(more, division, stored).part
    assert ((part == PARTS.index("test")) == [found == "b" for found in more.attributes["type"]]).all()
    assert 0.1 < (part[np.array(more.attributes["type"]) == "a"] == PARTS.index("validation")).mean() < 0.3


def test_groups_that_are_gone_keep_their_part_for_when_they_come_back() -> None:
    whole = data(30)
    stored = drawn(whole)
    half = data(15)
    stored = stored.extended(half, place(half, DIVISION, stored).part)
    assert place(whole, DIVISION, stored).part.tolist() == draw_parts(whole, DIVISION).tolist()


def test_a_renamed_group_stays_where_its_images_were() -> None:
    samples = data(30)
    renamed = replace(samples, groups=tuple(f"coil {group}" for group in samples.groups))
    assert place(renamed, DIVISION, drawn(samples)).part.tolist() == draw_parts(samples, DIVISION).tolist()


def test_groups_that_were_joined_across_parts_are_refused_by_name() -> None:
    samples = data(30)
    part = draw_parts(samples, DIVISION)
    test, pool = (samples.groups[np.flatnonzero(part == number)[0]] for number in (2, 0))
    joined = replace(samples, groups=tuple(pool if group == test else group for group in samples.groups))
    with pytest.raises(DataError) as error:
        place(joined, DIVISION, drawn(samples))
    assert f"{pool}: pool, test" in str(error.value)
    assert "study=…" in str(error.value)


def test_another_data_set_is_drawn_anew() -> None:
    other = data(20, first=1000)
    placed = place(other, DIVISION, drawn(data(30)))
    assert placed.part.tolist() == draw_parts(other, DIVISION).tolist()
    assert not placed.is_stored


def test_a_given_split_counts_before_a_stored_one_and_is_not_stored() -> None:
    samples = data(4, of_each=1)
    stored = drawn(samples)
    given = replace(samples, parts=("test", "pool", "validation", "test"))
    placed = place(given, DIVISION, stored)
    assert placed.part.tolist() == [2, 0, 1, 2]
    assert (placed.is_stored, placed.adds, placed.note) == (False, False, "")


def test_new_groups_without_a_label_stand_in_the_pool() -> None:
    stored, more = drawn(data(30)), data(90)
    unlabelled = tuple(range(90, len(more)))
    some = replace(more, unlabelled=unlabelled)
    assert (place(some, DIVISION, stored).part[90:] == 0).all()
    assert not (place(more, DIVISION, stored).part[90:] == 0).all()
    labelled_since = place(more, DIVISION, stored.extended(some, place(some, DIVISION, stored).part))
    assert (labelled_since.part[90:] == 0).all(), "what was in the pool stays there when it gets its label"


def coils(number: int, views: int, new: str = "") -> Samples:
    groups = tuple(f"coil{coil:03}" for coil in range(number) for _ in range(views)) + ((new,) if new else ())
    return Samples(tuple(f"{place}.png" for place in range(len(groups))), groups)


POOL, TEST, ASIDE = 0, 2, 3


@pytest.mark.parametrize(
    ("groups", "views", "images", "audited", "measure"),
    [
        (40, 4, 0, 0, 0),
        (40, 4, 1, 1, 1),
        (40, 4, 64, 16, 64),  # whole groups are enough of them
        (40, 16, 64, 10, 70),  # four whole ones would be too few: seven views of each of ten
        (40, 960, 64, 10, 70),
        (12, 25, 64, 4, 64),  # no more than a third of the groups
        (2, 960, 64, 1, 64),  # one needs not be looked at whole
        (300, 1, 64, 64, 64),
    ],
)
def test_an_audit_set_is_spread_over_groups_that_nothing_is_learnt_from(
    groups: int, views: int, images: int, audited: int, measure: int
) -> None:
    samples = coils(groups, views)
    part = place_audit(samples, images, 3, StoredSplit()).part
    of_group = part.reshape(groups, views)
    is_audited = (of_group != POOL).any(axis=1)
    assert is_audited.sum() == audited
    assert (of_group[is_audited] != POOL).all(), "the other views of its groups stand aside"
    assert (part == TEST).sum() == measure
    assert set((of_group[is_audited] == TEST).sum(axis=1)) <= {measure // max(audited, 1)}


def test_of_groups_of_unequal_size_an_audit_set_has_equally_many_views_as_far_as_there_are() -> None:
    sizes = np.array([1, 2, *[30] * 40])
    names = tuple(f"coil{coil:03}" for coil, size in enumerate(sizes) for _ in range(size))
    for seed in range(40):
        part = place_audit(Samples(tuple(map(str, range(len(names)))), names), 64, seed, StoredSplit()).part
        shown = Counter(name for name, where in zip(names, part.tolist(), strict=True) if where == TEST)
        most = max(shown.values())
        assert all(count == min(most, sizes[int(name[-3:])]) for name, count in shown.items())
        assert sum(shown.values()) >= 64 > sum(min(count, most - 1) for count in shown.values())


def test_an_audit_set_is_drawn_uniformly_over_groups_and_views_and_never_grows() -> None:
    samples = coils(30, 3)
    audited, measures = np.zeros(30), np.zeros(90)
    for seed in range(2000):
        part = place_audit(samples, 12, seed, StoredSplit()).part
        audited += part[::3] != POOL
        measures += part == TEST
    assert np.abs(audited / 2000 - 1 / 3).max() < 0.05
    assert np.abs(measures / 2000 - 2 / 9).max() < 0.05
    first = place_audit(samples, 12, 0, StoredSplit()).part
    stored = StoredSplit().extended(samples, first)
    new_group = coils(30, 3, new="coil999")
    again = place_audit(new_group, 20, 1, stored)
    assert again.part.tolist() == [*first.tolist(), POOL]
    group = samples.groups[int(np.flatnonzero(first == TEST)[0])]
    new_view = place_audit(coils(30, 3, new=group), 12, 0, stored)
    assert new_view.part.tolist() == [*first.tolist(), ASIDE]
    assert stored.extended(new_group, again.part).rows["90.png"] == ("coil999", "pool")


def test_an_audit_set_of_an_earlier_version_has_whole_groups_and_stays() -> None:
    samples = coils(10, 4)
    whole = np.where(np.arange(40) < 12, TEST, POOL)
    placed = place_audit(samples, 12, 0, StoredSplit().extended(samples, whole))
    assert placed.part.tolist() == whole.tolist()
    assert placed.is_stored


def test_a_group_of_which_only_views_that_stand_aside_are_left_is_still_not_learnt_from() -> None:
    samples = coils(30, 8)
    part = place_audit(samples, 64, 0, StoredSplit()).part
    left = samples.subset(np.flatnonzero(part != TEST))
    again = place_audit(left, 64, 0, StoredSplit().extended(samples, part))
    assert again.part.tolist() == part[part != TEST].tolist()
