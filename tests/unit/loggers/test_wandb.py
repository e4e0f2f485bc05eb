"""Runs logged offline are read back from W&B's own files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

import coilal.learning
from coilal.loggers.wandb import WandbLogger
from coilal.results.curves import aulc
from coilal.results.identity import identity_hash
from coilal.results.run_files import read_status, run_folder
from coilal.results.store import read_cycles, read_queries
from coilal.run import run
from coilal.settings import resolved
from coilal.types import UserError

Small = Callable[..., DictConfig]
BLOCK = 32768
HEADER = (
    7  # of the file, and of each chunk: checksum (4), length (2), type (1: whole, 2, 3, 4: first, middle, last)
)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def records(path: Path) -> Iterator[Any]:
    """Yield the records of a .wandb file: LevelDB's log format, with protobuf messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    position, parts = HEADER, b""
    while position + HEADER <= len(content):
        if BLOCK - position % BLOCK < HEADER:
            position += BLOCK - position % BLOCK
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):
            yield Record.FromString(parts)
            parts = b""


def files(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/*.wandb"))


def key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def history(path: Path) -> list[dict[str, Any]]:
    return [
        {key(item): json.loads(item.value_json) for item in record.history.item}
        for record in records(path)
        if record.HasField("history")
    ]


def summary(path: Path) -> dict[str, Any]:
    return {
        key(item): json.loads(item.value_json)
        for record in records(path)
        if record.HasField("summary")
        for item in record.summary.update
    }


def test_an_offline_run_holds_what_a_dashboard_shows(small: Small) -> None:
    cfg = small("logger=[wandb,tensorboard]", "strategy=margin", "seed=4")
    run(cfg)
    folder = run_folder(cfg)
    (path,) = files(folder)
    found = next(record.run for record in records(path) if record.HasField("run"))
    assert found.run_id == identity_hash(resolved(cfg))
    assert (found.project, found.run_group, found.job_type) == ("coilal", "default", "multiclass")
    assert found.display_name == "multiclass tiny margin seed4"
    assert set(found.tags) == {"tiny", "margin", "seed4"}
    config = {key(item): json.loads(item.value_json) for item in found.config.update}
    assert config["strategy"]["name"] == "margin"
    assert not {"logger", "cache", "outputs"} & set(config)
    metrics = [record.metric for record in records(path) if record.HasField("metric")]
    assert any(m.step_metric == "labelled" and (m.glob_name == "*" or m.name) for m in metrics)

    cycles, rows = read_cycles(folder), history(path)
    assert [row["labelled"] for row in rows] == cycles["labelled"].tolist()
    for column in cycles.drop(columns="write_s"):
        assert [row[column] for row in rows] == pytest.approx(cycles[column].tolist()), column
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
        assert table["columns"] == ["cycle", "rank", "image", "score", "prediction", "label"]
        batch = queries[queries["cycle"] == cycle]
        assert [line[2] for line in table["data"]] == batch["image"].tolist()
        assert [line[5] for line in table["data"]] == batch["label"].tolist()
        assert all(line[3] is not None and isinstance(line[4], str) for line in table["data"])
    assert list((folder / "tensorboard").glob("events.out.*")), "two loggers at once"


def test_a_run_that_was_cut_off_continues_its_id_and_logs_no_cycle_twice(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = small("logger=wandb")
    end, ended = coilal.learning.ActiveLearning.end, []

    def cut_off(*arguments: Any) -> Any:
        if len(ended) == 2:
            raise KeyboardInterrupt
        ended.append(1)
        return end(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(coilal.learning.ActiveLearning, "end", cut_off)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run(cfg)
    (folder := run_folder(cfg)).joinpath("wandb", "logged").write_text("16")  # the second was not logged any more
    assert read_status(folder)["state"] == "running"
    run(cfg)
    first, second = sorted(files(folder), key=lambda path: path.stat().st_mtime_ns)
    assert first.stem == second.stem
    assert [row["labelled"] for row in history(second)] == [32, 48]


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
    monkeypatch.setattr("coilal.loggers.wandb.has_key", lambda: False)
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
