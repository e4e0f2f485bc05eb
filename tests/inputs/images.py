"""Image files: depth, pages, colours, shapes, names and where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from coilal.common.types import ImageFormat
from coilal.data.files import decode_files
from coilal.data.folder import ImageFolder
from coilal.data.histogram import describe_levels
from coilal.data.listing import look_through
from tests.image_files import write_png, write_tiff
from tests.inputs.case import Case

TITLE = "Images"
PLACE = 10

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (16, 16), dtype=np.uint8)
DEEP = RANDOM.integers(900, 1100, (16, 16)).astype(np.uint16)


def decoded(make: Callable[[Path], object], image: ImageFormat | None = None) -> Callable[[Path], str]:
    """Return what makes files in a folder and decodes all of them."""

    def try_it(folder: Path) -> str:
        images = folder / "images"
        images.mkdir()
        make(images)
        names = sorted(os.listdir(images))
        pixels = decode_files(images, names, image or ImageFormat((16, 16)), folder / "cache").pixels
        describe_levels(pixels)
        return f"{len(pixels)} images, values from {np.min(pixels)} to {np.max(pixels)}"

    return try_it


def saved(*images: tuple[str, Image.Image]) -> Callable[[Path], None]:
    """Return what saves images under their names."""

    def make(folder: Path) -> None:
        for name, image in images:
            image.save(folder / name)

    return make


def pages(name: str, images: Sequence[Image.Image]) -> Callable[[Path], None]:
    """Return what saves images as pages of one file."""
    return lambda folder: images[0].save(folder / name, save_all=True, append_images=images[1:])


def turned(folder: Path) -> None:
    """Save an image that is to be turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(GREY).save(folder / "a.jpg", exif=exif)


def not_a_number(folder: Path) -> None:
    """Save an image with a value that is none."""
    values = np.zeros((9, 9), np.float32)
    values[0, 0] = np.nan
    Image.fromarray(values).save(folder / "a.tif")


def folder_of(make: Callable[[Path], object]) -> Callable[[Path], str]:
    """Return what makes class folders and reads them."""

    def try_it(folder: Path) -> str:
        data = folder / "data"
        (data / "good").mkdir(parents=True)
        Image.fromarray(GREY).save(data / "good" / "a.png")
        make(data)
        samples = ImageFolder(str(data)).read()
        ImageFolder(str(data)).decode(samples, ImageFormat((16, 16)), folder / "cache")
        return "\n".join([f"{len(samples)} images: {', '.join(samples.names)}", *samples.notes])

    return try_it


def only_pgm(data: Path) -> None:
    """Add a class of .pgm files."""
    (data / "bad").mkdir()
    Image.fromarray(255 - GREY).save(data / "bad" / "b.pgm")


def linked(data: Path) -> None:
    """Add a class folder that is a link, with a link back inside."""
    store = data.parent / "store"
    store.mkdir()
    Image.fromarray(255 - GREY).save(store / "b.png")
    (store / "loop").symlink_to(data)
    (data / "bad").symlink_to(store)


def with_pipe(data: Path) -> None:
    """Add a class with a named pipe beside an image."""
    only_pgm(data)
    os.mkfifo(data / "bad" / "c.png")


def with_dead_link(data: Path) -> None:
    """Add a class with a link to nothing beside an image."""
    only_pgm(data)
    (data / "bad" / "c.png").symlink_to("nowhere.png")


def listed(*names: str) -> Callable[[Path], str]:
    """Return what looks through a folder of empty files."""

    def try_it(folder: Path) -> str:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        listing = look_through(folder)
        return "\n".join([f"{len(listing.images)} images", *listing.notes])

    return try_it


def of(pixels: np.ndarray) -> Image.Image:
    """Return an array as an image."""
    return Image.fromarray(pixels)


COLOURS = np.stack([DEEP, DEEP + 50, DEEP + 100], 2)
LINE_SCAN = Image.new("1", (20_000, 10_000))

