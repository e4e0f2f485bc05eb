"""A run that is killed at any moment goes on after its last finished cycle, to the last digit."""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, OmegaConf

import coilal.runs.learn  # noqa: F401 (where it is imported, tests/conftest.py lets no curve be drawn)
from coilal.run_directory.files import read_status
from coilal.run_directory.health import SESSION
from coilal.run_directory.store import read_asked, read_cycles, read_queries
from coilal.runs import provenance
from coilal.runs.progress import RunProgress
from coilal.runs.run import run
from coilal.runs.shared import forget
from tests.e2e.test_run import without_times
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

context = multiprocessing.get_context("forkserver")


def start(settings: str, kill_at: tuple[str, int] | None) -> int | None:
    from tests.e2e.child import work

    process = context.Process(target=work, args=(settings, kill_at))
    process.start()
    process.join()
    return process.exitcode


def events(settings: str, folder: Path, kind: str) -> int:
    """Return how often a run writes a file, or enters a phase."""
    counter = folder / f"count_{kind}"
    assert start(settings, (f"count_{kind}:{counter}", 0)) == 0
    return len(counter.read_text())


KINDS = ("before_write", "after_write", "before_record", "after_record", "phase")


@pytest.mark.parametrize(("kind", "ahead"), [*((kind, 0) for kind in KINDS), ("after_record", 1)])
def test_killed_anywhere_it_ends_as_an_undisturbed_run(
    small: Callable[..., DictConfig], tmp_path: Path, kind: str, ahead: int
) -> None:
    def settings(study: str) -> tuple[str, Path]:
        budget = (f"budget.cycles={1 + ahead}", f"budget.ahead={ahead}")
        cfg = small(f"study={study}", "strategy=margin", "trainer.max_epochs=2", *budget)
        return OmegaConf.to_yaml(cfg, resolve=True), run_folder(cfg)

    reference, whole = settings("whole")
    assert start(reference, None) == 0
    number = events(settings("count")[0], tmp_path, kind)
    assert number == 4 + 2 * ahead if kind.endswith("record") else number > 8  # batches, asked and told
    for moment in range(number):
        text, folder = settings(f"{kind}{moment}")
        assert start(text, (kind, moment)) == -signal.SIGKILL
        assert not (folder / "status.json").exists() or read_status(folder)["state"] != "failed"
        forget()  # as a new process, which knows nothing
        run(OmegaConf.create(text))
        assert read_status(folder)["state"] == "done"
        pd.testing.assert_frame_equal(without_times(folder), without_times(whole), check_exact=True)
        pd.testing.assert_frame_equal(read_queries(folder), read_queries(whole), check_exact=True)
        assert (folder / SESSION).read_text() == (whole / SESSION).read_text(), "nothing is told twice, or is lost"
        ours, theirs = np.load(folder / "predictions.npz"), np.load(whole / "predictions.npz")
        for name in theirs.files:
            np.testing.assert_array_equal(ours[name], theirs[name])
        assert not list(folder.rglob("*.partial"))


def test_a_run_that_an_earlier_version_began_goes_on_with_the_figures_of_a_line(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That scored no validation images for random, and had no settings of an inspection."""
    cfg = small("strategy=random", "trainer.max_epochs=1", "budget.cycles=1")
    folder = run_folder(cfg)

    def preempted(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(RunProgress, "cycle_done", preempted)
        with pytest.raises(SystemExit):
            run(cfg)
    config, state = folder / "config.yaml", folder / "checkpoints/state.json"
    stored = OmegaConf.to_container(OmegaConf.load(config))
    assert isinstance(stored, dict)
    del stored["inspection"]
    OmegaConf.save(OmegaConf.create(stored), config)
    content = json.loads(state.read_text())
    new = re.compile("val/|test/(point|group|calibration)/")
    content["cycles"] = [{name: row[name] for name in row if not new.match(name)} for row in content["cycles"]]
    state.write_text(json.dumps(content))
    assert math.isnan(run(cfg)), "the validation AULC of half a curve"
    cycles = read_cycles(folder)
    assert cycles["test/macro_f1"].notna().all()
    assert cycles["test/point/escape_rate"].isna().tolist() == [True, False]
    assert read_status(folder)["state"] == "done"


def test_a_run_of_a_version_that_kept_no_predictions_goes_on_and_keeps_those_of_now(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("strategy=random", "trainer.max_epochs=1", "budget.cycles=3")
    run(small(*settings, "study=whole"))
    whole = read_queries(run_folder(small(*settings, "study=whole")))
    cfg = small(*settings)
    folder = run_folder(cfg)

    def preempted(_progress: RunProgress, cycle: int, *_: object) -> None:
        if cycle == 1:
            raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(RunProgress, "cycle_done", preempted)
        with pytest.raises(SystemExit):
            run(cfg)
    said = ["prediction", "confidence"]
    records = [json.loads(line) for line in (folder / SESSION).read_text().splitlines()]
    (folder / SESSION).write_text("".join(f"{json.dumps(without(record))}\n" for record in records))
    read_queries(folder).drop(columns=said).to_csv(folder / "queries.csv", index=False)
    assert read_asked(folder).keys().isdisjoint(said)
    run(cfg)
    queries = read_queries(folder)
    pd.testing.assert_frame_equal(queries.drop(columns=said), whole.drop(columns=said), check_exact=True)
    assert (queries["prediction"] != "").groupby(queries["cycle"]).mean().tolist() == [0, 0, 0, 1]
    last = queries["cycle"] == 3
    pd.testing.assert_frame_equal(queries[last], whole[last], check_exact=True)


def without(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of a journal as versions before predictions were kept wrote it."""
    return {key: value for key, value in record.items() if key != "predicted"}


def test_a_run_that_goes_on_keeps_what_its_earlier_parts_knew(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = small("strategy=margin", "trainer.max_epochs=1")
    folder = run_folder(cfg)

    def preempted(_progress: RunProgress, cycle: int, *_: object) -> None:
        raise SystemExit(f"cycle {cycle}")

    begun = []
    for cycle, torch in enumerate(("2.0", "2.1")):
        with monkeypatch.context() as patched:
            patched.setattr(RunProgress, "cycle_done", preempted)
            patched.setattr(provenance, "versions", lambda torch=torch: {"torch": torch})
            with pytest.raises(SystemExit, match=f"cycle {cycle}"):
                run(cfg)
        begun.append(read_status(folder))
    monkeypatch.setattr(provenance, "versions", lambda: {"torch": "2.1"})
    run(cfg)
    status, cycles = read_status(folder), read_cycles(folder)
    parts = status["earlier_parts"]
    assert [part["versions"] for part in parts] == [{"torch": "2.0"}, {"torch": "2.1"}]
    assert [part["start"] for part in parts] == [before["start"] for before in begun]
    assert [part["cycles"] for part in parts] == [1, 1]
    measured = cycles.filter(regex=r"^[a-z]+_s$").sum(axis=1)
    assert [part["seconds"] for part in parts] == pytest.approx(measured[:2].tolist(), abs=0.1)
    assert status["seconds"] > measured.sum() - 0.2
    assert status["state"] == "done"
    assert status["identity"] == begun[0]["identity"]
    told = [record.getMessage() for record in caplog.records if "other versions" in record.getMessage()]
    assert told == [f"{folder} goes on with other versions than before: torch: 2.0 → 2.1"]
