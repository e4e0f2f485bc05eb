from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from coilal.common.types import DataError
from coilal.data.exports import label_studio_problem, refuse_other_files

pytestmark = pytest.mark.slow


def typed(message: str, folder: Path) -> pd.DataFrame:
    """Run what a message says, as it stands, in a shell; return the table that comes of it."""
    command = re.search(r"python - <<'END'\n.*?\nEND\n", message, re.DOTALL)
    assert command
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", command[0]], cwd=folder, check=True, env={**os.environ, "PATH": path})
    return pd.read_csv(folder / "labels.csv", keep_default_na=False)


def refused(path: Path, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        refuse_other_files(path, content)
    return str(caught.value)


def test_the_way_from_coco_works_as_it_stands(tmp_path: Path) -> None:
    coco = {
        "images": [
            {"id": 5, "file_name": "a.png"},
            {"id": 6, "file_name": "x/b.png"},
            {"id": 7, "file_name": "c.png"},
        ],
        "categories": [{"id": 1, "name": "Lücke"}, {"id": 9, "name": "dent"}],
        "annotations": [
            {"image_id": image, "category_id": kind} for image, kind in [(5, 9), (5, 9), (6, 1), (6, 9)]
        ],
    }
    file = tmp_path / "it's coco.json"
    file.write_text(json.dumps(coco, ensure_ascii=False), encoding="utf-8")
    table = typed(refused(file, file.read_bytes()), tmp_path)
    assert table.to_dict("list") == {"image": ["a.png", "x/b.png", "c.png"], "Lücke": [0, 1, 0], "dent": [1, 1, 0]}


def test_the_way_from_tasks_of_label_studio_works_as_it_stands(tmp_path: Path) -> None:
    def told(*choices: str, **more: bool) -> dict[str, object]:
        return {"result": [{"value": {"choices": list(choices)}}], **more}

    tasks = [
        {"data": {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": [told("dent"), told("dent", "gap")]},
        {"data": {"image": "b.png"}, "annotations": [told("dent", was_cancelled=True)]},
        {"data": {"image": "c.png"}, "annotations": [{"result": []}]},
    ]
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps(tasks))
    table = typed(refused(file, file.read_bytes()), tmp_path)
    assert table["image"].tolist() == ["/data/upload/1/0a1b2c3d-a.png", "b.png", "c.png"]
    assert table["dent"].astype(str).tolist() == ["1", "", "0"]
    assert table["gap"].astype(str).tolist() == ["1", "", "0"]


def test_the_way_from_several_choices_works_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    cells = ['{"choices": ["dent", "gap"]}', "gap", ""]
    table = pd.DataFrame({"image": ["a", "b", "c"], "choice": cells, "annotator": "1", "lead_time": "2"})
    table.to_csv(file, index=False)
    problem = label_studio_problem(file, table, "image", None)
    assert problem is not None
    made = typed(problem.describe(), tmp_path)
    assert made["dent"].astype(str).tolist() == ["1", "0", ""]
    assert made["gap"].astype(str).tolist() == ["1", "1", ""]


def test_other_tables_are_none_of_label_studio(tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["a"], "label": ["x"], "annotator": ["1"]})
    assert label_studio_problem(tmp_path, table, "image", "label") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"[1, 2]", "is JSON"), (b'{"a": 1}', "is JSON"), (b"\xd0\xcf\x11\xe0", "old Excel"), (b"%PDF-1.7", "a PDF")],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refused(tmp_path / "file", content)


def test_a_table_may_begin_with_a_bracket(tmp_path: Path) -> None:
    refuse_other_files(tmp_path, b"[image],label\na.png,1\n")