CASES: list[Case] = [
    Case("8-bit grey, PNG", "read", "1 images, values from 0 to 255", decoded(saved(("a.png", of(GREY))))),
    Case(
        "12-bit camera in 16-bit PNG or TIFF (values 900 to 1099)",
        "read, with a line",
        "keeps that whatever images are added",
        decoded(saved(("a.png", of(DEEP)), ("b.tif", of(DEEP[::-1])))),
    ),
    Case(
        "the same with `data.image.range=[0,65535]`",
        "read, with a line",
        "use 2 of 256 grey levels",
        decoded(saved(("a.png", of(DEEP + 400))), ImageFormat((16, 16), range=(0, 65535))),
    ),
    Case(
        "`data.image.range=[1000,1050]`: values outside",
        "read, with a line",
        "values in 1 of 1 images lie outside that range and are clipped",
        decoded(saved(("a.png", of(DEEP))), ImageFormat((16, 16), range=(1000, 1050))),
    ),
    Case(
        "16-bit colours, PNG",
        "read, with a line",
        "1 images of 16 bits; their values",
        decoded(lambda folder: write_png(folder / "a.png", COLOURS), ImageFormat((16, 16), mode="RGB")),
    ),
    Case(
        "16-bit colours, TIFF in either byte order",
        "read, with a line",
        "2 images of 16 bits; their values",
        decoded(
            lambda folder: [
                write_tiff(folder / "a.tif", COLOURS, "<", deflated=True),
                write_tiff(folder / "b.tif", COLOURS[::-1], ">"),
            ]
        ),
    ),
    Case(
        "16-bit colours, TIFF, channel after channel (planar)",
        "read, with a line",
        "1 images of 16 bits; their values from 9",
        decoded(
            lambda folder: write_tiff(folder / "a.tif", COLOURS, planar=True),
            ImageFormat((16, 16), mode="RGB"),
        ),
    ),
    Case(
        "the same, compressed",
        "refused",
        "save it with the channels of each pixel together",
        decoded(lambda folder: write_tiff(folder / "a.tif", COLOURS, deflated=True, planar=True)),
    ),
    Case(
        "plain PPM (P3) with a maximum of 4095",
        "read, with a line",
        "1 images of 16 bits; their values from 900 to 1000",
        decoded(lambda folder: (folder / "a.ppm").write_text("P3 2 1 4095\n900 900 900 1000 1000 1000\n")),
    ),
    Case(
        "float TIFF of which 0 is white",
        "refused",
        "save it so that 0 is black",
        decoded(lambda folder: write_tiff(folder / "a.tif", DEEP.astype(np.float32), photometric=0)),
    ),
    Case(
        "16-bit CMYK",
        "refused",
        "colours of more than 8 bits in a file of the kind TIFF CMYK cannot be read",
        decoded(lambda folder: write_tiff(folder / "a.tif", np.dstack([COLOURS, DEEP]), photometric=5)),
    ),
    Case(
        "32-bit integers, signed or not, TIFF",
        "read, with a line",
        "1 images of 32 bits; their values",
        decoded(lambda folder: write_tiff(folder / "a.tif", DEEP.astype(np.uint32) * 4_000_000)),
    ),
    Case(
        "float TIFF",
        "read, with a line",
        "32 bits (float); their values",
        decoded(saved(("a.tif", of(DEEP.astype(np.float32) / 4096)))),
    ),
    Case(
        "float TIFF with NaN or infinite values",
        "refused",
        "a.tif: it holds values that are no numbers",
        decoded(not_a_number),
    ),
    Case(
        "32 bits with `data.image.range=dtype`",
        "refused",
        "set data.image.range=[LOW,HIGH]",
        decoded(saved(("a.tif", of(GREY.astype(np.float32)))), ImageFormat((16, 16), range="dtype")),
    ),
    Case(
        "8-bit and 16-bit images in one set",
        "refused",
        "images of different depth in one set",
        decoded(saved(("a.png", of(GREY)), ("b.png", of(DEEP)))),
    ),
    Case(
        "the same with `data.image.range=dtype`",
        "read, with a line",
        "all that 16 bits or 8 bits can hold becomes 0 to 255",
        decoded(saved(("a.png", of(GREY)), ("b.png", of(DEEP))), ImageFormat((16, 16), range="dtype")),
    ),
    Case(
        "two 16-bit images that differ in their lowest bit",
        "read, with a line",
        "2 images of 16 bits",
        decoded(saved(("a.png", of(DEEP)), ("b.png", of(DEEP ^ 1)))),
    ),
    Case(
        "two equal images",
        "refused",
        "duplicate images (equal pixels)",
        decoded(saved(("a.png", of(DEEP)), ("b.tif", of(DEEP)))),
    ),
    Case(
        "1-bit image",
        "read, with a line",
        "have 1 bit a pixel, which becomes 0 or 255",
        decoded(saved(("a.png", of(GREY > 99)))),
    ),
    Case(
        "palette",
        "read, with a line",
        "have a palette, whose colours are used",
        decoded(saved(("a.png", of(GREY).convert("P")))),
    ),
    Case(
        "alpha channel",
        "read, with a line",
        "have an alpha channel, which is not used",
        decoded(saved(("a.png", of(GREY).convert("LA")), ("b.png", of(GREY[::-1]).convert("RGBA")))),
    ),
    Case(
        "CMYK",
        "read, with a line",
        "are in CMYK, YCbCr or Lab and are brought to RGB",
        decoded(saved(("a.tif", of(GREY).convert("RGB").convert("CMYK")))),
    ),
    Case(
        "colour with `data.image.mode=L`",
        "read, with a line",
        "are stored in colour and used in grey (data.image.mode)",
        decoded(saved(("a.png", of(GREY).convert("RGB")))),
    ),
    Case("EXIF orientation", "read, with a line", "are turned as their EXIF orientation says", decoded(turned)),
    Case(
        "TIFF with several pages (a thumbnail first)",
        "refused",
        "say which of them is the image: data.image.page=1 is the first",
        decoded(pages("a.tif", [of(GREY[:4, :4]), of(GREY)])),
    ),
    Case(
        "the same with `data.image.page=2`",
        "read, with a line",
        "have several pages or frames, of which number 2 is used",
        decoded(pages("a.tif", [of(GREY[:4, :4]), of(GREY)]), ImageFormat((16, 16), page=2)),
    ),
    Case(
        "animated GIF or WebP",
        "refused",
        "files with several pages or frames",
        decoded(pages("a.gif", [of(GREY), of(255 - GREY)])),
    ),
    Case(
        "line scan of 200 million pixels",
        "read",
        "1 images, values from 0 to 0",
        decoded(lambda folder: LINE_SCAN.save(folder / "a.tif", compression="group4")),
    ),
    Case(
        "4096 x 4 pixels with `data.image.fit=letterbox` or `crop`",
        "refused",
        "less than one row or column of 16 x 16 pixels is left",
        decoded(saved(("a.png", Image.new("L", (4096, 4), 9))), ImageFormat((16, 16), "letterbox")),
    ),
    Case(
        "a long image of which letterbox or crop keeps little",
        "read, with a line",
        "keep fewer than 8 rows or columns with data.image.fit=letterbox",
        decoded(saved(("a.png", of(np.tile(GREY, 4)))), ImageFormat((16, 16), "letterbox")),
    ),
    Case(
        "a truncated or damaged file",
        "refused",
        "copy them again, or take them out",
        decoded(lambda folder: (folder / "a.png").write_bytes(b"\x89PNG")),
    ),
    Case(
        "class folders with .pgm, .ppm, .gif, .jp2, .jfif, .TIF … only",
        "read",
        "2 images: bad/b.pgm, good/a.png",
        folder_of(only_pgm),
    ),
    Case("links to files and folders, with a loop", "read", "2 images: bad/b.png, good/a.png", folder_of(linked)),
    Case(
        "files of other kinds beside images",
        "read, with a line",
        "files in",
        listed("a.png", "b.heic", "c.npy", "d.dcm"),
    ),
    Case(
        "a named pipe, socket or device with the name of an image",
        "read, with a line",
        "1 named pipes, sockets or devices in",
        folder_of(with_pipe),
    ),
    Case("a link to nothing", "refused", "to nothing; mend them, or take them out", folder_of(with_dead_link)),
    Case("hidden images", "read, with a line", "1 hidden images in", listed("a.png", ".b.png")),
    Case(
        "file names that are not UTF-8",
        "refused",
        "rename these files or folders",
        listed("a.png", os.fsdecode(b"f\xfcr.png")),
    ),
]
