"""A page of small pictures of what is asked, to look at while labelling in a spreadsheet."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PIL import Image, ImageOps

from coilal.active.labels import as_text
from coilal.common.pages import templates_of
from coilal.common.types import Kind
from coilal.labelling.formats.rows import Asked

_LONGEST = 320  # pixels of the longer side
_QUALITY = 85


def thumbnails_page(
    title: str,
    asked: Sequence[Asked],
    pictures: Iterable[bytes],
    kind: Kind,
    classes: Sequence[str],
    show_guess: bool = True,
) -> str:
    """Return one HTML file that needs no other file and no network.

    Args:
        title: heading.
        asked: the images (n).
        pictures: their files, of eight bits a channel, in the same order (n); taken one after another.
        kind: of the task.
        classes: names of the classes or labels.
        show_guess: whether the model's guesses are shown.
    """
    cells = [_cell(row, picture, show_guess) for row, picture in zip(asked, pictures, strict=True)]
    return (
        templates_of("coilal.labelling.formats")
        .get_template("thumbnails.html.j2")
        .render(title=title, cells=cells, is_multilabel=kind == "multilabel", classes=classes)
    )


def _cell(row: Asked, picture: bytes, show_guess: bool) -> Mapping[str, Any]:
    guess = as_text(row.guess) if show_guess and row.guess is not None else ""
    if guess and row.confidence is not None:
        guess += f" ({row.confidence:.0%})"
    return {"row": row, "guess": guess, "source": _data_address(picture)}


def _data_address(picture: bytes) -> str:
    """Return a picture, upright and in its own proportions, as a ``data:`` address of a small JPEG."""
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail((_LONGEST, _LONGEST))
        upright = ImageOps.exif_transpose(image)
    stream = io.BytesIO()
    upright.convert("L" if upright.mode in ("1", "L", "LA") else "RGB").save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
