from __future__ import annotations

from pathlib import Path

import pytest

from coilal.common.types import UserError
from coilal.labelling.formats.finished import new_folder, write_new


def test_a_folder_appears_when_it_is_filled(tmp_path: Path) -> None:
    with new_folder(tmp_path / "new" / "out") as partial:
        (partial / "file").touch()
        assert not (tmp_path / "new" / "out").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    assert (tmp_path / "new" / "out" / "file").exists()


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "out") as partial:
            (partial / "file").touch()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as partial:
        (partial / "file").touch()
    assert (tmp_path / "out" / "file").exists()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(UserError, match="is no folder"), new_folder(tmp_path / name):
            pass
        with pytest.raises(UserError, match="not overwritten"):
            write_new(tmp_path / name, "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
