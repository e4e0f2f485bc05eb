from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from coilal.common import host_memory


def limit(group: Path, most: str, current: int = 0, dropped: int = 0) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{current}\n")
    (group / "memory.stat").write_text(f"anon 300\ninactive_file {dropped}\n")


@pytest.mark.parametrize("own", [".", "slurm/job_7/step_0"])
def test_free_memory_is_what_the_container_or_the_job_has_left(
    own: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host_memory, "CGROUP", tmp_path / "root")
    monkeypatch.setattr(host_memory, "OWN_CGROUP", tmp_path / "own")
    free = psutil.virtual_memory().available
    assert host_memory.free_host_memory() == pytest.approx(free, rel=0.3)
    (tmp_path / "own").write_text(f"4:memory:/elsewhere\n0::/{own.removeprefix('.')}\n")
    assert host_memory.free_host_memory() == pytest.approx(free, rel=0.3)
    limit(tmp_path / "root" / own, "max")
    assert host_memory.free_host_memory() == pytest.approx(free, rel=0.3)
    limit(tmp_path / "root", "1000", current=700, dropped=400)
    assert host_memory.free_host_memory() == 700
    limit(tmp_path / "root" / own, "500", current=100)
    assert host_memory.free_host_memory() == 400
