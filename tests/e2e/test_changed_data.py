"""Data that changed between two commands of one study: named, and never mixed."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from PIL import Image

from coilal.common.types import UserError
from coilal.evidence.comparison import compare
from coilal.evidence.reading import Run, read_runs, run_folders
from coilal.run_directory.files import read_status, study_of, write_status
from coilal.run_directory.health import SESSION
from coilal.run_directory.store import read_queries
from coilal.runs.run import run
from coilal.runs.same_data import Now, ensure_of_finished
from coilal.runs.settings import Settings
from coilal.runs.shared import forget
from tests.commands import command
from tests.e2e.test_run import without_times
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

SETTINGS = (
    "data=coils",
    "data.image.size=[16,16]",
    "budget.initial=4",
    "budget.query=4",
    "budget.cycles=2",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
)
Start = Callable[..., DictConfig]


class Folder:
    """A folder of forty images of twenty coils in two classes, and its table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.table = pd.DataFrame(
            {
                "image": [f"i{number:02}.png" for number in range(40)],
                "label": ["ok", "scratch"] * 20,
                "coil": [f"c{number // 2}" for number in range(40)],
            }
        )
        for number, name in enumerate(self.table["image"]):
            self.paint(name, number)
        self.save()

    def paint(self, name: str, seed: int) -> None:
        pixels = np.random.default_rng(seed).integers(0, 255, (20, 20), dtype=np.uint8)
        Image.fromarray(pixels).save(self.root / name)

    def save(self) -> None:
        self.table.to_csv(self.root / "labels.csv", index=False)

    def relabel(self, *images: int) -> None:
        for image in images:
            self.table.loc[image, "label"] = {"ok": "scratch", "scratch": "ok"}[str(self.table.loc[image, "label"])]
        self.save()

    def add(self, count: int) -> None:
        first = len(self.table)
        for number in range(first, first + count):
            self.paint(f"i{number:02}.png", number)
            self.table.loc[number] = [f"i{number:02}.png", ["ok", "scratch"][number % 2], f"c{number // 2}"]
        self.save()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


@pytest.fixture
def start(composed: Callable[..., DictConfig], tmp_path: Path, folder: Folder) -> Start:
    def settings(*overrides: str) -> DictConfig:
        forget()  # as a new process
        places = (f"outputs={tmp_path}/outputs", f"cache.dir={tmp_path}/cache", f"data.root={folder.root}")
        return composed(*SETTINGS, *places, *overrides)

    return settings


def parts(cfg: DictConfig) -> dict[str, str]:
    (record,) = Path(cfg.records).glob("images-*")
    return dict(pd.read_csv(record, dtype=str).set_index("image")["part"])


def cut_off(cfg: DictConfig, cycles: int = 1) -> Path:
    """Leave what a kill leaves of a finished run: some cycles, the next batch pending, and that it is running."""
    at = run_folder(cfg)
    state = json.loads((at / "checkpoints" / "state.json").read_text())
    state["cycles"] = state["cycles"][:cycles]
    del state["asked"]  # in all cycles
    (at / "checkpoints" / "state.json").write_text(json.dumps(state))
    first, *records = (at / SESSION).read_text().splitlines(keepends=True)  # each batch is asked, then told
    (at / SESSION).write_text("".join([first, *records[: 2 * cycles + 1]]))
    write_status(at, {**read_status(at), "state": "running"})
    return at


def contents(at: Path) -> dict[str, bytes]:
    return {str(path.relative_to(at)): path.read_bytes() for path in at.rglob("*") if path.is_file()}


def test_a_finished_run_says_which_labels_were_corrected(start: Start, folder: Folder) -> None:
    run(start())
    before = contents(run_folder(start()))
    folder.relabel(3, 8)
    with pytest.raises(UserError) as error:
        run(start())
    assert "i03.png: scratch → ok\n  i08.png: ok → scratch" in str(error.value)
    assert "force=true" in str(error.value)
    assert "study=…" in str(error.value)
    assert contents(run_folder(start())) == before
    run(start("force=true"))
    assert run(start()) == run(start()), "the corrected labels are those of the finished run now"


