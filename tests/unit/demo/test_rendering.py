"""The entry point that writes rendered images and label tables."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.data.table import LabelTable
from coilal.demo.renderer import CoilRenderer, catalogue, codes_of
from coilal.demo.rendering import read_table
from coilal.render import main

pytestmark = pytest.mark.slow


SHARED = Path(os.environ.get("COILAL_SHARED", Path(__file__).parents[3] / "shared"))


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_writes_images_both_tables_and_a_sheet(tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert (
        main(["--out", str(out), "--coils", "2", "--images-per-coil", "4", "--seed", "1", "--format", "png"]) == 0
    )
    known = catalogue(2, 4, 1)
    labels = _rows(out / "labels.csv")
    assert labels[0] == ["Image", "0_inOrdnung", "1_Doppelwindung", "2_Luecke", "3_Kreuzung"]
    assert [row[0] for row in labels[1:]] == [name.replace(".jpg", ".png") for name in known.names]
    np.testing.assert_array_equal(np.array([row[2:] for row in labels[1:]], int), known.labels)
    np.testing.assert_array_equal([int(row[1]) for row in labels[1:]], known.labels.any(1))
    classes = _rows(out / "labels_multiclass.csv")
    assert classes[0] == ["", "Image", "Quality_Binary", "Error_Multi", "Problem"]
    np.testing.assert_array_equal([float(row[3]) for row in classes[1:]], codes_of(known.labels))
    photo = np.asarray(Image.open(out / labels[6][0]))
    np.testing.assert_array_equal(photo, CoilRenderer(1, 2).render(int(known.numbers[5]), known.faults[2]))
    assert Image.open(out / "contact_sheet.png").size[0] >= 490


def test_the_written_folder_is_read_without_a_remark_on_unnamed_images(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "data"), "--coils", "1", "--images-per-coil", "4"]) == 0
    columns = {"image_column": "Image", "ignored_columns": ["0_inOrdnung"], "group_pattern": r"^(Spule\d+)_"}
    samples = LabelTable(str(tmp_path / "data"), **columns).read()
    assert len(samples) == 4
    assert not any("not named" in note for note in samples.notes)


def test_written_table_renders_again(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    head = "Image,0_inOrdnung,1_Doppelwindung,2_Luecke,3_Kreuzung\n"
    table.write_text(
        head + "Spule003_Image0200.jpg,1,1,0,1\nSpule003_Image0201.jpg,0,0,0,0\nSpule003_Image0202.jpg,0,0,0,0\n"
    )
    out = tmp_path / "out"
    assert main(["--out", str(out), "--table", str(table), "--limit", "2"]) == 0
    names, labels = read_table(out / "labels.csv")
    assert names == ["Spule003_Image0200.jpg", "Spule003_Image0201.jpg"]
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 0, 0]])
    assert Image.open(out / names[0]).size == (745, 486)


def test_real_table_can_be_rendered(tmp_path: Path) -> None:
    table = SHARED / "reference/coil/40_coils_multilabel.csv"
    if not table.exists():
        pytest.skip(f"the real label table is not there: {table}")
    out = tmp_path / "out"
    assert main(["--out", str(out), "--table", str(table), "--limit", "3"]) == 0
    assert [row[0] for row in _rows(out / "labels.csv")[1:]] == [row[0] for row in _rows(table)[1:4]]


def test_folder_that_is_not_empty_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    arguments = ["--out", str(tmp_path), "--coils", "1", "--images-per-coil", "4"]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "keep.txt").exists()
    assert main([*arguments, "--force"]) == 0
    assert not (tmp_path / "keep.txt").exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("Image,Other\na,1\n", "lacks the columns"),
        ("Image,1_Doppelwindung,2_Luecke,3_Kreuzung\nSpule001_Image0001.jpg,0,,1\n", "not 0 or 1"),
        ("Image,1_Doppelwindung,2_Luecke,3_Kreuzung\n", "no rows"),
    ],
)
def test_unfit_tables_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, word: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(content)
    assert main(["--out", str(tmp_path / "out"), "--table", str(table)]) == 2
    assert word in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_table_and_lone_limit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out"), "--table", str(tmp_path / "none.csv")]) == 2
    assert "cannot read" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "out"), "--limit", "3"]) == 2
    assert "--table" in capsys.readouterr().err
