from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.common.types import DataError, ImageFormat, UserError
from coilal.data.folder import ImageFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed, name in enumerate(["ok/c1_1.png", "bent/c2_1.jpg", "bent/deep/c1_2.png"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def test_classes_groups_and_pixels(root: Path, tmp_path: Path) -> None:
    source = ImageFolder(str(root), r"^(c\d+)_", ["good", "ok"])
    samples = source.read()
    assert samples.names == ("bent/c2_1.jpg", "bent/deep/c1_2.png", "ok/c1_1.png")
    assert samples.groups == ("c2", "c1", "c1")
    assert samples.class_names == ("bent", "ok")
    assert samples.classes is not None
    assert samples.classes.tolist() == [0, 0, 1]
    assert samples.good_class == 1
    assert source.decode(samples, ImageFormat((4, 4), mode="RGB"), tmp_path / ".cache").pixels.shape == (3, 3, 4, 4)


def test_without_a_pattern_every_image_is_a_group(root: Path) -> None:
    assert len(set(ImageFolder(str(root)).read().groups)) == 3


def test_images_outside_class_folders_are_noted(root: Path) -> None:
    Image.new("L", (2, 2)).save(root / "loose.png")
    samples = ImageFolder(str(root)).read()
    assert len(samples) == 3
    assert "1 images" in " ".join(samples.notes)


def test_problems_of_folders_and_images_are_in_one_list(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "ok/c9_1.png").write_text("no image")
    with pytest.raises(DataError) as caught:
        ImageFolder(str(root), r"^(c[129])_\d\.png$", "good").read()
    places = [problem.places for problem in caught.value.problems]
    assert places[0] == ("bent/c2_1.jpg",)  # does not match the pattern
    assert places[1] == ("empty",)
    assert "data.source.good_class=good" in caught.value.problems[2].kind
    assert places[3][0].startswith("ok/c9_1.png")


def test_folders_that_cannot_be_used(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        ImageFolder(str(root / "nowhere")).read()
    with pytest.raises(DataError, match="no class folders"):
        ImageFolder(str(root / "ok")).read()
    with pytest.raises(UserError, match="error or keep"):
        ImageFolder(str(root), duplicates="drop")  # type: ignore[arg-type]


def test_a_class_of_files_that_are_not_read_says_which_kind(root: Path) -> None:
    (root / "raw").mkdir()
    (root / "raw/c1.heic").touch()
    with pytest.raises(DataError, match=r"without an image in .* \(1 files in .* not read: 1 \.heic\.\)"):
        ImageFolder(str(root)).read()


def test_other_files_are_noted(root: Path) -> None:
    (root / "ok/c1.npy").touch()
    assert "1 .npy" in " ".join(ImageFolder(str(root)).read().notes)


def write(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(100 + seed).integers(0, 256, (4, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)


def test_images_without_a_class_are_kept_for_the_pool_or_refused(root: Path) -> None:
    write(root, "loose.png", "nan/c.png")
    samples = ImageFolder(str(root), no_value=["nan"], unlabelled="pool").read()
    assert samples.names == ("bent/c2_1.jpg", "bent/deep/c1_2.png", "loose.png", "nan/c.png", "ok/c1_1.png")
    assert samples.classes is not None
    assert samples.classes.tolist() == [0, 0, -1, -1, 1]
    assert samples.unlabelled == (2, 3)
    assert samples.class_names == ("bent", "ok")
    assert "1 images in nan are kept without a class" in " ".join(samples.notes)
    with pytest.raises(DataError) as caught:
        ImageFolder(str(root), no_value=["nan"], unlabelled="error").read()
    assert caught.value.problems[0].places == ("loose.png", "nan/c.png")
    assert ImageFolder(str(root), no_value=["nan"]).read().unlabelled == ()


def test_a_folder_without_any_class_is_read_for_the_pool(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    assert ImageFolder(str(tmp_path), unlabelled="pool").read().unlabelled == (0, 1)


def test_folders_of_parts_give_the_split(tmp_path: Path) -> None:
    write(tmp_path, "train/ok/a.png", "train/bent/b.png", "Val/ok/deep/c.png", "test/ok/d.png", "test/e.png")
    samples = ImageFolder(str(tmp_path)).read()
    assert samples.names == ("Val/ok/deep/c.png", "test/ok/d.png", "train/bent/b.png", "train/ok/a.png")
    assert samples.parts == ("validation", "test", "pool", "pool")
    assert samples.class_names == ("bent", "ok")
    assert "Val means validation, train means pool" in " ".join(samples.notes)
    kept = ImageFolder(str(tmp_path), unlabelled="pool").read()
    assert (kept.names[1], kept.parts, kept.unlabelled) == (
        "test/e.png", ("validation", "test", "test", "pool", "pool"), (1,),
    )  # fmt: skip
    classes = ImageFolder(str(tmp_path), split_folders=False).read()
    assert (classes.class_names, classes.parts) == (("Val", "test", "train"), None)


def test_a_folder_beside_those_of_a_whole_split_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/ok/a.png", "val/ok/b.png", "test/ok/c.png", "extra/ok/d.png")
    with pytest.raises(DataError, match=r"(?s)name no part of a split.*split_folders=false.*\n  extra"):
        ImageFolder(str(tmp_path)).read()
    assert len(ImageFolder(str(tmp_path), split_folders=False).read().class_names) == 4


def test_one_folder_that_is_no_part_makes_all_of_them_classes(tmp_path: Path) -> None:
    write(tmp_path, "train/ok/a.png", "spare/ok/b.png")
    assert ImageFolder(str(tmp_path)).read().class_names == ("spare", "train")
    with pytest.raises(DataError, match=r"spare/ok/b\.png: 'spare'"):
        ImageFolder(str(tmp_path), split_folders=True).read()
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "spare").rename(tmp_path / "test")
    with pytest.raises(DataError, match=r"without an image.*\n  train/empty"):
        ImageFolder(str(tmp_path)).read()


def test_a_group_in_folders_of_two_parts_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train/ok/c1_1.png", "test/ok/c1_2.png", "test/ok/c2_1.png")
    with pytest.raises(DataError, match=r"two parts of the split.*\n  c1: pool, test$"):
        ImageFolder(str(tmp_path), r"^(c\d)_").read()
