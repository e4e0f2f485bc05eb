"""A page of small pictures of what is asked, to look at while labelling in a spreadsheet."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coilal.active.labels import as_text
from coilal.common.pages import templates_of
from coilal.common.types import Kind
from coilal.labelling.formats.rows import Asked

_LONGEST = 320  # pixels of the longer side
_QUALITY = 85


def thumbnails_page(
    title: str,
    asked: Sequence[Asked],
    pictures: Iterable[NDArray[np.uint8]],
    kind: Kind,
    classes: Sequence[str],
    show_guess: bool = True,
) -> str:
    """Return one HTML file that needs no other file and no network.

    Args:
        title: heading.
        asked: the images (n).
        pictures: their decoded pixels, uint8 (C, H, W) each with one or three channels, in the same order (n);
            taken one after another.
        kind: of the task.
        classes: names of the classes or labels.
        show_guess: whether the model's guesses are shown.
    """
    cells = [_cell(row, pixels, show_guess) for row, pixels in zip(asked, pictures, strict=True)]
    return (
        templates_of("coilal.labelling.formats")
        .get_template("thumbnails.html.j2")
        .render(title=title, cells=cells, is_multilabel=kind == "multilabel", classes=classes)
    )


def _cell(row: Asked, pixels: NDArray[np.uint8], show_guess: bool) -> Mapping[str, Any]:
    guess = as_text(row.guess) if show_guess and row.guess is not None else ""
    if guess and row.confidence is not None:
        guess += f" ({row.confidence:.0%})"
    return {"row": row, "guess": guess, "source": _data_address(pixels)}


def _data_address(pixels: NDArray[np.uint8]) -> str:
    """Return a picture as a ``data:`` address of a JPEG."""
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((_LONGEST, _LONGEST))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
