"""A disk that becomes full at any write of a run: one sentence, nothing lost, and the resume ends the same."""

from __future__ import annotations

import builtins
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from PIL import Image

from coilal.common.types import UserError
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_queries
from coilal.runs.run import run
from tests.annotator import Annotator, Served
from tests.e2e.test_run import without_times
from tests.run_folders import run_folder
from tests.unit.labelling.working import wait_for

pytestmark = pytest.mark.slow

DEVICE = Path("/dev/full")  # each write to it fails as on a full disk


class Disk:
    """Becomes full after a number of files; then whatever is opened for writing lies on ``/dev/full``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files, self.full_after = 0, 1 << 30
        replace, opened = os.replace, builtins.open

        def counted(*args: Any, **kwargs: Any) -> None:
            replace(*args, **kwargs)
            self.files += 1

        def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if self.files >= self.full_after and set(mode) & set("wax+"):
                return opened(DEVICE, mode, *args, **kwargs)
            return opened(file, mode, *args, **kwargs)

        monkeypatch.setattr(os, "replace", counted)
        monkeypatch.setattr(builtins, "open", open_)
        monkeypatch.setattr(io, "open", open_)

    def becomes_full(self, after: int) -> None:
        """Be full after so many files from now on."""
        self.files, self.full_after = 0, after

    def has_room(self) -> None:
        """Be empty again."""
        self.files, self.full_after = 0, 1 << 30


def assert_equal(folder: Path, whole: Path) -> None:
    pd.testing.assert_frame_equal(without_times(folder), without_times(whole), check_exact=True)
    pd.testing.assert_frame_equal(read_queries(folder), read_queries(whole), check_exact=True)
    ours, theirs = np.load(folder / "predictions.npz"), np.load(whole / "predictions.npz")
    np.testing.assert_array_equal(ours["probabilities"], theirs["probabilities"])


@pytest.mark.skipif(not DEVICE.exists(), reason="there is no /dev/full here")
def test_a_disk_that_is_full_at_any_file_of_a_run_loses_nothing(
    small: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(study: str) -> DictConfig:
        return small(f"study={study}", "strategy=margin", "trainer.max_epochs=1", "budget.cycles=1")

    run(settings("first"))  # fills the cache
    disk, whole = Disk(monkeypatch), settings("whole")
    run(whole)
    files = disk.files
    assert files > 10
    for after in range(files):
        cfg = settings(f"full{after}")
        folder = run_folder(cfg)
        disk.becomes_full(after)
        with pytest.raises(UserError, match=r"the disk is full; free some space\. Then give the same command"):
            run(cfg)
        disk.has_room()
        assert not list(folder.rglob("*.partial"))
        assert read_status(folder).get("state") != "done"
        run(cfg)
        assert read_status(folder)["state"] == "done"
        assert_equal(folder, run_folder(whole))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 32 kB."""
    place = tmp_path / "tiny"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"file systems cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_run_on_a_disk_that_is_too_small_goes_on_once_there_is_room(
    small: Callable[..., DictConfig], tiny_disk: Path
) -> None:
    few = ("strategy=margin", "trainer.max_epochs=1", "budget.cycles=1")
    whole, cfg = small("study=whole", *few), small("study=tiny", *few, f"outputs={tiny_disk}")
    run(whole)
    with pytest.raises(UserError, match="the disk is full"):
        run(cfg)
    folder = run_folder(cfg)
    assert not list(folder.rglob("*.partial"))
    subprocess.run(["mount", "-o", "remount,size=16m", str(tiny_disk)], check=True)
    run(cfg)
    assert_equal(folder, run_folder(whole))


def test_a_session_serves_on_while_its_disk_is_full_and_learns_once_there_is_room(
    tiny_disk: Path, tmp_path: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=1m", str(tiny_disk)], check=True)
    truth = _coils(tmp_path / "images")
    served = Served(_session(tmp_path, tiny_disk), tmp_path)
    client, annotator = served.enter(), Annotator(truth)
    annotator.label(client, 8 + 3)
    filler = tiny_disk / "filler"
    _fill(filler, spare=8192)
    annotator.label(client, 1)  # it completes the first batch
    wait_for(lambda: any("the disk is full; free some space. Until" in note for note in _progress(client)["notes"]))
    with pytest.raises(AssertionError, match="the disk is full"):
        _label_on_a_full_disk(annotator, client, filler)
    answered = {name: list(answers) for name, answers in annotator.told.items()}
    filler.unlink()
    wait_for(lambda: not any("the disk is full" in note for note in _progress(client)["notes"]))
    assert list(tiny_disk.rglob("cycles.csv"))
    assert annotator.label(client, 24) == 24
    out = served.stop()
    assert "Traceback" not in out
    assert out.count("Until then the model learns nothing") >= 1
    assert "Then give the same command" not in out
    (journal,) = tiny_disk.rglob("session.jsonl")
    told = [name for line in journal.read_text().splitlines() for name in json.loads(line).get("told", ())]
    assert len(told) == len(set(told)) == sum(map(len, annotator.told.values())) - 8
    assert answered.items() <= annotator.told.items()


def _coils(folder: Path) -> dict[str, str]:
    """Make images of coils of which every second one is bright on the left, and return their labels."""
    folder.mkdir()
    generator, truth = np.random.default_rng(0), {}
    for coil in range(24):
        for view in range(4):
            pixels = generator.integers(0, 90, (56, 42), dtype=np.uint8)
            pixels[:, :14] += np.uint8(150 * (coil % 2))
            name = f"Spule{coil:02}_{view}.png"
            Image.fromarray(pixels).save(folder / name)
            truth[name] = ("ok", "dent")[coil % 2]
    return truth


def _session(place: Path, outputs: Path) -> tuple[str, ...]:
    return (
        *("study=line3", "data=coils", f"data.root={place / 'images'}", "label.classes=[ok,dent]", "label.audit=8"),
        *("data.image.size=[56,42]", "trainer.accelerator=cpu", "trainer.max_epochs=2", "label.reask=0"),
        *("budget.initial=4", "budget.query=24", f"outputs={outputs}", f"cache.dir={place / 'cache'}"),
    )


def _label_on_a_full_disk(annotator: Annotator, client: httpx.Client, filler: Path) -> None:
    """Answer all that waits; what a last page of a journal has left, and failed attempts give back, takes a few."""
    for _ in range(24):
        _fill(filler, spare=0)
        annotator.label(client, 1)


def _fill(file: Path, spare: int) -> None:
    """Let a file grow until so many bytes of its file system are left."""
    with file.open("ab", buffering=0) as stream:
        with suppress(OSError):
            while True:
                stream.write(bytes(4096))
        stream.truncate(file.stat().st_size - spare)


def _progress(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/progress", params={"who": "sim#1"}).json()
    return found
