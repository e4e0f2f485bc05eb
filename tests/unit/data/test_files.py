from __future__ import annotations

import itertools
import json
import logging
import multiprocessing
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
import yaml
from PIL import Image

from coilal.common.array_store import build
from coilal.common.types import DataError, DecodedImages, ImageFormat
from coilal.data import files
from coilal.data.files import decode_files, file_problems
from coilal.data.listing import look_through
from coilal.runs.rules import PIXEL_RANGE

FORMAT = ImageFormat((6, 5))


def save(folder: Path, name: str, seed: int, size: tuple[int, int] = (6, 5)) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return pixels


def test_rows_are_in_id_order_and_come_from_the_cache_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{seed:03}.png" for seed in range(150, 0, -1)]
    pixels = [save(tmp_path, name, seed) for seed, name in zip(range(150, 0, -1), names, strict=True)]
    first = decode_files(tmp_path, names, FORMAT, tmp_path / "cache")
    assert np.array_equal(np.asarray(first.pixels), np.stack(pixels)[:, None])
    monkeypatch.setattr(files, "open_image", lambda *_: pytest.fail("decoded again"))
    again = decode_files(tmp_path, names, FORMAT, tmp_path / "cache")
    assert again.fingerprint == first.fingerprint


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    for folder, seeds in (("one", (1, 2)), ("copy", (1, 2)), ("other", (1, 3))):
        for name, seed in zip(("a.png", "b.png"), seeds, strict=True):
            save(tmp_path / folder, name, seed)
    os.utime(tmp_path / "copy/a.png", (0, 0))

    def fingerprint(folder: str, *names: str, image: ImageFormat = FORMAT) -> str:
        return decode_files(tmp_path / folder, names, image, tmp_path / "cache").fingerprint

    one = fingerprint("one", "a.png", "b.png")
    assert fingerprint("copy", "a.png", "b.png") == one
    assert fingerprint("other", "a.png", "b.png") != one
    assert fingerprint("one", "b.png", "a.png") != one
    assert fingerprint("one", "a.png", "b.png", image=ImageFormat((6, 5), "crop")) != one


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    save(tmp_path, "a.png", 1)
    decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache")
    changed = save(tmp_path, "a.png", 2)
    os.utime(tmp_path / "a.png", (5, 5))
    assert np.array_equal(decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache").pixels[0, 0], changed)


@pytest.mark.parametrize("limits", ["dtype", "auto"])
def test_of_a_folder_that_has_grown_only_what_is_new_is_decoded(
    limits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, names = ImageFormat((6, 5), range=limits), [f"{seed}.png" for seed in range(0, 20, 2)]
    for seed, name in enumerate(names):
        deep(tmp_path, name, 0, 4000 - seed, seed)
    decode_files(tmp_path, names, image, tmp_path / "cache")
    for seed in range(1, 20, 2):
        deep(tmp_path, f"{seed}.png", 0, 3000, seed + 100)
    deep(tmp_path, "4.png", 0, 3500, 200)  # changed
    every = [f"{seed}.png" for seed in range(20)]
    opened: list[str] = []
    whole = files.open_image

    def watched(path: Path, mode: Any, page: int) -> Any:
        opened.append(path.name)
        return whole(path, mode, page)

    monkeypatch.setattr(files, "open_image", watched)
    grown = decode_files(tmp_path, every, image, tmp_path / "cache")
    assert set(opened) == {"4.png", *(f"{seed}.png" for seed in range(1, 20, 2))}
    fresh = decode_files(tmp_path, every, image, tmp_path / "other_cache")
    np.testing.assert_array_equal(np.asarray(grown.pixels), np.asarray(fresh.pixels))
    assert (grown.fingerprint, grown.format) == (fresh.fingerprint, fresh.format)


def test_what_is_wrong_in_a_folder_that_has_grown_is_listed_with_what_was_there(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path, f"{seed}.png", seed)
    decode_files(tmp_path, [f"{seed}.png" for seed in range(4)], FORMAT, tmp_path / "cache")
    save(tmp_path, "copy.png", 2)
    (tmp_path / "damaged.png").write_bytes(b"nothing")
    names = ["0.png", "1.png", "2.png", "3.png", "copy.png", "damaged.png"]
    with pytest.raises(DataError) as told:
        decode_files(tmp_path, names, FORMAT, tmp_path / "cache")
    assert "copy.png is 2.png" in str(told.value)
    assert "damaged.png" in str(told.value)


def test_a_lost_content_file_is_made_again(tmp_path: Path) -> None:
    save(tmp_path, "a.png", 1)
    first = decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache")
    next((tmp_path / "cache").rglob("*.contents.npy")).unlink()
    assert decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache").fingerprint == first.fingerprint


def kill_while_decoding(folder: str, names: list[str], moment: int) -> None:
    """Decode with every block of images committed, and die when an image is opened."""
    build.COMMIT_S = 0.0
    opened = itertools.count()
    open_image = files.open_image

    def open_or_die(path: Path, mode: str, page: int) -> np.ndarray:
        if next(opened) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return open_image(path, mode, page)

    files.open_image = open_or_die
    files.cpu_count = lambda: 2  # with many, all would be decoded before the first is stored
    decode_files(Path(folder), names, FORMAT, Path(folder) / "cache")


@pytest.fixture
def half_decoded(tmp_path: Path) -> list[str]:
    """Return the names of images of which a killed process has stored some, not all."""
    names = [f"{seed:03}.png" for seed in range(640)]
    for seed, name in enumerate(names):
        save(tmp_path, name, seed)
    child = multiprocessing.get_context("spawn").Process(
        target=kill_while_decoding, args=(str(tmp_path), names, 520)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    return names


@pytest.mark.slow
def test_a_killed_decoding_is_continued(
    tmp_path: Path, half_decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names, opened = half_decoded, []
    open_image = files.open_image
    monkeypatch.setattr(files, "open_image", lambda path, *how: (opened.append(path), open_image(path, *how))[1])
    images = decode_files(tmp_path, names, FORMAT, tmp_path / "cache")
    assert 100 < len(opened) < 600
    monkeypatch.undo()
    at_once = decode_files(tmp_path, names, FORMAT, tmp_path / "other cache")
    assert images.fingerprint == at_once.fingerprint
    np.testing.assert_array_equal(images.pixels, at_once.pixels)


@pytest.mark.slow
def test_a_damage_found_after_a_kill_leaves_nothing(tmp_path: Path, half_decoded: list[str]) -> None:
    last = tmp_path / half_decoded[-1]
    status = last.stat()
    last.write_bytes(bytes(status.st_size))
    os.utime(last, ns=(status.st_atime_ns, status.st_mtime_ns))  # the same key: damaged between two readings
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path, half_decoded, FORMAT, tmp_path / "cache")
    assert [place.split(":")[0] for place in caught.value.problems[0].places] == [half_decoded[-1]]
    stored = tmp_path / "cache" / "images"
    assert not list(stored.glob("*.npy")) + list(stored.glob(".*.partial"))


def test_images_that_differ_in_colour_only_are_no_duplicates_beside_a_damaged_one(tmp_path: Path) -> None:
    for name, colour in (("a.png", (200, 10, 10)), ("b.png", (10, 107, 10))):  # of one luminance
        picture = Image.new("RGB", (6, 5), colour)
        picture.putpixel((0, 0), (0, 0, 0))
        picture.save(tmp_path / name)
    (tmp_path / "c.png").touch()
    assert len(file_problems(tmp_path, ["a.png", "b.png"], mode="L")) == 1, "they agree in grey"
    assert file_problems(tmp_path, ["a.png", "b.png"]) == []
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path, ["a.png", "b.png", "c.png"], ImageFormat((6, 5), mode="RGB"), tmp_path / "cache")
    assert [problem.places[0].split(":")[0] for problem in caught.value.problems] == ["c.png"]


@pytest.mark.slow
def test_an_image_that_cannot_be_read_for_a_moment_costs_nothing_that_is_stored(
    tmp_path: Path, half_decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def committed() -> int:
        (progress,) = tmp_path.rglob("*.progress")
        return json.loads(progress.read_text())["chunks"][-1][0]

    stored = committed()
    open_image, failures = files.open_image, iter([OSError("stale file handle")])

    def once_unreadable(path: Path, mode: str, page: int) -> np.ndarray:
        for failure in failures:
            raise failure
        return open_image(path, mode, page)

    monkeypatch.setattr(files, "open_image", once_unreadable)
    with pytest.raises(OSError, match=r"second try only.*stale"):
        decode_files(tmp_path, half_decoded, FORMAT, tmp_path / "cache")
    assert committed() >= stored > 1000


def test_no_file_is_decoded_twice_to_list_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{seed:03}.png" for seed in range(200)]
    for seed, name in enumerate(names):
        save(tmp_path, name, seed)
    for name in ("070.png", "199.png"):
        (tmp_path / name).write_bytes(b"")
    opened: list[str] = []
    open_image = files.open_image
    monkeypatch.setattr(
        files, "open_image", lambda path, *how: (opened.append(path.name), open_image(path, *how))[1]
    )
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path, names, FORMAT, tmp_path / "cache")
    assert [place.split(":")[0] for place in caught.value.problems[0].places] == ["070.png", "199.png"]
    assert sorted(opened) == sorted([*names, "070.png", "199.png"]), "the damaged ones are tried once more"


@pytest.mark.slow
def test_duplicates_of_images_stored_before_a_kill_are_listed_beside_damage(
    tmp_path: Path, half_decoded: list[str]
) -> None:
    def replace(name: str, content: bytes) -> None:
        """As if it had been so from the start: the key knows names, sizes and times."""
        status = (tmp_path / name).stat()
        (tmp_path / name).write_bytes(content.ljust(status.st_size, b"\0"))
        os.utime(tmp_path / name, ns=(status.st_atime_ns, status.st_mtime_ns))

    sizes = {name: (tmp_path / name).stat().st_size for name in half_decoded}
    original = half_decoded[0]
    copy = next(name for name in half_decoded[600:-1] if sizes[name] >= sizes[original])
    replace(copy, (tmp_path / original).read_bytes())
    replace(half_decoded[-1], b"")
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path, half_decoded, FORMAT, tmp_path / "cache")
    damaged, duplicate = caught.value.problems
    assert [place.split(":")[0] for place in damaged.places] == [half_decoded[-1]]
    assert duplicate.places == (f"{copy} is {original}",)


def test_another_pillow_decodes_anew_and_is_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "a.png", 1)
    first = decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache")
    monkeypatch.setattr(PIL, "__version__", "0.0.1")
    again = decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    assert len(list((tmp_path / "cache" / "images").glob("*.contents.npy"))) == 2


