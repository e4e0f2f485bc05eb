"""A contact sheet: rows of small pictures with a caption each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from coilal.common.types import ImageArray, Samples, Targets, UserError, joined

SUFFIXES = (".png", ".jpg", ".jpeg")

_CAPTION = 18  # pixels: height of the line over or under a picture
_GAP = 6
_ROWS, _A_ROW = 40, 8
_LEAST, _MOST = 96, 512  # pixels of the longer side of a picture on the sheet of stored images


class Cell(NamedTuple):
    """One picture of a sheet, and what is written at it."""

    picture: Image.Image
    caption: str


def contact_sheet(rows: Sequence[Sequence[Cell]], size: tuple[int, int], below: bool = False) -> Image.Image:
    """Return a sheet of white paper with rows of pictures.

    Args:
        rows: the pictures, at least one.
        size: width and height that each picture takes.
        below: whether captions stand below the pictures, not above.
    """
    wide, high = size
    mode = "L" if all(cell.picture.mode == "L" for row in rows for cell in row) else "RGB"
    sheet = Image.new(mode, (wide * max(len(row) for row in rows), (high + _CAPTION) * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            left, top = column * wide, line * (high + _CAPTION)
            picture = cell.picture
            if picture.size != size:
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            sheet.paste(picture, (left, top if below else top + _CAPTION))
            text_top = top + (high if below else 0) + 3
            pen.text((left + _GAP, text_top), _shortened(cell.caption, font, wide - 2 * _GAP), fill=0, font=font)
    return sheet


def check_sheet_file(file: Path) -> None:
    """Refuse a file that no sheet can be written to.

    Raises:
        UserError: the suffix is none of those that are known, the folder does not exist, or it is a folder.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise UserError(f"sheet={file}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    if not file.parent.is_dir():
        raise UserError(f"sheet={file}: the folder {file.parent} does not exist; make it, or name another.")
    if file.is_dir():
        raise UserError(f"sheet={file} is a folder; name a file.")


def write_stored_sheet(file: Path, pixels: ImageArray, samples: Samples, targets: Targets) -> int:
    """Write a sheet of what the network will see: some images of each class or combination of labels, as stored.

    Args:
        file: where to.
        pixels: the stored images, uint8 (N, C, H, W).
        samples: their names.
        targets: their classes or labels.

    Returns:
        How many classes or combinations are not on the sheet, because there are too many.

    Raises:
        UserError: the file cannot be written.
    """
    rows, left_out = _rows_of(targets)
    height, width = np.shape(pixels[0])[-2:]
    scale = _scale(max(height, width))
    size = (max(1, round(width * scale)) + _GAP, max(1, round(height * scale)) + _GAP)
    cells = [
        [Cell(_framed(np.asarray(pixels[i]), size), _caption(name, samples.names[i])) for i in ids]
        for name, ids in rows
    ]
    try:
        contact_sheet(cells, size, below=True).save(file, quality=95)
    except OSError as error:
        raise UserError(f"the sheet {file} cannot be written: {error.strerror or error}.") from error
    return left_out


def _rows_of(targets: Targets) -> tuple[list[tuple[str, list[int]]], int]:
    """Return the name of each class or combination with ids of some images; how many of them are left out."""
    used = np.flatnonzero(targets.used)
    codes = targets.values.reshape(len(targets.values), -1)[used]
    kinds, kind_of = np.unique(codes, axis=0, return_inverse=True)
    rows = []
    for k, kind in enumerate(kinds[:_ROWS]):
        ids = used[kind_of.reshape(-1) == k]
        some = ids[np.unique(np.linspace(0, len(ids) - 1, min(_A_ROW, len(ids))).round().astype(int))]
        rows.append((_kind_name(targets, kind.tolist()), some.tolist()))
    return rows, max(0, len(kinds) - _ROWS)


def _kind_name(targets: Targets, kind: list[int]) -> str:
    if kind[0] < 0:
        return "no label"
    if targets.kind == "multiclass":
        return targets.names[kind[0]]
    return joined(targets.names, kind)


def _caption(kind: str, name: str) -> str:
    return name if name.startswith(f"{kind}/") else f"{kind}: {name}"  # data=folder has it in the path


def _scale(longer: int) -> float:
    """Return by how much stored images are scaled: small ones by a whole number, so that pixels stay pixels."""
    return max(1, -(-_LEAST // longer)) if longer <= _MOST else _MOST / longer


def _framed(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], size: tuple[int, int]) -> Image.Image:
    """Return stored pixels (C, H, W) as a picture with a white margin to the right and below."""
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    inner = (size[0] - _GAP, size[1] - _GAP)
    way = Image.Resampling.NEAREST if inner[0] >= picture.width else Image.Resampling.LANCZOS
    framed = Image.new(picture.mode, size, "white")
    framed.paste(picture.resize(inner, way), (0, 0))
    return framed


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, wide: int) -> str:
    """Return a text that is no wider than that: the start goes, because names differ at their end."""
    if font.getlength(text) <= wide:
        return text
    while text and font.getlength(f"…{text}") > wide:
        text = text[1:]
    return f"…{text}"
