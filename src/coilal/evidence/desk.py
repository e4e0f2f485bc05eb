"""What the page is put together from: figures, tables and small images, written as files and kept for the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from coilal.evidence import plots, words
from coilal.evidence.analysis import Analysis
from coilal.evidence.comparison import Comparison
from coilal.evidence.plots import Curve
from coilal.run_directory.files import write_atomically
from coilal.run_directory.learning_curve import Look

Pixels = NDArray[np.uint8]
_PLAIN_IN_ADDRESS = " /:;=,+@!*'()[]{}|^~$?"  # what may stand in an address, and in an attribute of HTML, as it is
_QUALITY = 60  # of small images, per cent


class Images(Protocol):
    """The data set that runs were made with, as far as a report needs it."""

    @property
    def groups(self) -> Mapping[str, str]:
        """Return image name → group (coil)."""
        ...

    def thumbnails(self, names: Sequence[str]) -> Sequence[Pixels]:
        """Return small images, uint8 (H, W) or (H, W, 3)."""
        ...


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        name: file name without suffix.
        alt: what is seen, for those who do not see it.
        svg: the figure.
        reads: its caption: what to conclude from it, and what not.
    """

    name: str
    alt: str
    svg: bytes
    reads: str

    @property
    def source(self) -> Markup:
        """Return the figure as a data address, so that the page needs no other file.

        Not as base64, which takes a third more.
        """
        start = self.svg.index(b"<svg")  # what comes before is for files
        text = " ".join(self.svg[start:].decode().split())
        text = re.sub(r"""="([^"']*)\"""", r"='\1'", text)  # a quotation mark takes three characters
        return Markup(f"data:image/svg+xml,{quote(text, safe=_PLAIN_IN_ADDRESS)}")


@dataclass(frozen=True)
class Card:
    """A small image with what is known of it.

    Attributes:
        image: its name.
        source: the pixels as a data address.
        lines: texts below it.
    """

    image: str
    source: str
    lines: Sequence[str]


@dataclass
class Section:
    """A part of a report page.

    Attributes:
        title: heading.
        note: how to read it, and why something is left out.
        pictures: figures.
        tables: name and text of each table.
        rows: name and small images of each row.
        says: what it says, in sentences that stand out.
    """

    title: str
    note: str
    pictures: list[Picture] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    rows: list[tuple[str, list[Card]]] = field(default_factory=list)
    says: Sequence[str] = ()


MIN_CYCLES = 3
"""Small panels of fewer cycles are two points and a line between them: the table says as much."""


SAME = 1e-9
"""Values that differ by less are the same, but for rounding of their means."""


@dataclass(frozen=True)
class Desk:
    """Where the sections of one comparison are made.

    Attributes:
        analysis: the numbers.
        folder: where figures and tables are written.
        looks: strategy → look, the same in the whole report.
        images: the data set, or None where it cannot be read.
        no_images: why it cannot.
    """

    analysis: Analysis
    folder: Path
    looks: Mapping[str, Look]
    images: Images | None
    no_images: str = ""

    @property
    def comparison(self) -> Comparison:
        """Return the runs."""
        return self.analysis.comparison

    def picture(self, name: str, figure: Figure, alt: str, reads: str) -> Picture:
        """Write a figure and return it for the page, with what to conclude from it, and what not."""
        return Picture(name, alt, plots.save(figure, self.folder / name), reads)

    def table(self, name: str, data: pd.DataFrame, shown: pd.DataFrame | None = None) -> tuple[str, pd.DataFrame]:
        """Write a table and return its text for the page."""
        write_table(self.folder / f"{name}.csv", data)
        return name, words.shown(data, {}) if shown is None else shown

    def cards(self, lines: Mapping[str, Sequence[str]]) -> list[Card]:
        """Return small images with their texts, image name → texts; none where the images cannot be read."""
        if self.images is None or not lines:
            return []
        pixels = self.images.thumbnails(list(lines))
        return [
            Card(name, small_image(image), texts)
            for (name, texts), image in zip(lines.items(), pixels, strict=True)
        ]


def small_image(pixels: Pixels) -> str:
    """Return an image as a data address."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "webp", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def write_table(path: Path, data: pd.DataFrame) -> None:
    """Write a table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data.to_csv(index=False))


def left_out(reasons: Mapping[str, str]) -> str:
    """Return, for a note, what is left out and why; what → why."""
    grouped: dict[str, list[str]] = {}
    for what, why in reasons.items():
        grouped.setdefault(why, []).append(what)
    return "".join(f" Left out: {words.listed(what)}, {why}." for why, what in grouped.items())


def telling(panels: Mapping[str, Mapping[str, Curve]]) -> tuple[dict[str, Mapping[str, Curve]], str]:
    """Return the small panels that say something and, for a note, which are left out and why.

    Left out is a quantity without a denominator, one of which too few cycles are known to be a curve, and one that
    is the same in every cycle of every strategy.

    Args:
        panels: title → strategy → curve.
    """
    kept: dict[str, Mapping[str, Curve]] = {}
    reasons = {}
    for title, curves in panels.items():
        known = max(int(np.isfinite(curve.mean).sum()) for curve in curves.values())
        values = np.concatenate([curve.mean[np.isfinite(curve.mean)] for curve in curves.values()])
        if not known:
            reasons[title] = "which no cycle has: no test image is of its kind"
        elif known < MIN_CYCLES:
            reasons[title] = f"for so few cycles ({known}) are no curve: see the table"
        elif np.ptp(values) < SAME:
            reasons[title] = f"at {values[0]:.3g} in every cycle of every strategy"
        else:
            kept[title] = curves
    return kept, left_out(reasons)


Maker = Callable[[Desk], Section | None]