def test_duplicates_stay_stored_for_keeping_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path, name, 1)
    with pytest.raises(DataError, match=r"b\.png is a\.png"):
        decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache")
    monkeypatch.setattr(files, "open_image", lambda *_: pytest.fail("decoded again"))
    assert len(decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache", "keep").pixels) == 2


def broken(folder: Path) -> list[str]:
    save(folder, "good.png", 1, (40, 40))
    save(folder, "copy.bmp", 1, (40, 40))  # the same pixels in another file format
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not an image")
    for name in ("cut.png", "cut.jpg"):
        save(folder, name, 2, (40, 40))
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(folder / "nan.tif")
    return ["good.png", "gone.png", "copy.bmp", "empty.png", "text.jpg", "cut.png", "cut.jpg", "nan.tif"]


def test_all_problems_are_listed_together_and_nothing_is_stored(tmp_path: Path) -> None:
    names = broken(tmp_path / "images")
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path / "images", names, FORMAT, tmp_path / "cache")
    text = str(caught.value)
    missing, mixed, truncated, unreadable, duplicate = caught.value.problems
    assert mixed.places == ("nan.tif: 32 bits (float)",)
    assert missing.places == ("gone.png",)
    assert [place.split(":")[0] for place in truncated.places] == ["cut.png", "cut.jpg"]
    assert [place.split(":")[0] for place in unreadable.places] == ["empty.png", "text.jpg", "nan.tif"]
    assert duplicate.places == ("copy.bmp is good.png",)
    assert "the file is empty" in text
    assert not list((tmp_path / "cache" / "images").rglob("*.npy"))


