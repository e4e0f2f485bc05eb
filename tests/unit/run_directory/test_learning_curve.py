from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from coilal.common.types import UserError
from coilal.run_directory import learning_curve as figures
from coilal.run_directory.learning_curve import learning_curve

pytestmark = pytest.mark.slow


def table(shift: float = 0.0, **columns: list[float]) -> pd.DataFrame:
    labelled = [20, 40, 80, 160]
    return pd.DataFrame({"labelled": labelled, "test/macro_f1": np.array([0.4, 0.5, 0.7, 0.8]) + shift, **columns})


def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Return a list that will hold each figure that is written."""
    kept: list = []
    write = figures._write
    monkeypatch.setattr(figures, "_write", lambda figure, path: (kept.append(figure), write(figure, path)))
    return kept


def test_curve_shows_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = drawn(monkeypatch)
    data = table(**{"val/macro_f1": [0.3, 0.4, 0.5, 0.6]})
    learning_curve(data, tmp_path / "curve.png", "a run", note="random weights")
    axes = kept[0].axes[0]
    test, validation = axes.lines
    np.testing.assert_array_equal(test.get_xydata(), data[["labelled", "test/macro_f1"]])
    np.testing.assert_array_equal(validation.get_xydata(), data[["labelled", "val/macro_f1"]])
    assert (test.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert axes.get_ylim() == (0, 1)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "test (AULC 0.664)",
        "validation (AULC 0.493)",
    ]
    assert axes.get_title() == "a run"
    assert [text.get_text() for text in axes.texts] == ["random weights"]


def test_png_is_whole_and_alone_in_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    path.write_text("an older one")
    learning_curve(table(), path, "a run")
    with Image.open(path) as image:
        image.verify()
        assert image.size == (1050, 660)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "curve.png"
    learning_curve(table(), path, "a run")
    before = path.read_bytes()

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(figures.Figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        learning_curve(table(0.1), path, "a run")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_same_data_same_bytes_whatever_the_users_settings(tmp_path: Path) -> None:
    learning_curve(table(), tmp_path / "a.png", "a run", note="n")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
        learning_curve(table(), tmp_path / "b.png", "a run", note="n")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    learning_curve(table(), tmp_path / "c.png", "a run")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


def test_nothing_is_cut_off_nor_read_as_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = drawn(monkeypatch)
    learning_curve(table(), tmp_path / "curve.png", "a study of $5 and $6, " * 8, note="costs $7 or $8")
    (figure,) = kept
    axes = figure.axes[0]
    texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
    boxes = [text.get_window_extent() for text in texts]
    assert all(box.min.min() >= 0 and (box.max <= figure.bbox.max).all() for box in boxes), boxes
    title, note = axes.title.get_window_extent(), axes.texts[0].get_window_extent()
    assert not title.overlaps(note)
    assert not any(text.get_parse_math() for text in texts)


def test_what_was_drawn_before_changes_nothing(tmp_path: Path) -> None:
    learning_curve(table(), tmp_path / "a.png", "a run")
    learning_curve(table(0.1)[:2], tmp_path / "b.png", "another run", note="n")
    learning_curve(table(), tmp_path / "c.png", "a run")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_one_cycle_and_undefined_values_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = drawn(monkeypatch)
    learning_curve(table()[:1], tmp_path / "one.png", "a run")
    learning_curve(table(**{"test/map": [np.nan, 0.1, 0.2, 0.3]}), tmp_path / "nan.png", "a run", metric="test/map")
    legends = [figure.axes[0].get_legend().get_texts()[0].get_text() for figure in kept]
    assert legends == ["test (AULC 0.400)", "test (AULC undefined)"]


def test_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no column test/map .*test/macro_f1"):
        learning_curve(table(), tmp_path / "curve.png", "a run", metric="test/map")
    with pytest.raises(UserError, match="no cycles yet"):
        learning_curve(table()[:0], tmp_path / "curve.png", "a run")
    assert not list(tmp_path.iterdir())


def test_pyplot_is_not_touched() -> None:
    code = "import coilal.run_directory.learning_curve, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
