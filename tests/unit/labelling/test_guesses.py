from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coilal.labelling.guesses import Guesses


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_a_class_and_its_probability() -> None:
    guesses = Guesses("multiclass", 4)
    guesses.note(np.array([2, 0]), logits([0, np.log(3)], [5, 0]), ("ok", "dent"))
    found = guesses.of(2)
    assert found is not None
    assert found.label == "dent"
    assert found.confidence == pytest.approx(0.75)
    assert guesses.of(1) is None


def test_labels_above_one_half_and_the_least_sure_of_all() -> None:
    guesses = Guesses("multilabel", 2)
    guesses.note(np.array([1]), logits([2, -0.5, 0.1]), ("gap", "dent", "cross"))
    found = guesses.of(1)
    assert found is not None
    assert found.label == ("gap", "cross")
    assert found.confidence == pytest.approx(1 / (1 + np.exp(-0.1)), abs=1e-6)


def test_images_that_a_cycle_did_not_score_keep_theirs_until_there_are_other_classes() -> None:
    guesses = Guesses("multiclass", 3)
    guesses.note(np.array([0, 1]), logits([1, 0], [0, 1]), ("ok", "dent"))
    guesses.note(np.array([1]), logits([1, 0]), ("ok", "dent"))
    assert [guesses.of(number).label for number in (0, 1)] == ["ok", "ok"]  # type: ignore[union-attr]
    guesses.note(np.array([2]), logits([0, 0, 1]), ("ok", "dent", "cross"))  # a class was added
    assert [guesses.of(number).label for number in (0, 1, 2)] == ["ok", "ok", "cross"]  # type: ignore[union-attr]
    guesses.note(np.array([2]), logits([0, 0, 1]), ("cross", "dent", "ok"))
    assert guesses.of(0) is None
    assert guesses.of(2).label == "ok"  # type: ignore[union-attr]


def test_they_are_kept_by_image_name(tmp_path: Path) -> None:
    guesses = Guesses("multiclass", 3)
    guesses.note(np.array([2, 0]), logits([0, np.log(3)], [5, 0]), ("ok", "dent"))
    guesses.save(tmp_path / "g.npz", ("a", "b", "c"))
    later = Guesses("multiclass", 3)
    later.load(tmp_path / "g.npz", ("c", "new", "b"))
    assert later.of(0) == guesses.of(2)
    assert later.of(1) is None
    assert later.of(2) is None


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "g.npz").write_bytes(content)
    guesses = Guesses("multiclass", 1)
    guesses.load(tmp_path / "g.npz", ("a",))
    assert guesses.of(0) is None


def test_none_are_kept_and_loaded_as_none(tmp_path: Path) -> None:
    Guesses("multilabel", 2).save(tmp_path / "g.npz", ("a", "b"))
    guesses = Guesses("multilabel", 2)
    guesses.load(tmp_path / "g.npz", ("a", "b"))
    assert guesses.of(0) is None


def test_images_that_are_new_take_no_guess_away() -> None:
    guesses = Guesses("multiclass", 2)
    guesses.note(np.array([1]), logits([0, 3]), ("ok", "dent"))
    before = guesses.of(1)
    guesses.grow(4)
    assert (guesses.of(1), guesses.of(0), guesses.of(3)) == (before, None, None)
    guesses.note(np.array([3]), logits([3, 0]), ("ok", "dent"))
    assert guesses.of(3).label == "ok"  # type: ignore[union-attr]
