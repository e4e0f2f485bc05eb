"""The learning curve of a run, written as PNG; the same data give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, MultipleLocator
from matplotlib.typing import ColorType, LineStyleType
from PIL import Image

from coilal.common.types import UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import write_atomically

Look = tuple[ColorType, LineStyleType, str]  # colour, dashes, marker

# Colours told apart by colour-blind readers (Okabe & Ito 2008), in an order of alternating lightness.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
NOTE_COLOUR = "#B00020"
STYLE = {
    "figure.dpi": 150,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so figures are the same everywhere
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": 9,
}


# One figure, one axis: margins that are known beforehand take a third of the time of a layout that is solved for.
CURVE_STYLE = {**STYLE, "figure.constrained_layout.use": False, "text.parse_math": False}
INCHES = (7.0, 4.4)
LEFT, RIGHT, BOTTOM, TOP = 0.62, 0.12, 0.55, 0.12  # inches beside the axes, for their labels
TITLE_LINE, NOTE = 0.21, 0.22  # inches above them for each line of the title, and for the note


def learning_curve(
    cycles: pd.DataFrame, path: Path, title: str, metric: str = "test/macro_f1", note: str | None = None
) -> None:
    """Draw the learning curve of one run: the metric against the number of labelled images.

    The validation metric is drawn dashed where the column ``val/<metric>`` exists. The AULC stands in the
    legend.

    Args:
        cycles: one row a cycle, with the columns ``labelled`` and ``metric``.
        path: the PNG to write; it appears complete or not at all.
        title: what was run.
        metric: the column to draw, with values from 0 to 1.
        note: something the reader must not overlook, e.g. "random weights".

    Raises:
        UserError: a column is missing, or there is no row.
    """
    _check(cycles, metric, path)
    validation = f"val/{_short(metric)}"
    with _axes(path, title, metric, note) as axes:
        _draw(axes, cycles, metric, _label(metric, cycles), (COLOURS[2], "-", "o"))
        if validation in cycles and validation != metric:
            _draw(axes, cycles, validation, _label(validation, cycles), (COLOURS[3], "--", "s"))
        axes.legend(loc="best")


def _draw(axes: Axes, cycles: pd.DataFrame, metric: str, label: str, look: Look) -> None:
    colour, dashes, marker = look
    # clip_on: points at 0 and 1 keep their whole marker
    axes.plot(
        cycles["labelled"],
        cycles[metric],
        color=colour,
        linestyle=dashes,
        marker=marker,
        label=label,
        clip_on=False,
    )


@contextmanager
def _axes(path: Path, title: str, metric: str, note: str | None) -> Iterator[Axes]:
    """Yield axes to draw in, then write the figure."""
    # after_reset: the user's own matplotlib settings must not change the figures.
    with matplotlib.style.context(CURVE_STYLE, after_reset=True):
        figure = Figure(figsize=INCHES)
        FigureCanvasAgg(figure)
        wrapped = textwrap.fill(title, 74)
        above = TOP + TITLE_LINE * (wrapped.count("\n") + 1) + (NOTE if note else 0)
        width, height = INCHES
        axes = figure.add_axes(
            (LEFT / width, BOTTOM / height, 1 - (LEFT + RIGHT) / width, 1 - (BOTTOM + above) / height)
        )
        axes.set_title(wrapped, fontsize=11, fontweight="bold", pad=26 if note else 10, y=1)
        if note:
            axes.text(0.5, 1.025, note, color=NOTE_COLOUR, fontweight="bold", ha="center", transform=axes.transAxes)
        axes.set(xlabel="labelled images", ylabel=readable(metric), ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.yaxis.set_major_locator(MultipleLocator(0.2))
        yield axes
        _write(figure, path)


def as_plain_text(figure: Figure) -> None:
    """Show names as they are: between two dollar signs, matplotlib would read a formula."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if (
            "$" in text.get_text() and r"\mathdefault" not in text.get_text()
        ):  # that is matplotlib's own, on log axes
            text.set_parse_math(False)


def _write(figure: Figure, path: Path) -> None:
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="rgba")
    image = Image.frombytes("RGBA", figure.canvas.get_width_height(), drawn.getvalue())
    # Opaque and lightly compressed: to pack a transparent picture tightly takes as long as half of the drawing.
    image.convert("RGB").save(content, "png", dpi=(figure.dpi, figure.dpi), compress_level=1)
    write_atomically(path, content.getvalue())


def _check(cycles: pd.DataFrame, metric: str, path: Path) -> None:
    missing = [column for column in ("labelled", metric) if column not in cycles]
    if missing:
        raise UserError(
            f"{path.name} cannot be drawn: no column {', '.join(missing)} in the cycles "
            f"(there are {', '.join(cycles.columns)})."
        )
    if cycles.empty:
        raise UserError(f"{path.name} cannot be drawn: there are no cycles yet.")


def _short(metric: str) -> str:
    return metric.partition("/")[2] or metric


def readable(metric: str) -> str:
    """Return a metric's name as figures show it."""
    return {"map": "mAP"}.get(_short(metric), _short(metric).replace("_", " ").replace("f1", "F1"))


def _label(metric: str, cycles: pd.DataFrame) -> str:
    part = {"test": "test", "val": "validation"}.get(metric.partition("/")[0], metric)
    return f"{part} (AULC {_aulc(cycles, metric)})"


def _aulc(cycles: pd.DataFrame, metric: str) -> str:
    if cycles[metric].isna().any():
        return "undefined"
    return f"{aulc(cycles['labelled'], cycles[metric]):.3f}"