def test_nothing_is_stored_either_if_no_file_is_missing(tmp_path: Path) -> None:
    names = [name for name in broken(tmp_path / "images") if name != "gone.png"]
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path / "images", names, FORMAT, tmp_path / "cache")
    assert len(caught.value.problems) == 4
    assert not list((tmp_path / "cache" / "images").rglob("*.npy"))


def test_kept_duplicates_are_an_error_again_when_they_are_not_to_be_kept(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path, name, 1)
    decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache", duplicates="keep")
    with pytest.raises(DataError, match=r"b\.png is a\.png"):
        decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache")


def test_equal_bytes_of_another_shape_are_no_duplicates(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8)
    Image.fromarray(pixels.reshape(3, 4)).save(tmp_path / "a.png")
    Image.fromarray(pixels.reshape(4, 3)).save(tmp_path / "b.png")
    assert file_problems(tmp_path, ["a.png", "b.png"]) == []


def test_blank_images_are_counted_and_are_no_duplicates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (5, 5), 255).save(tmp_path / name)
    caplog.set_level(logging.INFO)
    for _ in range(2):  # decoded, and from the cache
        caplog.clear()
        decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache")
        assert "2 of 2 images are blank" in caplog.text


def test_a_whole_folder_of_real_images_is_decoded(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data/deep_pcb/images"
    images = decode_files(folder, look_through(folder).images, ImageFormat((64, 64)), tmp_path)
    assert images.pixels.shape == (2000, 1, 64, 64)


def deep(folder: Path, name: str, low: int, high: int, seed: int = 0) -> np.ndarray:
    """Write a 16-bit image whose values fill a range."""
    pixels = np.random.default_rng(seed).integers(low, high + 1, (6, 5)).astype(np.uint16)
    pixels[0, :2] = low, high
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return pixels


def stretched(values: np.ndarray, low: int, high: int) -> np.ndarray:
    return np.rint((np.clip(values, low, high) - float(low)) / (high - low) * 255).astype(np.uint8)


def test_deep_images_are_scaled_by_the_range_of_the_set(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    dark, bright = deep(tmp_path, "a.png", 40, 100), deep(tmp_path, "b.png", 90, 440, 1)
    images = decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache")
    assert np.array_equal(images.pixels[0, 0], stretched(dark, 40, 440))
    assert np.array_equal(images.pixels[1, 0], stretched(bright, 40, 440))
    assert images.range == (40, 440)
    assert "2 images of 16 bits; their values from 40 to 440 become 0 to 255 (data.image.range=auto" in caplog.text
    assert "clipped" not in caplog.text


@pytest.mark.parametrize("levels", [(1000,), (1000, 1003)])
def test_a_range_that_is_advised_is_taken(
    tmp_path: Path, levels: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for level in levels:
        Image.fromarray(np.full((5, 6), level, np.uint16)).save(tmp_path / f"{level}.png")
    decode_files(tmp_path, [f"{level}.png" for level in levels], FORMAT, tmp_path / "cache")
    advised = re.findall(r"data\.image\.range=auto; (\S+) keeps", caplog.text)
    assert len(advised) == len(levels) - 1
    assert all(PIXEL_RANGE.fits(yaml.safe_load(limits)) for limits in advised)


def test_the_range_is_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep(tmp_path, "a.png", 40, 100)
    first = decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache")
    smaller = ImageFormat((3, 4))
    opened: list[Path] = []
    open_image = files.open_image
    monkeypatch.setattr(files, "open_image", lambda path, *how: (opened.append(path), open_image(path, *how))[1])
    monkeypatch.setattr(files, "read_headers", lambda *_: pytest.fail("headers read again"))
    assert decode_files(tmp_path, ["a.png"], FORMAT, tmp_path / "cache").fingerprint == first.fingerprint
    assert opened == []
    decode_files(tmp_path, ["a.png"], smaller, tmp_path / "cache")
    assert len(opened) == 1


def test_a_range_that_is_given_clips_with_a_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    values = deep(tmp_path, "a.png", 40, 440)
    image = ImageFormat((6, 5), range=(40, 240))
    for _ in range(2):  # decoded, and from the cache
        caplog.clear()
        images = decode_files(tmp_path, ["a.png"], image, tmp_path / "cache")
        assert f"data: {(values > 240).sum()} values in 1 of 1 images lie outside that range" in caplog.text
    assert np.array_equal(images.pixels[0, 0], stretched(values, 40, 240))


def test_the_fingerprint_is_that_of_the_range_whoever_found_it(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 40, 440)

    def decoded(limits: Any) -> DecodedImages:
        return decode_files(tmp_path, ["a.png"], ImageFormat((6, 5), range=limits), tmp_path / "cache")

    assert decoded("auto").fingerprint == decoded((40, 440)).fingerprint
    assert len({decoded(limits).fingerprint for limits in ("auto", "dtype", (0, 4095))}) == 3
    assert len({decoded(limits).digests[0] for limits in ("auto", "dtype", (0, 4095))}) == 1


def test_ordinary_images_keep_the_fingerprint_of_the_version_before(tmp_path: Path) -> None:
    Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5)).save(tmp_path / "a.png")
    for image in (FORMAT, ImageFormat((6, 5), range="dtype"), ImageFormat((6, 5), range=(0, 255))):
        images = decode_files(tmp_path, ["a.png"], image, tmp_path / "cache")
        assert images.fingerprint == "89f4c19457f976dc6bb4ae74ffde74cb55cbc40519a2d4e975729b1edc665da2"
    assert images.digests.tolist() == [602938595338374411]
    darker = decode_files(tmp_path, ["a.png"], ImageFormat((6, 5), range=(0, 29)), tmp_path / "cache")
    assert darker.fingerprint != images.fingerprint
    assert darker.pixels[0, 0, 5, 4] == 255


def test_images_that_differ_below_8_bits_are_no_duplicates(tmp_path: Path) -> None:
    values = np.arange(30, dtype=np.uint16).reshape(6, 5)
    for name, more in (("a.png", 0), ("b.png", 1), ("c.png", 0)):
        changed = values + 1000
        changed[3, 3] += more
        Image.fromarray(changed).save(tmp_path / name)
    wide = ImageFormat((6, 5), range="dtype")
    with pytest.raises(DataError) as caught:
        decode_files(tmp_path, ["a.png", "b.png", "c.png"], wide, tmp_path / "cache")
    assert caught.value.problems[0].places == ("c.png is a.png",)


def test_a_set_of_several_depths_is_refused_unless_each_has_its_own(tmp_path: Path) -> None:
    plain, values = save(tmp_path, "a.png", 1), deep(tmp_path, "b.png", 0, 65535)
    save(tmp_path, "c.png", 2)
    for image in (FORMAT, ImageFormat((6, 5), range=(0, 255))):
        with pytest.raises(DataError, match="2 of 8 bits") as caught:
            decode_files(tmp_path, ["a.png", "b.png", "c.png"], image, tmp_path / "cache")
        assert caught.value.problems[0].places == ("b.png: 16 bits",)
    each = decode_files(tmp_path, ["a.png", "b.png"], ImageFormat((6, 5), range="dtype"), tmp_path / "cache")
    assert np.array_equal(each.pixels[0, 0], plain)
    assert np.array_equal(each.pixels[1, 0], stretched(values, 0, 65535))


def test_damage_among_deep_images_is_listed_and_nothing_is_stored(tmp_path: Path) -> None:
    deep(tmp_path, "a.png", 40, 440)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"b\.png"):
        decode_files(tmp_path, ["a.png", "b.png"], FORMAT, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "images").glob("*.npy"))


