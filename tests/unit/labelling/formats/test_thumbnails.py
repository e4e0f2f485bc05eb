from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from coilal.labelling.formats.rows import Asked
from coilal.labelling.formats.thumbnails import thumbnails_page

ASKED = [Asked("<a>.png", "7", 1, guess="dent", confidence=0.876), Asked("b.png", "8", 2)]


def file(pixels: NDArray[np.uint8], form: str = "PNG", orientation: int = 1) -> bytes:
    """Return an image file; 6 as its EXIF orientation means that it is to be turned by a quarter."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, exif=exif)
    return stream.getvalue()


PICTURES = [file(np.full((300, 600), 200, np.uint8), "JPEG", 6), file(np.full((20, 30, 4), 10, np.uint8))]


def pictures_of(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in found]


def test_the_page_shows_each_image_small_upright_and_in_its_proportions() -> None:
    page = thumbnails_page("batch 3", ASKED, iter(PICTURES), "multiclass", ["ok", "dent & more"])
    first, second = pictures_of(page)
    assert (first.size, second.size) == ((160, 320), (30, 20))
    assert abs(int(np.asarray(first).mean()) - 200) <= 2
    assert "&lt;a&gt;.png" in page
    assert "<a>.png" not in page
    assert "dent &amp; more" in page
    assert "guess: dent (88%)" in page
    assert "or skip for" in page


def test_it_needs_nothing_from_elsewhere() -> None:
    page = thumbnails_page("batch 3", ASKED, PICTURES, "multilabel", ["dent"])
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_the_guess_can_be_hidden() -> None:
    assert "guess:" not in thumbnails_page("batch 3", ASKED, PICTURES, "multiclass", ["ok"], show_guess=False)


def test_a_picture_that_is_missing_is_no_page() -> None:
    with pytest.raises(ValueError, match="shorter"):
        thumbnails_page("batch 3", ASKED, PICTURES[:1], "multiclass", ["ok"])
