"""Images that a session knows keep their ids, and copies of them are left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from coilal.common.types import DecodedImages, Samples, UserError
from coilal.labelling import known
from coilal.labelling.known import Rows, in_place, without_copies


def samples(names: Sequence[str], classes: Sequence[int] | None = None) -> Samples:
    return Samples(
        names=tuple(names),
        groups=tuple(f"coil {name}" for name in names),
        classes=None if classes is None else np.array(classes),
        class_names=() if classes is None else ("dent", "ok"),
    )


def decoded(values: Sequence[int], copies: dict[int, int] | None = None, of_format: str = "f") -> DecodedImages:
    """Return images of 2 × 2 pixels that all have the same value, which is their digest, too."""
    array = np.array(values)
    pixels = np.broadcast_to(array.astype(np.uint8)[:, None, None, None], (len(array), 1, 2, 2))
    return DecodedImages(pixels, f"of {values}", array.astype(np.uint64), None, of_format, copies or {})


def values_of(images: DecodedImages) -> list[int]:
    return [int(images.pixels[number][0, 0, 0]) for number in range(len(images.pixels))]


def test_rows_are_read_from_both_arrays_in_any_way() -> None:
    stored, beside = decoded([1, 2, 3]).pixels, np.full((2, 1, 2, 2), 9, dtype=np.uint8)
    rows = Rows(stored, beside, np.array([2, 4, 0]))
    assert rows.shape == (3, 1, 2, 2)
    assert len(rows) == 3
    assert rows[1].shape == (1, 2, 2)
    assert rows[:2][:, 0, 0, 0].tolist() == [3, 9]
    assert rows[np.array([2, 1])][:, 0, 0, 0].tolist() == [1, 9]
    assert rows[np.array([], dtype=np.int64)].shape == (0, 1, 2, 2)


def test_new_images_come_after_those_that_were_there_and_what_is_gone_stays_as_it_was() -> None:
    before = samples("bcd", [0, 1, 0]), decoded([2, 3, 4])
    now, images, gone = in_place(samples("abd", [1, 1, 0]), decoded([1, 2, 4]), before)
    assert now.names == ("b", "c", "d", "a")
    assert now.groups == ("coil b", "coil c", "coil d", "coil a")
    assert gone == (1,)
    assert values_of(images) == [2, 3, 4, 1]
    assert images.digests.tolist() == [2, 3, 4, 1]
    assert now.classes is not None
    assert now.classes.tolist() == [1, -1, 0, 1], "what a table says of it now"
    assert now.unlabelled == (1,)
    now, images, gone = in_place(samples("abcd", [1, 1, 1, 0]), decoded([1, 2, 30, 4]), (now, images))
    assert (now.names, gone) == (("b", "c", "d", "a"), ())
    assert values_of(images) == [2, 30, 4, 1], "it is back"


def test_a_folder_in_the_order_of_before_is_as_it_is() -> None:
    images = decoded([1, 2, 3])
    assert in_place(samples("abc"), images, (samples("ab"), decoded([1, 2])))[1] is images


def test_images_that_show_something_else_have_another_fingerprint() -> None:
    before = samples("bc"), decoded([2, 3])
    whole, other, without = (
        in_place(samples(names), decoded(values), before)[1].fingerprint
        for names, values in (("abc", [1, 2, 3]), ("abc", [1, 2, 4]), ("ab", [1, 2]))
    )
    assert whole != other
    assert whole == without, "what is gone stays as it was"


def test_many_that_are_gone_at_once_are_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST_GONE", 1)
    with pytest.raises(UserError, match=r"2 images are gone: bring them back .* b, c"):
        in_place(samples("a"), decoded([1]), (samples("abc"), decoded([1, 2, 3])))


def test_what_is_gone_cannot_stay_where_the_others_are_decoded_otherwise() -> None:
    with pytest.raises(UserError, match=r"1 image is gone: bring them back .* b"):
        in_place(samples("a"), decoded([1], of_format="g"), (samples("ab"), decoded([1, 2])))


def test_copies_of_known_images_are_left_out_whatever_they_are_called() -> None:
    images = decoded([1, 2, 1, 1], {2: 0, 3: 0})
    now, without, notes = without_copies(samples("abcd"), images, {"c"})
    assert now.names == ("b", "c")
    assert values_of(without) == [2, 1]
    assert notes == (
        "2 images are copies of others, pixel by pixel, and left out (a start with data.source.duplicates=keep "
        "takes them in): a is c, d is c",
    )


def test_of_new_images_that_show_the_same_the_first_one_stays() -> None:
    now, _, (note,) = without_copies(samples("abc"), decoded([1, 1, 3], {1: 0}), {"c"})
    assert now.names == ("a", "c")
    assert note.endswith(": b is a")


def test_known_images_that_show_the_same_now_stay_and_are_named() -> None:
    now, images, (note,) = without_copies(samples("abc"), decoded([1, 1, 3], {1: 0}), {"a", "b", "c"})
    assert now.names == ("a", "b", "c")
    assert values_of(images) == [1, 1, 3]
    assert note == (
        "1 image that was there before shows the same as another one now; nothing is left out for it: b is a"
    )
