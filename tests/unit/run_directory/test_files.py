from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coilal.run_directory.files import write_atomically


@pytest.mark.parametrize("durable", [True, False])
def test_what_must_survive_a_power_cut_is_waited_for_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    waited: list[tuple[bool, bool]] = []
    path = tmp_path / "state.json"

    def note(descriptor: int) -> None:
        waited.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(path, "{}", durable)
    # the content before it has its name, then the name
    assert waited == ([(False, False), (True, True)] if durable else [])
