"""Runs logged offline are read back from W&B's own files."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import coilal.fit.cycles
from coilal.common.types import UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs.loggers.wandb import WandbLogger
from coilal.runs.loggers.wandb_files import read_records, says_the_same
from coilal.runs.run import run
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

Small = Callable[..., DictConfig]
context = multiprocessing.get_context("forkserver")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def files(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/*.wandb"))


def key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def history(path: Path) -> list[dict[str, Any]]:
    return [
        {key(item): json.loads(item.value_json) for item in record.history.item}
        for record in read_records(path)
        if record.HasField("history")
    ]


def summary(path: Path) -> dict[str, Any]:
    return {
        key(item): json.loads(item.value_json)
        for record in read_records(path)
        if record.HasField("summary")
        for item in record.summary.update
    }


def test_an_offline_run_holds_what_a_dashboard_shows(small: Small) -> None:
    cfg = small("logger=[wandb,tensorboard]", "strategy=margin", "seed=4")
    run(cfg)
    folder = run_folder(cfg)
    (path,) = files(folder)
    found = next(record.run for record in read_records(path) if record.HasField("run"))
    assert found.run_id == read_status(run_folder(cfg))["identity"]
    assert (found.project, found.run_group, found.job_type) == ("coilal", "default", "multiclass")
    assert found.display_name == "multiclass tiny margin split0 seed4"
    assert set(found.tags) == {"tiny", "margin", "split0", "seed4"}
    config = {key(item): json.loads(item.value_json) for item in found.config.update}
    assert config["strategy"]["name"] == "margin"
    assert not {"logger", "cache", "outputs"} & set(config)
    metrics = [record.metric for record in read_records(path) if record.HasField("metric")]
    assert any(m.step_metric == "labelled" and (m.glob_name == "*" or m.name) for m in metrics)

    cycles, rows = read_cycles(folder), history(path)
    assert [row["labelled"] for row in rows] == cycles["labelled"].tolist()
    for column in cycles.drop(columns="write_s"):
        assert [row[column] for row in rows] == pytest.approx(cycles[column].tolist(), nan_ok=True), column
    assert [row["curve/multiclass/tiny"] for row in rows] == pytest.approx(cycles["test/macro_f1"].tolist())
    area = aulc(cycles["labelled"], cycles["test/macro_f1"])
    assert summary(path)["aulc"] == pytest.approx(area)
    assert summary(path)["aulc/multiclass/tiny"] == pytest.approx(area)
    cost = (cycles["infer_s"] + cycles["select_s"]).sum()
    assert summary(path)["query_s/multiclass/tiny"] == pytest.approx(cost)
    assert "image-file" in json.dumps({k: v for k, v in summary(path).items() if k.startswith("curve_image")})

    queries = read_queries(folder)
    assert "queried.path" not in rows[-1]
    for cycle, row in enumerate(rows[:-1], start=1):
        table = json.loads((path.parent / "files" / row["queried.path"]).read_text())
        assert table["columns"] == [
            "cycle",
            "rank",
            "image",
            "score",
            "prediction",
            "confidence",
            "label",
            "picture",
        ]
        batch = queries[queries["cycle"] == cycle]
        assert [line[2] for line in table["data"]] == batch["image"].tolist()
        assert [line[6] for line in table["data"]] == batch["label"].tolist()
        assert [line[4] for line in table["data"]] == batch["prediction"].tolist()
        assert [line[5] for line in table["data"]] == batch["confidence"].astype(float).tolist()
        assert all(line[3] is not None and line[4] for line in table["data"])
    tables = [record.artifact for record in read_records(path) if record.HasField("artifact")]
    pictures = [sum(entry.path.startswith("media/images/") for entry in t.manifest.contents) for t in tables]
    assert pictures == [16, 16], "those of a table lie in its artifact"
    assert list((folder / "tensorboard").glob("events.out.*")), "two loggers at once"


def start(
    cfg: DictConfig, cycle: int | None, moment: str = "", with_core: bool = False, **environment: str
) -> int | None:
    """Run in a process of its own, which is killed at the cycle, and return its exit code."""
    from tests.unit.runs.loggers.wandb_child import work

    settings = OmegaConf.to_yaml(cfg, resolve=True)
    arguments = (settings, cycle, moment, with_core, {"WANDB_MODE": "offline", **environment})
    process = context.Process(target=work, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def labelled(folder: Path) -> list[int]:
    return sorted(row["labelled"] for path in files(folder) for row in history(path))


@pytest.mark.parametrize(
    ("moment", "with_core"),
    [
        ("after_log", True),
        ("before_log", False),
        ("flushed", False),
        ("flushed", True),
    ],
)
def test_killed_in_every_cycle_a_run_is_in_its_files_once(small: Small, moment: str, with_core: bool) -> None:
    cfg = small("logger.wandb.mode=offline", "logger=wandb", "trainer.max_epochs=1")
    folder = run_folder(cfg)
    for cycle in range(3):
        assert start(cfg, cycle, moment, with_core) == -signal.SIGKILL
        if moment == "flushed":
            assert labelled(folder) == [16, 32, 48][: cycle + 1]
    assert start(cfg, None) == 0
    assert read_status(folder)["state"] == "done"
    assert labelled(folder) == [16, 32, 48]
    assert [len({path.stem for path in files(folder)}), len(files(folder))] == [1, 4]
    for path in files(folder):
        for row in history(path):
            assert ("queried.path" in row) == (row["labelled"] < 48)
            assert "queried.path" not in row or (path.parent / "files" / row["queried.path"]).exists()


def cut_off(cfg: DictConfig, patched: pytest.MonkeyPatch, cycles: int) -> None:
    """Run the first cycles only."""
    judge, ended = coilal.fit.cycles.ActiveLearning.judge, []

    def until(*arguments: Any) -> Any:
        if len(ended) == cycles:
            raise KeyboardInterrupt
        ended.append(1)
        return judge(*arguments)

    with patched.context() as patch:
        patch.setattr(coilal.fit.cycles.ActiveLearning, "judge", until)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run(cfg)


def test_a_run_that_was_cut_off_continues_its_id_and_logs_again_what_is_in_no_file(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = small("logger=wandb")
    folder = run_folder(cfg)
    cut_off(cfg, monkeypatch, 2)
    (first,) = files(folder)
    (queried,) = first.parent.glob("files/media/table/queried_17_*")  # of the row after step 16, of 32 images
    queried.unlink()
    run(cfg)
    first, second = sorted(files(folder), key=lambda path: path.stat().st_mtime_ns)
    assert first.stem == second.stem
    assert [row["labelled"] for row in history(first)] == [16, 32]
    assert [row["labelled"] for row in history(second)] == [32, 48]


def test_rows_of_another_project_or_of_a_run_since_done_again_do_not_count(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = small("logger=wandb")
    folder = run_folder(cfg)
    cut_off(cfg, monkeypatch, 1)
    cut_off(small("logger=wandb", "logger.wandb.project=other"), monkeypatch, 1)
    run(small("logger=wandb", "logger.wandb.project=other"))
    logged = [[row["labelled"] for row in history(path)] for path in files(folder)]
    assert sorted(logged) == [[16], [16, 32], [48]]
    cut_off(small("logger=wandb", "force=true"), monkeypatch, 2)
    run(cfg)
    rows = [row for path in files(folder) for row in history(path)]
    for cycle in read_cycles(folder).to_dict("records"):
        assert sum(says_the_same(row, cycle) for row in rows) == 1


def test_a_damaged_file_is_said_once_and_its_cycles_are_logged_again(
    small: Small, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = small("logger=wandb")
    folder = run_folder(cfg)
    cut_off(cfg, monkeypatch, 2)
    (damaged,) = files(folder)
    damaged.write_bytes(b"not of W&B" * 100)
    run(cfg)
    assert caplog.text.count("not a file of W&B") == 1
    assert "failed" not in caplog.text
    assert sorted(row["labelled"] for path in files(folder) if path != damaged for row in history(path)) == [
        16,
        32,
        48,
    ]


@pytest.mark.parametrize("broken", ["init", "log"])
def test_a_failing_wandb_is_said_once_and_ends_no_run(
    small: Small, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    import wandb

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the server is on fire with key 0123secret")

    monkeypatch.setenv("WANDB_API_KEY", "0123secret")
    monkeypatch.setattr(*((wandb, "init") if broken == "init" else (wandb.Run, "log")), fail)
    cfg = small("logger=wandb")
    run(cfg)
    assert read_status(run_folder(cfg))["state"] == "done"
    assert caplog.text.count("W&B failed") == 1
    assert "0123secret" not in caplog.text


def test_no_key_means_offline(small: Small, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr("coilal.runs.loggers.wandb.has_key", lambda: False)
    cfg = small("logger=wandb", "logger.wandb.mode=online", "budget.cycles=0")
    run(cfg)
    assert caplog.text.count("no API key") == 1
    assert len(history(files(run_folder(cfg))[0])) == 1


def test_disabled_writes_nothing_and_an_unknown_mode_is_refused(small: Small) -> None:
    cfg = small("logger=wandb", "logger.wandb.mode=disabled", "budget.cycles=0")
    run(cfg)
    assert not (run_folder(cfg) / "wandb").exists()
    with pytest.raises(UserError, match="online, offline, disabled"):
        WandbLogger("somewhere", "coilal", mode="sometimes")


def test_no_file_of_a_run_holds_the_key(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = "5ecre7" * 6 + "abcd"
    monkeypatch.setenv("WANDB_API_KEY", marker)
    cfg = small("logger=wandb", "budget.cycles=0")
    run(cfg)
    written = [path for path in run_folder(cfg).rglob("*") if path.is_file()]
    assert files(run_folder(cfg))
    assert not [path for path in written if marker.encode() in path.read_bytes()]


@pytest.mark.parametrize(("config", "code"), [({}, 1), ({"label": {"audit": 64}}, 0)])
def test_a_session_that_is_stopped_has_not_failed(tmp_path: Path, config: dict[str, Any], code: int) -> None:
    logger, codes = WandbLogger(str(tmp_path), "coilal"), []
    logger._info = SimpleNamespace(config=config)  # type: ignore[assignment]
    logger._run = SimpleNamespace(finish=lambda exit_code: codes.append(exit_code))
    logger.finalize("failed")
    assert codes == [code]
