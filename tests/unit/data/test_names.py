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


def test_names_that_fit_nothing_are_left_for_the_list_of_missing_files(tmp_path: Path) -> None:
    assert meant(tmp_path, "gone.png", there=("a.png",)) == ("gone.png",)
