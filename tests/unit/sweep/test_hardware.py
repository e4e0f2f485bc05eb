from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from coilal.sweep import hardware as machine


@pytest.mark.parametrize(
    ("visible", "found"),
    [("2,5", ["2", "5"]), ("GPU-aa, GPU-bb", ["GPU-aa", "GPU-bb"]), ("0,-1,1", ["0"]), ("-1", []), ("", [])],
)
def test_gpus_are_those_that_cuda_may_see(visible: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (None, []),
        (
            "echo 'GPU 0: A (UUID: GPU-1)'; echo '  MIG 1g: (UUID: MIG-2)'; echo 'GPU 1: A (UUID: GPU-3)'",
            ["0", "1"],
        ),
        ("echo 'NVIDIA-SMI has failed: no driver'; exit 9", []),
    ],
)
def test_gpus_are_otherwise_those_that_the_driver_lists(
    answer: str | None, found: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    if answer:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    machine._count_gpus.cache_clear()
    assert machine.gpus() == found
    machine._count_gpus.cache_clear()


def limit(group: Path, most: str, current: int = 0, dropped: int = 0) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{current}\n")
    (group / "memory.stat").write_text(f"anon 300\ninactive_file {dropped}\n")


@pytest.mark.parametrize("own", [".", "slurm/job_7/step_0"])
def test_free_memory_is_what_the_container_or_the_job_has_left(
    own: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "root")
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")
    free = psutil.virtual_memory().available
    assert machine.free_memory() == pytest.approx(free, rel=0.3)
    (tmp_path / "own").write_text(f"4:memory:/elsewhere\n0::/{own.removeprefix('.')}\n")
    assert machine.free_memory() == pytest.approx(free, rel=0.3)
    limit(tmp_path / "root" / own, "max")
    assert machine.free_memory() == pytest.approx(free, rel=0.3)
    limit(tmp_path / "root", "1000", current=700, dropped=400)
    assert machine.free_memory() == 700
    limit(tmp_path / "root" / own, "500", current=100)
    assert machine.free_memory() == 400


def test_there_is_a_core() -> None:
    assert machine.cores() >= 1
