"""Figures of learning curves, written as PNG; the same data give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, MultipleLocator
from matplotlib.typing import ColorType, LineStyleType

from coilal.common.types import UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.files import write_atomically

Look = tuple[ColorType, LineStyleType, str]  # colour, dashes, marker

# Colours told apart by colour-blind readers (Okabe & Ito 2008), in an order of alternating lightness.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
# Five dashes and six markers, so that curves differ in grey print too, and 30 of them before any repeats.
DASHES: tuple[LineStyleType, ...] = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")
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
    _check([cycles], metric, path)
    validation = f"val/{_short(metric)}"
    with _axes(path, title, metric, note) as axes:
        _draw(axes, cycles, metric, _label(metric, cycles), (COLOURS[2], "-", "o"))
        if validation in cycles and validation != metric:
            _draw(axes, cycles, validation, _label(validation, cycles), (COLOURS[3], "--", "s"))
        axes.legend(loc="best")


def compare_curves(
    runs: Mapping[str, Sequence[pd.DataFrame]], path: Path, title: str, metric: str = "test/macro_f1"
) -> None:
    """Draw the mean learning curve of each strategy over its seeds, with the range from lowest to highest.

    The range is drawn rather than a standard deviation, because runs have few seeds, and it claims no more
    than what was seen. The legend names it, the number of seeds, and the mean AULC.

    Args:
        runs: the runs of each strategy, one table a seed as for ``learning_curve``.
        path: the PNG to write; it appears complete or not at all.
        title: what is compared.
        metric: the column to draw, with values from 0 to 1.

    Raises:
        UserError: a column is missing, or the runs of one strategy have different labelled counts.
    """
    looks = zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), strict=False)
    size = (9.5, max(4.4, 1.2 + 0.22 * len(runs)))  # inches: room for the legend beside the curves
    with _axes(path, title, metric, size=size) as axes:
        for (strategy, tables), look in zip(runs.items(), looks, strict=False):
            _check(tables, metric, path)
            counts = tables[0]["labelled"].to_numpy()
            if any(not np.array_equal(counts, table["labelled"]) for table in tables):
                raise UserError(
                    f"the runs of strategy {strategy} differ in their labelled counts, so they have no mean. "
                    "Finish all of them with one budget."
                )
            values = np.stack([table[metric].to_numpy(dtype=np.float64) for table in tables])
            mean = pd.DataFrame({"labelled": counts, metric: values.mean(axis=0)})
            label = f"{strategy} ({len(tables)} seed{'s' * (len(tables) > 1)}, AULC {_aulc(mean, metric)})"
            _draw(axes, mean, metric, label, look)
            if len(tables) > 1:
                axes.fill_between(counts, values.min(axis=0), values.max(axis=0), color=look[0], alpha=0.12, lw=0)
        axes.legend(
            *named_lines(axes),
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            title="mean; band: lowest to highest seed",
            alignment="left",
            title_fontsize=9,
        )


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
def _axes(
    path: Path, title: str, metric: str, note: str | None = None, size: tuple[float, float] = (7.0, 4.4)
) -> Iterator[Axes]:
    """Yield axes to draw in, then write the figure."""
    # after_reset: the user's own matplotlib settings must not change the figures.
    with matplotlib.style.context(STYLE, after_reset=True):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(textwrap.fill(title, 80), fontsize=11, fontweight="bold", pad=26 if note else 10)
        if note:
            axes.text(0.5, 1.025, note, color=NOTE_COLOUR, fontweight="bold", ha="center", transform=axes.transAxes)
        axes.set(xlabel="labelled images", ylabel=readable(metric), ylim=(0, 1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        axes.yaxis.set_major_locator(MultipleLocator(0.2))
        yield axes
        _write(figure, path)


def named_lines(axes: Axes) -> tuple[list[Line2D], list[str]]:
    """Return lines and names for a legend; left alone, it leaves out names that begin with an underscore."""
    lines = list(axes.get_lines())
    return lines, [str(line.get_label()) for line in lines]


def as_plain_text(figure: Figure) -> None:
    """Show names as they are: between two dollar signs, matplotlib would read a formula."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if (
            "$" in text.get_text() and r"\mathdefault" not in text.get_text()
        ):  # that is matplotlib's own, on log axes
            text.set_parse_math(False)


def _write(figure: Figure, path: Path) -> None:
    as_plain_text(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    write_atomically(path, content.getvalue())


def _check(tables: Sequence[pd.DataFrame], metric: str, path: Path) -> None:
    for table in tables:
        missing = [column for column in ("labelled", metric) if column not in table]
        if missing:
            raise UserError(
                f"{path.name} cannot be drawn: no column {', '.join(missing)} in the cycles "
                f"(there are {', '.join(table.columns)})."
            )
        if table.empty:
            raise UserError(f"{path.name} cannot be drawn: there are no cycles yet.")
    if not tables:
        raise UserError(f"{path.name} cannot be drawn: there are no runs.")


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
