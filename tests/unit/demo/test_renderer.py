"""The photographs: reproducible, independent of each other, faults where the labels say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from coilal.common.types import UserError
from coilal.demo.renderer import (
    HEIGHT,
    KINDS,
    WIDTH,
    CoilRenderer,
    Fault,
    Winding,
    catalogue,
    photographs,
    strands_at,
)

FAULTS = tuple(
    Fault(kind, face=kind, start=40, end=200, strand=12 + 8 * kind, shape=kind) for kind in range(len(KINDS))
)

DIGESTS: dict[tuple[int, int, int, int], str] = {  # seed, coil, image number, rig
    (0, 1, 1, 0): "38d0f7873e45cc47",
    (0, 1, 481, 0): "b54020a2074a683d",
    (0, 2, 482, 3): "e38c3c7e27c58a14",
    (7, 40, 483, 0): "781500d4fb51c400",
}


@pytest.mark.parametrize(("key", "digest"), DIGESTS.items())
def test_pixels_are_those_of_every_other_machine(key: tuple[int, int, int, int], digest: str) -> None:
    seed, coil, number, rig = key
    photo = CoilRenderer(seed, coil).render(number, FAULTS, rig)
    assert hashlib.sha256(photo.tobytes()).hexdigest()[:16] == digest, (
        "the pixels changed: if that is meant, raise RENDERER_VERSION and renew the digests"
    )


def test_shape_and_range_of_grey() -> None:
    photo = CoilRenderer(0, 1).render(100)
    assert photo.shape == (HEIGHT, WIDTH) == (486, 745)
    assert photo.dtype == np.uint8
    assert photo.min() < 25
    assert photo.max() == 255
    assert 40 < np.median(photo[:, :60]) < 95  # dark, even background


def test_picture_does_not_depend_on_what_was_rendered_before() -> None:
    busy = CoilRenderer(3, 2, rigs_kept=1)
    for number in (1, 2, 700):
        busy.render(number, FAULTS, rig=number % 2)
    np.testing.assert_array_equal(busy.render(333, FAULTS), CoilRenderer(3, 2).render(333, FAULTS))


def test_seed_coil_number_and_rig_each_change_the_picture() -> None:
    base = CoilRenderer(0, 1).render(50)
    for other in (
        CoilRenderer(1, 1).render(50),
        CoilRenderer(0, 2).render(50),
        CoilRenderer(0, 1).render(54),
        CoilRenderer(0, 1).render(50, rig=1),
    ):
        assert np.mean(base != other) > 0.3


@pytest.mark.parametrize("fault", FAULTS, ids=KINDS)
def test_a_fault_is_drawn_only_on_its_face_and_in_its_turns(fault: Fault) -> None:
    renderer = CoilRenderer(0, 1)
    first = 4 * fault.start + fault.face + 1
    for number, shown in ((first, True), (first + 400, True), (first - 4, False), (first + 1, False)):
        same = np.array_equal(renderer.render(number), renderer.render(number, (fault,)))
        assert same is not shown
    assert np.array_equal(
        renderer.render(4 * fault.end + fault.face + 1),
        renderer.render(4 * fault.end + fault.face + 1, (fault,)),
    )


@pytest.mark.parametrize("coil", [1, 4])
@pytest.mark.parametrize("fault", FAULTS, ids=KINDS)
def test_a_fault_is_small_but_stands_out_of_the_noise_where_it_lies(fault: Fault, coil: int) -> None:
    renderer = CoilRenderer(0, coil)
    number = 4 * 100 + fault.face + 1
    change = np.abs(renderer.render(number).astype(int) - renderer.render(number, (fault,)))
    strong = change > 40
    assert 0.001 < strong.mean() < 0.03
    rows = np.flatnonzero(strong.any(1))
    height = 84 + 318 * (fault.strand + 0.5) / Winding.of(0, coil).strands
    assert abs(np.median(np.nonzero(strong)[0]) - height) < 25
    assert rows.max() - rows.min() < 120


def test_double_winding_sticks_out_at_both_edges() -> None:
    fault = FAULTS[0]
    number = 4 * 100 + fault.face + 1
    renderer = CoilRenderer(0, 1)
    plain, faulty = renderer.render(number).astype(int), renderer.render(number, (fault,)).astype(int)
    darker = (plain - faulty > 20).any(0)
    silhouette = np.flatnonzero((plain[140:380] < 32).any(0))
    assert darker[silhouette.min() - 5 : silhouette.min()].any()
    assert darker[silhouette.max() + 1 : silhouette.max() + 6].any()


def test_another_rig_shows_the_same_winding() -> None:
    strands = strands_at(0, 1, 401, FAULTS)
    again = strands_at(0, 1, 401, FAULTS)
    np.testing.assert_array_equal(strands.course, again.course)
    assert not np.array_equal(strands.course, strands_at(0, 1, 401).course)


def test_wider_layer_lies_where_turns_were_laid() -> None:
    assert Winding.of(0, 1).down_first
    strands = strands_at(0, 1, 4 * 10 + 1)
    upper = strands.layer == strands.layer.max()
    assert upper.sum() == 11
    assert strands.course[upper].mean() < strands.course[~upper].mean()


def test_image_numbers_outside_the_coil_are_refused() -> None:
    for number in (0, 961):
        with pytest.raises(UserError, match="960"):
            CoilRenderer(0, 1).render(number)


def test_photographs_are_those_of_the_renderer() -> None:
    known = catalogue(2, 8, 5)
    photos = list(photographs(known, [3, 9]))
    alone = CoilRenderer(5, 2).render(int(known.numbers[9]), known.faults[2])
    np.testing.assert_array_equal(photos[1], alone)
    assert len(photos) == 2
