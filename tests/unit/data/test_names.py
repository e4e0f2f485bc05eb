from __future__ import annotations

from pathlib import Path

import pytest

from coilal.data.names import files_meant


def meant(folder: Path, *given: str, there: tuple[str, ...]) -> tuple[str, ...]:
    found = files_meant(given, folder, there)
    assert not found.problems, found.problems[0].places
    return found.names


def refused(folder: Path, *given: str, there: tuple[str, ...]) -> str:
    (problem,) = files_meant(given, folder, there).problems
    return problem.describe()


def test_names_of_files_are_taken_as_they_are(tmp_path: Path) -> None:
    found = files_meant(["b.png", "a\\b.png", ""], tmp_path, ["b.png", "a\\b.png"])
    assert (found.names, found.notes, found.problems) == (("b.png", "a\\b.png", ""), (), ())


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("./a.png", "a.png"),
        ("x/../a.png", "a.png"),
        (".\\x\\a.png", "x/a.png"),
        ("x//a.png", "x/a.png"),
        ("A.PNG", "a.png"),
        ("lu\u0308cke.png", "lücke.png"),
        ("x\\A.Png", "x/a.png"),
        ("a", "a.png"),
        ("part.1", "part.1.png"),
        ("/data/upload/12/0123abcd-a.png", "a.png"),
        ("/data/upload/0123abcd-a.png", "0123abcd-a.png"),
        ("/data/local-files/?d=x/a%20b.png", "x/a b.png"),
    ],
)
def test_a_name_that_fits_one_file(tmp_path: Path, given: str, file: str) -> None:
    found = files_meant([given], tmp_path, [file, "other.png"])
    assert found.names == (file,)
    assert f"{given} is {file}." in found.notes[0]


def test_absolute_names(tmp_path: Path) -> None:
    assert meant(tmp_path, f"{tmp_path}/x/a.png", there=("x/a.png",)) == ("x/a.png",)
    link = tmp_path.parent / f"{tmp_path.name}_link"
    link.symlink_to(tmp_path)
    assert meant(link, f"{tmp_path}/a.png", there=("a.png",)) == ("a.png",)


def test_the_folder_is_looked_up_once_for_all_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    for way in (Path.absolute, Path.resolve):
        monkeypatch.setattr(Path, way.__name__, lambda path, way=way: looked.append(way) or way(path))
    there = tuple(f"{number}.png" for number in range(100))
    assert meant(tmp_path, *(f"{tmp_path}/./{name}" for name in there), there=there) == there
    assert len(looked) == 2
    beside = f"{tmp_path}2/0.png"  # begins with the name of the folder, and lies beside it
    whole = f"{tmp_path}/0.png"
    assert meant(Path("/"), whole, there=(whole[1:],)) == (whole[1:],)
    assert "0.png would fit" in refused(tmp_path, beside, f"{tmp_path}3/1.png", there=there)


def test_a_folder_of_elsewhere_is_left_out_if_all_names_have_it(tmp_path: Path) -> None:
    there = ("x/a.png", "y/b.png")
    assert meant(tmp_path, r"D:\data\x\a.png", r"D:\data\y\b.png", there=there) == there
    assert meant(tmp_path, r"D:\data\x\a.png", there=there) == ("x/a.png",)
    text = refused(tmp_path, "/elsewhere/x/a.png", "/other/y/b.png", there=there)
    assert "/elsewhere/x/a.png: x/a.png would fit" in text


def test_a_file_that_exists_elsewhere_is_what_is_meant(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    folder = tmp_path / "data"
    folder.mkdir()
    assert meant(folder, f"{tmp_path}/a.png", there=("a.png",)) == (f"{tmp_path}/a.png",)
    assert meant(folder, "../a.png", there=("a.png",)) == ("../a.png",)


def test_names_that_fit_two_files_or_only_another_folder_are_refused(tmp_path: Path) -> None:
    assert "a.png: A.png or a.PNG would fit" in refused(tmp_path, "a.png", there=("A.png", "a.PNG"))
    assert "a.png: x/a.png would fit" in refused(tmp_path, "a.png", there=("x/a.png",))
    assert files_meant(["a.png"], tmp_path, ["x/a.png"]).unclear == {"a.png"}


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("c.png", "c.jpg"),
        ("x/C.png", "x/c.jpg"),
        ("d.png", "deep/er/d.png"),
        ("e.bmp", "deep/e.tif"),
        ("y/e.bmp", "deep/e.tif"),
    ],
)
def test_the_name_that_would_fit_is_told(tmp_path: Path, given: str, file: str) -> None:
    assert f"{given}: {file} would fit" in refused(tmp_path, given, there=(file, "other.png"))


def test_what_is_no_extension_is_part_of_the_name(tmp_path: Path) -> None:
    assert meant(tmp_path, "part.1", there=("part.png",)) == ("part.1",)


def test_names_that_fit_nothing_are_left_for_the_list_of_missing_files(tmp_path: Path) -> None:
    assert meant(tmp_path, "gone.png", there=("a.png",)) == ("gone.png",)
