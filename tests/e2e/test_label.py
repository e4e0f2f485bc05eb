"""People label through the page's interface: what a study would have asked for, and nothing lost by kills."""

from __future__ import annotations

import csv
import json
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles, read_queries
from tests.annotator import PATIENCE_S, Annotator, Served
from tests.commands import command

pytestmark = pytest.mark.slow

CLASSES = ("gap", "none", "other")
COMMON = (
    *("study=line3", "data=coils", "data.image.size=[56,42]", "trainer.accelerator=cpu", "trainer.max_epochs=5"),
    *("budget.initial=24", "budget.query=24", "strategy=margin", "score_validation=false"),
)
KILLS = int(os.environ.get("COILAL_KILLS", "6"))
"""Random kills; the campaign that is reported had 200."""
KILL_WITHIN_S = 0.03
"""An answer is on the disk, and acknowledged, within some hundredths of a second."""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 640 images without a table, and the truth beside it."""
    there = tmp_path_factory.mktemp("line")
    done = command(*("coilal.render", "--out", "rendered", "--coils", "40", "--images-per-coil", "16"), cwd=there)
    assert done.returncode == 0, done.stderr
    (there / "images").mkdir()
    with (there / "rendered" / "labels_multiclass.csv").open(newline="") as stream:
        rows = [(row["Image"], _class(row["Error_Multi"])) for row in csv.DictReader(stream)]
    for name, _ in rows:
        (there / "rendered" / name).rename(there / "images" / name)
    (there / "truth.json").write_text(json.dumps(dict(rows)))
    return there


def _class(code: str) -> str:
    return {"0": "none", "2": "gap"}.get(code[0], "other")


def truth(line: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((line / "truth.json").read_text())
    return found


def session(line: Path, *more: str) -> tuple[str, ...]:
    given = (f"data.root={line / 'images'}", f"label.classes=[{','.join(CLASSES)}]", "label.audit=96")
    return (*COMMON, f"cache.dir={line / 'cache'}", *given, *more)


def folder_of(outputs: Path) -> Path:
    return outputs / "line3" / "multiclass" / "tiny" / "margin" / "split0" / "seed0"


def records(folder: Path) -> list[dict[str, Any]]:
    """Return what the journals on the disk hold; what a kill has left of a record is none."""
    found = []
    for name in ("audit", "session"):
        path = folder / "checkpoints" / f"{name}.jsonl"
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        found += [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return found


def as_told(folder: Path, stands: bool = True) -> dict[str, list[str]]:
    """Return all answers that stand, by image; or those beside them."""
    told: dict[str, list[str]] = {}
    for record in records(folder):
        for image, answer in record.get("told", {}).items() if record.get("stands", True) == stands else ():
            told.setdefault(image, []).append(answer)
    return told


def pending(folder: Path) -> list[str]:
    """Return what was asked for and is not answered."""
    told = as_told(folder)
    return [image for record in records(folder) for image in record.get("asked", ()) if image not in told]


def test_five_hundred_answers_through_the_page_are_what_a_study_with_that_seed_asks_for(
    line: Path, tmp_path: Path
) -> None:
    served = Served(
        session(line, f"outputs={tmp_path / 'people'}", "label.reask=0", "strategy.per_group=4"), tmp_path
    )
    client, annotator = served.enter(), Annotator(truth(line))
    start = time.perf_counter()
    assert annotator.label(client, 500) == 500
    print(f"500 answers in {time.perf_counter() - start:.1f} s")
    folder = folder_of(tmp_path / "people")
    cycles = _wait_for_cycles(folder, client)
    out = served.stop()
    assert "Traceback" not in out
    assert read_status(folder)["state"] == "paused"
    told = as_told(folder)
    assert told == annotator.told
    assert all(len(answers) == 1 for answers in told.values())

    audit = set(json.loads((folder / "checkpoints" / "audit.jsonl").read_text().splitlines()[1])["asked"])
    measured_with = {name.split("_")[0] for name in audit}
    table = tmp_path / "all.csv"
    rows = [
        (name, label, name.split("_")[0], "test" if name in audit else "pool")
        for name, label in truth(line).items()
        if name in audit or name.split("_")[0] not in measured_with  # the rest stands aside
    ]
    pd.DataFrame(rows, columns=["image", "label", "group", "split"]).to_csv(table, index=False)
    settings = (f"data.root={line / 'images'}", f"data.labels={table}", f"outputs={tmp_path / 'study'}")
    budget = (f"budget.cycles={len(cycles) - 1}", "budget.ahead=1", "strategy.per_group=4")
    done = command("coilal.train", *COMMON, f"cache.dir={line / 'cache'}", *settings, *budget, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = folder_of(tmp_path / "study")
    pd.testing.assert_frame_equal(read_queries(folder), read_queries(study))
    same = [name for name in cycles if name.startswith("test/") or name == "labelled"]
    pd.testing.assert_frame_equal(cycles[same], read_cycles(study)[same], check_exact=True)


def _wait_for_cycles(folder: Path, client: httpx.Client) -> pd.DataFrame:
    """Return the cycles once the model has learnt from all complete batches."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        progress = client.get("/api/progress", params={"who": "sim#1"}).json()
        if not progress["learning"]:
            return read_cycles(folder)
        time.sleep(0.05)
    raise AssertionError("it goes on learning")


