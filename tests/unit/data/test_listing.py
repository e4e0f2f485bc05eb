from __future__ import annotations

import os
from pathlib import Path

import pytest

from coilal.common.types import DataError
from coilal.data.listing import look_through


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_images_of_every_suffix_in_every_case_are_listed_sorted(tmp_path: Path) -> None:
    names = ["a.jpg", "b/c.PNG", "b/d/e.Tif", "f.pgm", "g.ppm", "h.jp2", "i.gif", "j.jfif", "k.JPE", "l.tiff"]
    touch(tmp_path, *names, "notes.txt", "labels.csv", "README")
    assert look_through(tmp_path).images == sorted(names)
    assert look_through(tmp_path).notes == ()


def test_what_is_not_read_is_counted_by_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.heic", "b/c.HEIC", "d.npy", ".e.png", ".cache/f.png", "._a.png", ".git/config")
    listing = look_through(tmp_path)
    assert listing.images == ["a.png"]
    assert "3 files in" in listing.notes[0]
    assert "2 .heic, 1 .npy" in listing.notes[0]
    assert "2 hidden images" in listing.notes[1]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path / "store", "good/a.png", "good/inner/b.png", "c.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "good").symlink_to(tmp_path / "store" / "good")
    (data / "bad").symlink_to(tmp_path / "store" / "good" / "inner", target_is_directory=True)
    (data / "c.png").symlink_to(tmp_path / "store" / "c.png")
    (tmp_path / "store/good/inner/again").symlink_to(tmp_path / "store/good")
    (tmp_path / "store/good/up").symlink_to(data)
    assert look_through(data).images == ["bad/again/a.png", "bad/b.png", "c.png", "good/a.png", "good/inner/b.png"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/b.png", "c/d.png")
    scandir = os.scandir

    def denied(path: str) -> object:
        if os.fspath(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match=r"cannot be read[\s\S]*/a: Permission denied"):
        look_through(tmp_path)


def test_names_in_another_encoding_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode("für.png".encode("latin-1"))).touch()
    with pytest.raises(DataError, match=r"rename[\s\S]*  für\.png"):
        look_through(tmp_path)


def test_named_pipes_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to(tmp_path / "b.png")
    listing = look_through(tmp_path)
    assert listing.images == ["a.png"]
    assert listing.notes[0].startswith("2 named pipes, sockets or devices in")
