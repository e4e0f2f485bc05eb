"""Labelling in a spreadsheet: files of what is asked for, files of answers, and the labels for other tools."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from coilal.run_directory.store import read_cycles
from tests.commands import command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there = tmp_path_factory.mktemp("ask")
    done = command("coilal.render", "--out", "images", "--coils", "20", "--images-per-coil", "8", cwd=there)
    assert done.returncode == 0, done.stderr
    (there / "images" / "labels.csv").rename(there / "labels.csv.kept")
    (there / "images" / "labels_multiclass.csv").rename(there / "truth.csv")
    return there


def ask(line: Path, *typed: str, code: int = 0) -> str:
    done = command("coilal.ask", *typed, cwd=line)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def fill(line: Path, asked: Path, answers: Path) -> int:
    """Fill in the table as a German Excel saves it; of the last image she is unsure."""
    with (line / "truth.csv").open(newline="") as stream:
        truth = {row["Image"]: "ok" if row["Error_Multi"][0] == "0" else "Fault" for row in csv.DictReader(stream)}
    table = pd.read_csv(asked, encoding="utf-8-sig", dtype=str)
    table["label"] = table["image"].map(truth)
    table.loc[len(table) - 1, "label"] = "unsure"
    table.to_csv(answers, sep=";", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    return len(table)


def test_asked_filled_in_and_told_until_a_model_is_there(line: Path) -> None:
    begin = ("data=coils", f"data.root={line / 'images'}", "study=line3", "data.image.size=[56,42]")
    more = (
        "label.classes=[ok,fault]",
        "label.audit=16",
        "label.show_guess=true",
        "trainer.accelerator=cpu",
        "trainer.max_epochs=3",
    )
    assert "16 images are to be labelled" in ask(line, *begin, *more)
    folder = line / "outputs" / "line3" / "multiclass" / "tiny" / "entropy" / "seed0"
    asked = folder / "asked"
    assert {path.name for path in asked.iterdir()} == {
        *("asked.csv", "asked.html", "label_studio_tasks.json", "label_studio_interface.xml"),
    }
    for _ in range(3):
        number = fill(line, asked / "asked.csv", line / "answers.csv")
        said = ask(line, "study=line3", "answers=answers.csv", "who=eva")
        assert f"{number} answers told, 0 were told before" in said
        assert len(json.loads((asked / "label_studio_tasks.json").read_text())) == 48  # two batches
    assert read_cycles(folder)["labelled"].tolist() == [24, 47, 71, 94]
    again = ask(line, "study=line3", "answers=answers.csv", "who=eva")
    assert "0 answers told, 48 were told before" in again, "the same file twice tells nothing"
    table = pd.read_csv(asked / "asked.csv", encoding="utf-8-sig")
    assert table["guess"].isin(["ok", "fault"]).all()
    assert "paused" in command("coilal.status", "study=line3", cwd=line).stdout
    report = command("coilal.report", "study=line3", cwd=line)
    assert report.returncode == 0, report.stderr
    page = line / "outputs" / "line3" / "report" / "index.html"
    assert "Labelled by people" in page.read_text(encoding="utf-8")

    for form, out in (("table", "t.csv"), ("coco", "c.json"), ("yolo", "y")):
        ask(line, "study=line3", f"export={form}", f"out={out}")
        assert "there" in ask(line, "study=line3", f"export={form}", f"out={out}", code=2) or form == "yolo"
    assert len(pd.read_csv(line / "t.csv")) == len(json.loads((line / "c.json").read_text())["images"]) == 94 + 15
    assert len(list((line / "y").rglob("*.jpg"))) == 94 + 15


def test_what_cannot_be_told_is_refused_as_a_whole(line: Path) -> None:
    (line / "wrong.csv").write_text("image,label\nnobody.jpg,ok\nSpule001_Image0161.jpg,okk\n")
    said = ask(line, "study=line3", "answers=wrong.csv", code=2)
    assert "nobody.jpg" in said
    assert "okk" in said


def test_a_session_that_is_not_there_is_told(line: Path) -> None:
    assert "there is no labelling session in outputs/other" in ask(line, "study=other", code=2)
    assert "say with out=" in ask(line, "study=line3", "export=table", code=2)
