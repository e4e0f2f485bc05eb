from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coilal.run_directory import store as module
from coilal.run_directory.columns import is_measurement
from coilal.run_directory.files import write_atomically
from coilal.run_directory.health import DamagedError
from coilal.run_directory.store import Query, RunStore, read_asked, read_cycles, read_queries


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path, list)


def test_write_s_is_the_time_since_the_row_before_was_recorded(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    costs = {
        "predictions.npz": 2.0,
        "state.json": 3.0,
        "cycles.csv": 4.0,
        "queries.csv": 5.0,
        "model.safetensors": 7,
    }

    def slow_write(path: Path, content: str | bytes, durable: bool = True) -> None:
        clock[0] += costs[path.name]
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    monkeypatch.setattr(module, "write_atomically", slow_write)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    for cycle in range(2):
        store.commit({"cycle": cycle, "labelled": cycle + 1}, {"ids": np.arange(2)}, None)
        clock[0] += 100  # the next cycle
    store.commit({"cycle": 2, "labelled": 3}, {"ids": np.arange(2)}, lambda: b"weights")
    assert read_cycles(store.folder)["write_s"].tolist() == [2.0, 14.0, 21.0]


def test_only_the_record_is_waited_for_until_the_last_cycle(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[str] = []

    def write(path: Path, content: str | bytes, durable: bool = True) -> None:
        waited.extend([path.name] if durable else [])
        write_atomically(path, content, durable)

    monkeypatch.setattr(module, "write_atomically", write)
    store.commit({"cycle": 0, "labelled": 1}, {"ids": np.arange(2)}, None)
    assert waited == ["state.json"]
    waited.clear()
    store.commit({"cycle": 1, "labelled": 2}, {"ids": np.arange(2)}, lambda: b"weights")
    assert set(waited) == {"predictions.npz", "model.safetensors", "state.json", "cycles.csv", "queries.csv"}


def test_a_resumed_run_keeps_the_recorded_times(store: RunStore) -> None:
    store.commit({"cycle": 0, "labelled": 1, "fit_s": 1.25}, {"ids": np.arange(2)}, None)
    before = read_cycles(store.folder)
    again = RunStore(store.folder, list)
    pd.testing.assert_frame_equal(read_cycles(again.folder), before, check_exact=True)


def test_what_measures_the_machine_is_no_result() -> None:
    columns = ["cycle", "labelled", "test/f1/gap_s", "fit_s", "peak_memory_mb", "device_peak_memory_mb"]
    assert [name for name in columns if not is_measurement(name)] == ["cycle", "labelled", "test/f1/gap_s"]


def query(image: str, cycle: int = 0) -> Query:
    return Query(cycle=cycle, rank=0, image=image, score=None, label="ok", prediction="", confidence=None)


def test_what_the_model_took_an_image_for_stands_beside_its_label(tmp_path: Path) -> None:
    asked = [query("a.png"), {**query("b.png", cycle=1), "prediction": "2026", "confidence": 0.875}]
    store = RunStore(tmp_path, lambda: asked)  # type: ignore[arg-type, return-value]
    for cycle in range(2):
        store.commit({"cycle": cycle, "labelled": cycle + 1}, {"ids": np.arange(2)}, None)
    columns = read_asked(tmp_path)
    assert columns["prediction"] == read_queries(tmp_path)["prediction"].tolist() == ["", "2026"]
    assert columns["confidence"] == [None, 0.875]


def test_a_session_of_another_run_is_refused(tmp_path: Path) -> None:
    store = RunStore(tmp_path, lambda: [query("a.png"), query("b.png", cycle=1)])
    store.commit({"cycle": 0, "labelled": 1}, {"ids": np.arange(2)}, None)
    RunStore(tmp_path, lambda: [query("a.png"), query("c.png", cycle=1)])  # what is pending does not count
    before = (tmp_path / "queries.csv").read_bytes()
    with pytest.raises(DamagedError, match=r"session\.jsonl .*trained on other images"):
        RunStore(tmp_path, lambda: [query("b.png")])
    assert (tmp_path / "queries.csv").read_bytes() == before