def test_killed_at_any_moment_no_label_is_lost_none_doubled_and_the_batch_is_the_same(
    line: Path, tmp_path: Path
) -> None:
    """The annotator sends an answer again after a kill, as the page does: it may have arrived."""
    budget = ("budget.initial=4", "budget.query=4", "label.audit=8", "label.reask=0.3")
    settings = session(line, f"outputs={tmp_path}", *budget)
    chance, folder, annotator = random.Random(KILLS), folder_of(tmp_path), Annotator(truth(line))
    moments: Counter[str] = Counter()
    served = Served(settings, tmp_path)
    client = served.enter()
    for _ in range(KILLS):
        open_: dict[str, Any] | None = None
        if chance.random() < 0.75:  # while an answer is on its way; else while the model learns, or nothing happens
            annotator.label(client, chance.randrange(4))
            open_ = _killed_while_answering(served, client, annotator, chance.random() * KILL_WITHIN_S)
            moments["answering"] += 1
        else:
            time.sleep(chance.random() * 1.5)
            moments["idle or learning"] += 1
        served.kill()
        journalled = as_told(folder)
        assert all(journalled.get(name) == answers for name, answers in annotator.told.items()), "none is lost"
        assert all(len(answers) == 1 for answers in journalled.values()), "none is doubled"
        waiting = pending(folder)
        served = Served(settings, tmp_path)
        client = served.enter()
        if open_ is not None:
            annotator.answer(client, open_, "sim#1", again=True)
            waiting = [name for name in waiting if name != open_["name"]]
        assert pending(folder)[: len(waiting)] == waiting, "the same images wait as before"
    annotator.label(client, 30)
    served.stop()
    told, looks = as_told(folder), as_told(folder, stands=False)
    assert told == annotator.told
    assert looks == annotator.looks, "second looks are second looks, and each is there once"
    numbers = f"{len(told)} labels, {sum(map(len, looks.values()))} second looks"
    print(f"kills: {KILLS}, of these {dict(moments)}; {numbers}, none lost, none doubled")


def test_a_kill_takes_no_guess_and_no_doubted_answer_away(line: Path, tmp_path: Path) -> None:
    budget = ("budget.initial=8", "budget.query=8", "label.audit=8", "label.reask=0")
    settings = session(line, f"outputs={tmp_path}", *budget)
    served = Served(settings, tmp_path)
    client = served.enter()
    Annotator(truth(line), error_rate=0.4).label(client, 60)
    _wait_for_cycles(folder_of(tmp_path), client)
    before = _as_the_model_sees_it(client)
    served.kill()
    served = Served(settings, tmp_path)
    doubted, pending = _as_the_model_sees_it(served.enter())
    served.stop()
    assert (doubted, pending) == before
    assert doubted
    assert pending is not None


def _as_the_model_sees_it(client: httpx.Client) -> tuple[list[str], Any]:
    """Return the answers that the model doubts, and its guess for the image that is shown."""
    items = client.get("/api/gallery", params={"disagrees": 1, "most": 200}).json()["items"]
    return [item["name"] for item in items], client.get("/api/next?who=sim%231").json()["shown"]["guess"]


def _killed_while_answering(
    served: Served, client: httpx.Client, annotator: Annotator, after_s: float
) -> dict[str, Any] | None:
    """Send an answer, and kill so long after; return its image if nobody has acknowledged it."""
    shown: dict[str, Any] | None = client.get("/api/next", params={"who": "sim#1"}).json()["shown"]
    timer = threading.Timer(after_s, served.kill)
    timer.start()
    try:
        if shown is not None:
            annotator.answer(client, shown, "sim#1")
        shown = None
    except httpx.HTTPError:
        pass
    timer.join()
    return shown
