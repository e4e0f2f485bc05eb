from __future__ import annotations

from pathlib import Path

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


def test_there_is_a_core() -> None:
    assert machine.cores() >= 1
