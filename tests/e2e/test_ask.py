"""Labelling in a spreadsheet: files of what is asked for, files of answers, and the labels for other tools."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from coilal.run_directory.store import read_cycles
from tests.commands import command

pytestmark = pytest.mark.slow


def thumbnails(page: Path) -> list[bytes]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page.read_text(encoding="utf-8"))
    return [base64.b64decode(text) for text in found]


@pytest.fixture
def line(tmp_path: Path) -> Path:
    done = command("coilal.render", "--out", "images", "--coils", "10", "--images-per-coil", "8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "images" / "labels.csv").unlink()
    (tmp_path / "images" / "labels_multiclass.csv").rename(tmp_path / "truth.csv")
    return tmp_path


def ask(line: Path, *typed: str, code: int = 0) -> str:
    done = command("coilal.ask", *typed, cwd=line)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def fill(line: Path, asked: Path, answers: Path, overlooked: int | None = None) -> int:
    """Fill in the table as a German Excel saves it, but for a row; of the last image she is unsure."""
    with (line / "truth.csv").open(newline="") as stream:
        truth = {row["Image"]: "ok" if row["Error_Multi"][0] == "0" else "Fault" for row in csv.DictReader(stream)}
    table = pd.read_csv(asked, encoding="utf-8-sig", dtype=str)
    table["label"] = table["image"].map(truth)
    table.loc[len(table) - 1, "label"] = "unsure"
    if overlooked is not None:
        table.loc[overlooked, "label"] = ""
    table.to_csv(answers, sep=";", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    return len(table)


def test_asked_filled_in_and_told_until_a_model_is_there(line: Path) -> None:
    begin = ("data=coils", f"data.root={line / 'images'}", "study=line3", "data.image.size=[56,42]")
    more = (
        "label.classes=[ok,fault]",
        "label.audit=18",
        "label.show_guess=true",
        "trainer.accelerator=cpu",
        "trainer.max_epochs=3",
        *("budget.initial=8", "budget.query=8"),
    )
    assert "18 images are to be labelled" in ask(line, *begin, *more)
    folder = line / "outputs" / "line3" / "multiclass" / "tiny" / "entropy" / "split0" / "seed0"
    asked = folder / "asked"
    assert {path.name for path in asked.iterdir()} == {
        *("asked.csv", "asked.html", "label_studio_tasks.json", "label_studio_interface.xml"),
    }
    fill(line, asked / "asked.csv", line / "answers.csv", overlooked=3)
    said = ask(line, "study=line3", "answers=answers.csv")
    left = pd.read_csv(asked / "asked.csv", encoding="utf-8-sig")["image"].tolist()
    assert "17 answers told, 0 were told before, 1 image without an answer" in said
    assert "learning waits for these images, the last ones of their batch; a label, unsure" in said
    assert len(left) == 1, "the one that was overlooked"
    assert said.count(left[0]) == 1
    with Image.open(io.BytesIO(thumbnails(asked / "asked.html")[0])) as picture:
        assert picture.size == (320, 209), "in the proportions of the photographs, 745 × 486"
    fill(line, asked / "asked.csv", line / "answers.csv")
    assert "1 answer told" in ask(line, "study=line3", "answers=answers.csv", "who=eva")
    for _ in range(2):
        number = fill(line, asked / "asked.csv", line / "answers.csv")
        said = ask(line, "study=line3", "answers=answers.csv", "who=eva")
        assert f"{number} answers told, 0 were told before" in said
        assert len(json.loads((asked / "label_studio_tasks.json").read_text())) == 16  # two batches
    assert read_cycles(folder)["labelled"].tolist() == [8, 15, 23, 30]
    again = ask(line, "study=line3", "answers=answers.csv", "who=eva")
    assert "0 answers told, 16 were told before" in again, "the same file twice tells nothing"
    table = pd.read_csv(asked / "asked.csv", encoding="utf-8-sig")
    assert table["guess"].isin(["ok", "fault"]).all()
    assert "paused" in command("coilal.status", "study=line3", cwd=line).stdout
    report = command("coilal.report", "study=line3", cwd=line)
    assert report.returncode == 0, report.stderr
    page = (line / "outputs" / "line3" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Labelled by people" in page
    assert re.search(r"The last \d+ labels", page), "compared image by image"
    assert "baseline" not in page.partition("Labelled by people")[0], "nothing is compared with it"

    done = command("coilal.predict", f"run={folder}", "data.root=images", cwd=line)
    assert done.returncode == 0, done.stderr
    predicted = pd.read_csv(line / "predictions.csv").set_index("image")
    stored = np.load(folder / "predictions.npz")
    ours = predicted.loc[stored["images"], [f"probability/{name}" for name in stored["names"]]]
    np.testing.assert_allclose(ours, stored["probabilities"], atol=1e-5)
    assert (len(predicted), set(predicted["decision"]) <= {"ok", "fault"}) == (80, True)
    assert pd.read_csv(line / "predictions_groups.csv")["views"].tolist() == [8] * 10

    for form, out in (("table", "t.csv"), ("coco", "c.json"), ("yolo", "y")):
        ask(line, "study=line3", f"export={form}", f"out={out}")
        assert "there" in ask(line, "study=line3", f"export={form}", f"out={out}", code=2) or form == "yolo"
    assert len(pd.read_csv(line / "t.csv")) == len(json.loads((line / "c.json").read_text())["images"]) == 30 + 16
    assert len(list((line / "y").rglob("*.jpg"))) == 30 + 16

    # what cannot be told is refused as a whole
    (line / "wrong.csv").write_text("image,label\nnobody.jpg,ok\nSpule001_Image0161.jpg,okk\n")
    said = ask(line, "study=line3", "answers=wrong.csv", code=2)
    assert "nobody.jpg" in said
    assert "okk" in said
    assert "there is no labelling session in outputs/other" in ask(line, "study=other", code=2)
    assert "say with out=" in ask(line, "study=line3", "export=table", code=2)