def test_a_cache_of_the_version_before_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "a.png", 1)
    cache = tmp_path / "cache"
    first = decode_files(tmp_path, ["a.png"], FORMAT, cache)
    shutil.rmtree(cache / "headers")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert decode_files(tmp_path, ["a.png"], FORMAT, cache).fingerprint == first.fingerprint


def test_the_page_is_part_of_what_is_stored(tmp_path: Path) -> None:
    pages = [np.full((6, 5), level, np.uint8) for level in (10, 200)]
    first, *more = map(Image.fromarray, pages)
    first.save(tmp_path / "a.tif", save_all=True, append_images=more)
    for page in (1, 2):
        images = decode_files(tmp_path, ["a.tif"], ImageFormat((6, 5), page=page), tmp_path / "cache")
        assert (np.asarray(images.pixels) == pages[page - 1][0, 0]).all()
    with pytest.raises(DataError, match=r"a\.tif: 2 pages"):
        decode_files(tmp_path, ["a.tif"], FORMAT, tmp_path / "cache")


def test_links_to_nothing_and_what_is_no_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    problems = file_problems(tmp_path, ["gone.png", "link.png", "pipe.png", "folder.png"])
    assert [problem.places for problem in problems] == [("gone.png",), ("link.png",), ("pipe.png", "folder.png")]
    assert "links" in problems[1].kind
    assert "to nothing" in problems[1].kind