def test_a_finished_run_says_which_images_show_something_else(start: Start, folder: Folder) -> None:
    run(start())
    folder.paint("i05.png", 1000)
    with pytest.raises(UserError, match=r"show something else \(1\):\n  i05.png"):
        run(start())


def test_a_finished_run_whose_data_are_gone_stays_finished(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    value = run(start())
    folder.root.rename(folder.root.with_name("archive"))
    assert str(run(start())) == str(value)
    assert "not compared with their data, which cannot be read" in caplog.text


@pytest.mark.parametrize("what", ["labels", "pixels", "groups", "added", "gone", "order"])
def test_a_run_that_was_cut_off_does_not_go_on_with_other_data(start: Start, folder: Folder, what: str) -> None:
    run(start())
    at = cut_off(start())
    before = contents(at)
    expected = "i07.png"
    if what == "labels":
        untold = sorted({f"i{image:02}.png" for image in range(40)} - told(at))
        expected = untold[0]
        folder.relabel(int(expected[1:3]))
    elif what == "pixels":
        folder.paint("i07.png", 1000)
    elif what == "groups":
        folder.table.loc[[6, 7], "coil"] = "another"
        folder.save()
    elif what == "added":
        folder.add(2)
        expected = "i41.png"
    elif what == "gone":
        folder.table = folder.table.drop([6, 7])
        folder.save()
    else:
        folder.table = folder.table.iloc[::-1]
        folder.save()
        expected = "another order"
    with pytest.raises(UserError, match=expected):
        run(start())
    assert contents(at) == before, "what the run was begun with is compared before it is overwritten"
    folder.__init__(folder.root.with_name("copy"))  # type: ignore[misc]  # the data as they were, elsewhere
    run(start())
    assert read_status(at)["state"] == "done"


def told(at: Path) -> set[str]:
    records = [json.loads(line) for line in (at / SESSION).read_text().splitlines()]
    return {image for record in records for image in record.get("told", ())}


def test_a_run_goes_on_with_the_labels_that_it_was_told_and_says_which_are_others_now(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    run(start())
    at = run_folder(start())
    whole, cycles = contents(at), without_times(at)
    cut_off(start())
    corrected = min(told(at))
    folder.relabel(int(corrected[1:3]))
    caplog.clear()
    run(start())
    assert "goes on with the labels that it was told:" in caplog.text
    assert f"{corrected}: " in caplog.text
    after = contents(at)
    for name in ("queries.csv", "splits.csv", SESSION):
        assert after[name] == whole[name], "as if nobody had corrected anything"
    pd.testing.assert_frame_equal(without_times(at), cycles, check_exact=True)
    assert read_status(at)["data"] == json.loads(whole["status.json"])["data"]
    with pytest.raises(UserError, match=f"{corrected}: "):
        run(start())  # a finished run is that of the labels of then


def test_a_label_that_was_told_otherwise_in_the_journal_is_trained_on_and_said(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    run(start())
    at = cut_off(start())
    first, asked, answers, *others = (at / SESSION).read_text().splitlines()
    record = json.loads(answers)
    corrected, label = next(iter(record["told"].items()))
    record["told"][corrected] = other = {"ok": "scratch", "scratch": "ok"}[label]
    (at / SESSION).write_text("\n".join([first, asked, json.dumps(record), *others, ""]))
    run(start())
    assert f"{corrected}: {other} → {label}" in caplog.text
    queries = read_queries(at).set_index("image")
    assert queries["label"][corrected] == other


def of_earlier_version(at: Path) -> None:
    """Take away what earlier versions did not write, and keep what was asked where they did."""
    state = json.loads((at / "checkpoints" / "state.json").read_text())
    queries = read_queries(at)
    asked = queries[queries["cycle"] <= len(state["cycles"])]
    state["queries"] = asked.astype({"score": object}).replace({"": None}).to_dict("records")
    (at / "checkpoints" / "state.json").write_text(json.dumps(state))
    (at / SESSION).unlink()
    status = read_status(at)
    for key in ("labels", "groups", "parts", "record"):
        del status["data"][key]
    write_status(at, status)
    shutil.rmtree(study_of(at) / ".data")


def test_a_finished_run_of_an_earlier_version_is_compared_by_what_it_kept(start: Start, folder: Folder) -> None:
    run(start())
    at = run_folder(start())
    tested = [int(name[1:3]) for name in np.load(at / "predictions.npz")["images"]]
    queried = [int(name[1:3]) for name in read_queries(at)["image"]]
    of_earlier_version(at)
    run(start())
    for image in (tested[0], queried[0]):
        folder.relabel(image)
        with pytest.raises(UserError, match=f"i{image:02}.png: "):
            run(start())
        folder.relabel(image)
    run(start())


def test_beside_an_image_that_cannot_be_read_labels_are_compared(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    run(start())
    (folder.root / "i09.png").write_bytes(b"no image")
    run(start())
    assert "compared by labels and groups only" in caplog.text
    folder.relabel(3)
    with pytest.raises(UserError, match=r"i03.png: scratch → ok"):
        run(start())


def test_the_finished_cells_of_a_grid_are_not_decoded_to_compare_them(start: Start, folder: Folder) -> None:
    run(start())
    shutil.rmtree(Path(start().cache.dir))
    now = Now(decode=False)
    ensure_of_finished(Settings.of(start()), run_folder(start()), now)
    assert not list(Path(start().cache.dir).rglob("images/*.npy"))
    folder.relabel(3)
    with pytest.raises(UserError, match=r"i03.png: scratch → ok"):
        ensure_of_finished(Settings.of(start()), run_folder(start()), Now(decode=False))


def test_other_weights_are_told_before_a_run_goes_on(start: Start) -> None:
    run(start())
    at = cut_off(start())
    write_status(at, {**read_status(at), "weights": "0123456789abcdef"})
    with pytest.raises(UserError, match=r"weights changed.*0123456789abcdef"):
        run(start())


def test_a_run_of_an_earlier_version_goes_on_unless_what_it_queried_changed(start: Start, folder: Folder) -> None:
    run(start())
    whole, cycles = read_queries(run_folder(start())), without_times(run_folder(start()))
    at = cut_off(start())
    of_earlier_version(at)
    queried = int(whole["image"][0].removeprefix("i").removesuffix(".png"))
    folder.relabel(queried)
    with pytest.raises(UserError, match=f"i{queried:02}.png: "):
        run(start())
    folder.relabel(queried)
    run(start())
    queries, said = read_queries(at), ["prediction", "confidence"]
    pd.testing.assert_frame_equal(queries.drop(columns=said), whole.drop(columns=said))
    new = queries["prediction"] != ""  # that version did not keep them of what it had asked for
    pd.testing.assert_frame_equal(queries[new], whole[new])
    pd.testing.assert_frame_equal(without_times(at), cycles, check_exact=True)


def test_a_study_keeps_its_split_when_labels_are_corrected_and_groups_come(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    run(start())
    before = parts(start())
    folder.relabel(*range(30))
    with caplog.at_level(logging.INFO):
        run(start("seed=1"))
    assert "other data than" in caplog.text
    assert "i00.png: ok → scratch" in caplog.text
    folder.add(20)
    with caplog.at_level(logging.INFO):
        run(start("seed=2"))
    assert "10 new groups" in caplog.text
    status = read_status(run_folder(start("seed=2")))
    after = dict(
        pd.read_csv(Path(start().records) / status["data"]["record"], dtype=str).set_index("image")["part"]
    )
    assert {name: after[name] for name in before} == before
    assert len(after) == 60


def test_another_data_set_in_the_same_study_is_told_in_one_line(
    start: Start, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    run(start())
    for name in folder.table["image"]:
        (folder.root / name).rename(folder.root / f"other_{name}")
    folder.table["image"] = "other_" + folder.table["image"]
    folder.save()
    with caplog.at_level(logging.WARNING):
        run(start("seed=1"))
    (told,) = [record.getMessage() for record in caplog.records if "data set" in record.getMessage()]
    assert "has runs of another data set, no image of which is in this one: give this one another study=…" in told
    assert "i00.png" not in told


def test_a_damaged_run_beside_it_stops_no_other_run(start: Start) -> None:
    run(start())
    (run_folder(start()) / "status.json").write_text("{")
    run(start("seed=1"))
    assert read_status(run_folder(start("seed=1")))["state"] == "done"


def test_the_report_compares_runs_of_equal_data_only_and_names_the_labels(start: Start, folder: Folder) -> None:
    for overrides in (("seed=0",), ("seed=1",), ("strategy=random", "seed=0"), ("strategy=random", "seed=1")):
        run(start(*overrides))
    folder.relabel(5)
    run(start("seed=2"))
    study = study_of(run_folder(start()))
    runs = [found for found in read_runs(run_folders(study), "test/macro_f1") if isinstance(found, Run)]
    (comparison,), findings = compare(runs, "random")
    assert sorted(comparison.runs["entropy"]) == [(0, 0), (0, 1)]
    (left_out,) = [finding for finding in findings if "seed2" in finding.where]
    assert "labels that changed (1): i05.png: scratch → ok" in left_out.what


def test_runs_of_an_earlier_version_are_compared_with_new_ones_unless_their_labels_differ(
    start: Start, folder: Folder
) -> None:
    for overrides in (("seed=0",), ("strategy=random", "seed=0")):
        run(start(*overrides))
        of_earlier_version(run_folder(start(*overrides)))
    for overrides in (("seed=1",), ("strategy=random", "seed=1"), ("strategy=random", "seed=2")):
        run(start(*overrides))
    study = study_of(run_folder(start()))

    def compared() -> tuple[list[int], str]:
        found = list(read_runs(run_folders(study), "test/macro_f1"))
        assert all(isinstance(run, Run) for run in found), found
        (comparison,), findings = compare([run for run in found if isinstance(run, Run)], "random")
        return [run.seed for run in comparison.runs["random"].values()], "\n".join(
            finding.what for finding in findings
        )

    seeds, said = compared()
    assert seeds == [0, 1, 2], said
    assert "2 of 5 runs, of an earlier version" in said
    queries = read_queries(run_folder(start("strategy=random", "seed=0")))
    queries["label"] = "scratch"
    queries.to_csv(run_folder(start("strategy=random", "seed=0")) / "queries.csv", index=False)
    assert compared()[0] == [1, 2]


@pytest.mark.parametrize("spelling", ["data/", "./data", "{root}", "data labels={root}/labels.csv"])
def test_the_same_data_spelled_otherwise_are_the_same(
    start: Start, folder: Folder, spelling: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(folder.root.parent)
    run(start("data.root=data"))
    root, *labels = spelling.format(root=folder.root).split(" labels=")
    with caplog.at_level(logging.INFO):
        run(start(f"data.root={root}", *[f"data.labels={name}" for name in labels]))
    assert "is finished; skipped" in caplog.text


def test_a_replay_of_a_selection_from_other_images_is_refused(small: Callable[..., DictConfig]) -> None:
    source = small("strategy=margin")
    run(source)
    status = read_status(run_folder(source))
    write_status(run_folder(source), {**status, "data": {**status["data"], "labels": "0" * 16}})
    with pytest.raises(UserError, match=r"replays .* has other data"):
        run(small("task=multilabel_from_multiclass", "strategy=margin"))


def test_a_grid_says_which_labels_its_finished_cells_do_not_have(folder: Folder, tmp_path: Path) -> None:
    def grid(*seeds: int) -> subprocess.CompletedProcess[str]:
        settings = (*SETTINGS, f"data.root={folder.root}", f"cache.dir={tmp_path}/cache", "strategy=random")
        grid = ("coilal.train", "-m", *settings, f"seed={','.join(map(str, seeds))}")
        return command(*grid, "hydra.launcher.processes=1", cwd=tmp_path)

    assert grid(0, 1).returncode == 0
    assert grid(0, 1).returncode == 0, "unchanged, they are finished"
    folder.relabel(3)
    done = grid(0, 1, 2)
    assert done.returncode == 2
    assert "2 of 3 cells failed" in done.stderr
    assert "random/split0/seed0, multiclass/tiny/random/split0/seed1): the run is finished, with " in done.stderr
    assert done.stderr.count("i03.png: scratch → ok") == 1
    assert "The same command again" not in done.stderr
    assert read_status(tmp_path / "outputs/default/multiclass/tiny/random/split0/seed2")["state"] == "done"
