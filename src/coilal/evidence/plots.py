"""Figures of the report, each as PNG and SVG; the same data give the same bytes."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType
from numpy.typing import NDArray

from coilal.common.types import FloatArray, IntArray
from coilal.evidence import words
from coilal.evidence.cost import TRAININGS, Cost
from coilal.evidence.paired import PairedResult
from coilal.evidence.ranks import Ranking
from coilal.evidence.savings import Saving
from coilal.evidence.spread import Spread
from coilal.inspection.calibration import Reliability
from coilal.run_directory.files import write_atomically
from coilal.run_directory.learning_curve import (
    COLOURS,
    NOTE_COLOUR,
    STYLE,
    Look,
    as_plain_text,
)

# Five dashes and six markers: in grey print, too, twenty curves differ, and from the baseline.
DASHES: tuple[LineStyleType, ...] = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#777777"
WIDTH = 5.6  # inches: on a telephone's 360 pixels text of 10 points is still 9 pixels high, and it fits paper
PANELS_A_ROW = 2
LEGEND_COLUMNS = 3
LETTER, LINE = 0.075, 0.19  # inches of a letter, and from line to line, in a legend
COST_STEPS = 60
TICKS = 6  # labelled counts named below a curve, at most
DECIMALS = 2  # of coordinates in SVG, in points
LEAST_SPAN = 0.05  # of an axis from the lowest to the highest value: less would show noise as if it were much
MAP_POINTS = 2000
SHOWN_OF_BANDS = 0.5  # of what the curves span, beyond them: wide bands must not press the curves flat
LEAST_OF_BANDS = 0.05  # of it, of an axis from 0 to 1


@dataclass(frozen=True)
class Curve:
    """A mean over seeds or splits with its band, in each cycle.

    Attributes:
        x: labelled images (T).
        mean: mean (T).
        low: lower edge of the band (T), NaN where there is none.
        high: upper edge (T).
        label: what the legend says.
    """

    x: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    label: str


@contextmanager
def style() -> Iterator[None]:
    """Draw and save figures of the report; the user's own matplotlib settings must not change them."""
    # text as text: a third of the bytes, and it can be searched and read aloud
    own = {"svg.hashsalt": "coilal", "svg.fonttype": "none", "legend.framealpha": 0.0}
    with matplotlib.style.context({**STYLE, **own}, after_reset=True):
        yield


def save(figure: Figure, stem: Path) -> bytes:
    """Write ``<stem>.png`` and ``<stem>.svg``; return the SVG, whose ground is transparent."""
    as_plain_text(figure)
    # print_… instead of savefig, which draws everything twice
    png, svg = io.BytesIO(), io.StringIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # settled with the first file
    for ground in (figure.patch, *(axes.patch for axes in figure.axes)):
        ground.set_visible(False)  # the page behind may be dark
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = _rounded(svg.getvalue())
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(stem.with_suffix(".png"), png.getvalue())
    write_atomically(stem.with_suffix(".svg"), text)
    return text.encode()


def _rounded(svg: str) -> str:
    """Return an SVG with coordinates of few decimals; texts, and what is scaled afterwards, stay as they are."""

    def shorter(found: re.Match[str]) -> str:
        number = found.group()
        return number if number.startswith("scale") else f"{float(number):.{DECIMALS}f}".rstrip("0").rstrip(".")

    def in_tag(found: re.Match[str]) -> str:
        return re.sub(r"scale\([^)]*\)|-?\d+\.\d{3,}(?![\de])", shorter, found.group())

    return re.sub(r"<[a-z][^>]*>", in_tag, svg)


def looks_of(baseline: str, others: Iterable[str]) -> dict[str, Look]:
    """Return colour, dashes and marker of each strategy; the solid black line is the baseline's alone."""
    looks = zip(cycle(COLOURS[1:]), cycle(DASHES[1:]), cycle(MARKERS[1:]), strict=False)
    names = sorted(set(others) - {baseline})
    return {baseline: (COLOURS[0], DASHES[0], MARKERS[0]), **dict(zip(names, looks, strict=False))}


def curves_figure(
    curves: Mapping[str, Curve],
    looks: Mapping[str, Look],
    ylabel: str,
    band: str,
    line: tuple[float, str] | None,
    bounded: bool = True,
) -> Figure:
    """Draw one curve a strategy, legend below.

    Args:
        curves: strategy → curve.
        looks: strategy → look.
        ylabel: name of the y axis.
        band: what the band is, for the legend.
        line: a horizontal line and its name.
        bounded: whether values lie between 0 and 1.
    """
    figure, (axes,) = _figure(WIDTH, 3.2, 1, 1)
    for strategy, curve in curves.items():
        _draw(axes, curve, looks[strategy])
    if line is not None:
        axes.axhline(line[0], color=GREY, linestyle=(0, (4, 2)), linewidth=1.2, label=line[1])
    _name_counts(axes, curves.values())
    axes.set(xlabel="labelled images", ylabel=ylabel)
    if bounded:
        _limit(axes, curves.values())
    lines, names = _named_lines(axes)
    columns = max(1, int(WIDTH / (0.6 + LETTER * max(len(part) for name in names for part in name.split("\n")))))
    title = textwrap.fill(" ".join(band.split()), 78)
    heights = [name.count("\n") + 1 for name in (*names, title)]
    figure.set_figheight(3.2 + LINE * (math.ceil(sum(heights[:-1]) / columns) + heights[-1]))
    figure.legend(
        lines, names, loc="outside lower left", title=title, alignment="left", title_fontsize=9, ncols=columns
    )
    return figure


def headline_figure(
    curves: Mapping[str, Curve],
    others: Iterable[Curve],
    looks: Mapping[str, Look],
    ylabel: str,
    line: tuple[float, str] | None,
) -> Figure:
    """Draw few curves with their names, and all others in grey: what is seen at first.

    Args:
        curves: strategy → curve, whose label is not used.
        others: further curves, thin and without names.
        looks: strategy → look.
        ylabel: name of the y axis.
        line: a horizontal line and its name.
    """
    figure, (axes,) = _figure(WIDTH, 3.3, 1, 1)
    for curve in others:
        axes.plot(curve.x, curve.mean, color=GREY, alpha=0.45, linewidth=0.8, label="_other")
    for strategy, curve in curves.items():
        _draw(axes, replace(curve, label=strategy), looks[strategy])
    if line is not None:
        axes.axhline(line[0], color=GREY, linestyle=(0, (4, 2)), linewidth=1.2, label=line[1])
    _name_counts(axes, curves.values())
    axes.set(xlabel="labelled images", ylabel=ylabel)
    _limit(axes, curves.values())
    named = [(drawn, name) for drawn, name in zip(*_named_lines(axes), strict=True) if name != "_other"]
    axes.legend(*zip(*named, strict=True), loc="best", handlelength=3)
    return figure


def session_figure(curve: Curve, ylabel: str) -> Figure:
    """Draw the learning curve of a labelling session with its interval."""
    figure, (axes,) = _figure(WIDTH, 3.2, 1, 1)
    _draw(axes, curve, (COLOURS[2], "-", "o"))
    _name_counts(axes, [curve])
    axes.set(xlabel="labelled images", ylabel=ylabel)
    return figure


def panels_figure(
    panels: Mapping[str, Mapping[str, Curve]],
    looks: Mapping[str, Look],
    ylabel: str,
    references: Mapping[str, float],
    reference_name: str = "",
    share: bool = True,
    ylabels: Mapping[str, str] | None = None,
) -> Figure:
    """Draw a small panel for each class or quantity, one curve a strategy, one legend below.

    Args:
        panels: title → strategy → curve.
        looks: strategy → look.
        ylabel: name of the y axes.
        references: title → value of a horizontal line.
        reference_name: what that line is.
        share: whether all panels have one y axis.
        ylabels: title → name of its y axis, instead of ``ylabel``.
    """
    columns = min(PANELS_A_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)
    strategies = {name for curves in panels.values() for name in curves}
    figure = Figure(layout="none")  # type: ignore[arg-type]  # documented, missing in the stubs
    grid = list(figure.subplots(rows, columns, squeeze=False, sharey=share).flat)
    _lay_out_panels(figure, rows, columns, share, math.ceil((len(strategies) + 1) / LEGEND_COLUMNS))
    lines: dict[str, Line2D] = {}
    for position, (axes, (title, curves)) in enumerate(zip(grid, panels.items(), strict=False)):
        for strategy, curve in curves.items():
            lines[strategy] = _draw(axes, curve, looks[strategy], size=3)
        if title in references:
            lines[reference_name] = axes.axhline(references[title], color=GREY, linestyle=(0, (4, 2)), linewidth=1)
        axes.set_title(
            "\n".join(textwrap.wrap(title.replace("+", " + "), 30 * PANELS_A_ROW // columns)), fontsize=9
        )
        if ylabels is not None:
            axes.set_ylabel(ylabels[title])
        elif position % columns == 0:
            axes.set_ylabel(ylabel)
        if position >= len(panels) - columns:
            axes.set_xlabel("labelled images")
        _name_counts(axes, curves.values())
    shown = grid[: len(panels)]
    for group in [shown] if share else [[axes] for axes in shown]:
        low, high = _range_of(group)
        group[0].set_ylim(low, high)
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.legend(lines.values(), lines.keys(), loc="lower center", ncols=LEGEND_COLUMNS, handlelength=3)
    return figure


def _range_of(panels: Iterable[Axes]) -> tuple[float, float]:
    """Return where the curves of panels are, a little more, and never so little that noise looks like much."""
    drawn = np.concatenate(
        [np.asarray(line.get_ydata(), dtype=np.float64).ravel() for axes in panels for line in axes.lines]
    )
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    spare = max(0.08 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    ends = low - spare, high + spare
    edge = 0.02 * (
        ends[1] - ends[0]
    )  # shares and counts are not below 0, nor shares above 1; markers there are whole
    return (max(ends[0], -edge) if low >= 0 else ends[0]), (min(ends[1], 1 + edge) if high <= 1 else ends[1])


def _lay_out_panels(figure: Figure, rows: int, columns: int, shared: bool, legend_rows: int) -> None:
    """Place a grid of panels in fixed inches: for so many axes, matplotlib's layout takes longer than drawing."""
    left, right, top, bottom = 0.62, 0.08, 0.4, 0.55 + 0.22 * legend_rows
    between_rows, between_columns, panel = 0.62, 0.12 if shared else 0.65, 1.6
    height = top + rows * panel + (rows - 1) * between_rows + bottom
    width = (WIDTH - left - right - (columns - 1) * between_columns) / columns
    figure.set_size_inches(WIDTH, height)
    figure.subplots_adjust(
        left=left / WIDTH,
        right=1 - right / WIDTH,
        top=1 - top / height,
        bottom=bottom / height,
        wspace=between_columns / width,
        hspace=between_rows / panel,
    )


def map_figure(pool: NDArray[np.float32], panels: Mapping[str, tuple[NDArray[np.float32], IntArray]]) -> Figure:
    """Draw the pool in the plane, a panel a strategy, with the labelled images coloured by cycle.

    Args:
        pool: places (n, 2); of more than 2,000 some are drawn.
        panels: strategy → places (m, 2) of the labelled images and the cycle (m) of each.
    """
    columns = min(PANELS_A_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)
    some = pool[:: max(1, len(pool) // MAP_POINTS)]
    last = max((int(cycles.max()) for _, cycles in panels.values() if len(cycles)), default=0)
    figure = Figure(layout="none")  # type: ignore[arg-type]  # documented, missing in the stubs
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    _lay_out_panels(figure, rows, columns, True, 2)
    drawn = None
    for axes, (strategy, (places, cycles)) in zip(grid, panels.items(), strict=False):
        axes.scatter(*some.T, s=3, color="#cccccc", linewidths=0, rasterized=True)
        order = np.argsort(-cycles, kind="stable")  # early ones above, which are few
        drawn = axes.scatter(
            *places[order].T,
            s=7,
            c=cycles[order],
            cmap="viridis",
            vmin=0,
            vmax=max(1, last),
            linewidths=0,
            rasterized=True,
        )
        axes.set_title(strategy, fontsize=9)
        axes.set(xticks=[], yticks=[])
    for axes in grid[len(panels) :]:
        axes.remove()
    if drawn is not None:
        height = figure.get_figheight()
        scale = figure.add_axes((0.3, 0.6 / height, 0.4, 0.1 / height))
        bar = figure.colorbar(drawn, cax=scale, orientation="horizontal")
        bar.set_label("cycle in which the image was labelled", fontsize=9)
        bar.ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def reliability_figure(panels: Mapping[str, Mapping[str, Reliability]]) -> Figure:
    """Draw the share that is true over the mean probability of each bin, a panel a strategy; larger: more cases.

    Args:
        panels: strategy → name → reliability.
    """
    columns = min(PANELS_A_ROW, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(layout="none")  # type: ignore[arg-type]  # documented, missing in the stubs
    grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    _lay_out_panels(figure, rows, columns, True, 1)
    lines: dict[str, Line2D] = {}
    for position, (axes, (strategy, curves)) in enumerate(zip(grid, panels.items(), strict=False)):
        lines["perfect calibration"] = axes.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (4, 2)), linewidth=1)[0]
        for (name, found), colour, dashes in zip(curves.items(), COLOURS, DASHES, strict=False):
            there = found.count > 0
            x, y = found.confidence[there], found.accuracy[there]
            lines[name] = axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.2)[0]
            axes.scatter(x, y, s=3 + 60 * found.count[there] / found.count.sum(), color=colour, linewidths=0)
        axes.set_title(strategy, fontsize=9)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])  # "1.00" would reach into the next panel's "0.00"
        if position % columns == 0:
            axes.set_ylabel("share that is true")
        if position >= len(panels) - columns:
            axes.set_xlabel("probability")
            axes.tick_params(labelbottom=True)  # also above a place that is left empty
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.legend(lines.values(), lines.keys(), loc="lower center", ncols=LEGEND_COLUMNS, handlelength=3)
    return figure


def forest_figure(results: Sequence[PairedResult], margin: float, confidence: float, baseline: str) -> Figure:
    """Draw the interval of the mean Δ AULC of each strategy against zero and against −δ."""
    figure, (axes,) = _figure(WIDTH, 1.5 + 0.36 * len(results), 1, 1)
    for row, result in enumerate(results):
        claimed = result.noninferiority == "not worse"
        colour = "#009E73" if claimed else "#000000"
        axes.plot([result.low, result.high], [row, row], color=colour, linewidth=2)
        axes.plot(
            result.mean, row, marker="o", color=colour, markerfacecolor=colour if claimed else "white", markersize=7
        )
    axes.axvline(0, color=GREY, linewidth=1)
    axes.axvline(-margin, color=NOTE_COLOUR, linestyle="--", linewidth=1.2)
    axes.annotate(
        f"−δ = −{margin:g}",
        (-margin, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-3, 3),
        textcoords="offset points",
        color=NOTE_COLOUR,
        ha="right",
    )
    axes.set_yticks(range(len(results)), [f"{r.strategy} ({words.units_text(r.units)})" for r in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    figure.supxlabel(  # of the figure: names of strategies may leave the axes too little room
        textwrap.fill(f"AULC − AULC of {baseline}: mean and {words.level(confidence)} t interval", 62)
        + "\nfilled green: not worse (Holm-corrected)",
        fontsize=10,
    )
    axes.grid(visible=False, axis="y")
    return figure


def spread_figure(spreads: Mapping[str, Spread]) -> Figure:
    """Draw the standard deviations of Δ between splits and between seeds, a pair of bars a strategy."""
    figure, (axes,) = _figure(WIDTH, 1.3 + 0.42 * len(spreads), 1, 1)
    rows = np.arange(len(spreads))
    for shift, colour, label, values in (
        (-0.18, COLOURS[0], "between splits", [spread.split_sd for spread in spreads.values()]),
        (0.18, GREY, "between seeds of a split", [spread.seed_sd for spread in spreads.values()]),
    ):
        axes.barh(rows + shift, values, 0.34, color=colour, label=label)
    axes.set_yticks(rows, list(spreads))
    axes.set(xlabel="standard deviation of Δ AULC", ylim=(len(spreads) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def penalty_figure(matrix: pd.DataFrame, means: pd.Series) -> Figure:
    """Draw the penalty matrix with its column means below."""
    names, size = list(matrix.columns), len(matrix)
    shown = np.vstack([matrix.to_numpy(np.float64), means.to_numpy(np.float64)])
    figure, (axes,) = _figure(max(WIDTH, 1.6 + 0.42 * size), 1.4 + 0.3 * size, 1, 1)
    axes.imshow(np.ma.masked_invalid(shown), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*shown.shape):
        value = shown[row, column]
        text = "–" if row == column else "?" if math.isnan(value) else f"{value:.2f}"
        colour = "white" if value > 0.55 else "black"
        weight = "bold" if row == size else "normal"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour, fontweight=weight)
    axes.axhline(size - 0.5, color="black", linewidth=1.2)
    axes.set_xticks(range(size), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size + 1), [*names, "column mean"])
    axes.set(xlabel="… this one (column)", ylabel="this one (row) beats …")
    axes.grid(visible=False)
    return figure


def savings_figure(savings: Mapping[str, Sequence[Saving]], looks: Mapping[str, Look], metric: str) -> Figure:
    """Draw the labels needed for each target: a row a strategy, a panel a target; ▶ means more than were bought.

    Args:
        savings: strategy → saving at each target, the same targets for all.
        looks: strategy → look.
        metric: readable name of the metric.
    """
    targets = [saving.target for saving in next(iter(savings.values()))]
    figure, grid = _figure(WIDTH, 1.4 + 0.32 * len(savings), 1, len(targets), sharey=True)
    for panel, (axes, target) in enumerate(zip(grid, targets, strict=True)):
        for row, (strategy, found) in enumerate(savings.items()):
            saving = found[panel]
            _needed(axes, row, (saving.labels, saving.labels_low, saving.labels_high), saving.most, looks[strategy])
        first = next(iter(savings.values()))[panel]
        if math.isfinite(first.baseline_labels):
            axes.axvline(first.baseline_labels, color=GREY, linestyle=(0, (4, 2)), linewidth=1)
        if not math.isnan(first.baseline_low):
            ends = (first.baseline_low, min(first.baseline_high, first.most))
            axes.axvspan(*ends, color=GREY, alpha=0.15, linewidth=0)
        axes.set_title(f"{metric} {target:.3g}", fontsize=10)
        axes.set_xlim(0, first.most * 1.08)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.set_xlabel("labels needed")
        axes.grid(visible=False, axis="y")
    grid[0].set_yticks(range(len(savings)), list(savings))
    grid[0].set_ylim(len(savings) - 0.5, -0.5)
    return figure


def cost_figure(costs: Mapping[str, Sequence[Cost]], looks: Mapping[str, Look], currency: str) -> Figure:
    """Draw cost relative to the baseline's against the price of a label; a panel for each way to train that.

    Args:
        costs: strategy → its costs at one target, for any price.
        looks: strategy → look.
        currency: name of the money.
    """
    figure, grid = _figure(WIDTH, 3.4, 1, len(TRAININGS), sharey=True)
    prices = np.geomspace(1e-4, 100, COST_STEPS)
    lines: dict[str, Line2D] = {}
    for axes, training in zip(grid, TRAININGS, strict=True):
        for strategy, found in costs.items():
            cost = next((cost for cost in found if cost.training == training and cost.reached), None)
            if cost is not None and not cost.baseline.censored:
                own = cost.labels * prices + cost.overhead
                other = cost.baseline_labels * prices + cost.baseline_overhead
                colour, dashes, _ = looks[strategy]
                (lines[strategy],) = axes.plot(prices, own / other, color=colour, linestyle=dashes)
        axes.axhline(1, color=GREY, linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xticks([1e-3, 0.1, 10], ["0.001", "0.1", "10"])  # within: names of the ends would meet
        axes.minorticks_off()  # log axes have many, which are slow to draw
        axes.set_title(f"baseline trained {training}", fontsize=10)
        axes.set_xlabel(f"price of a label / {currency}")
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(min(low, 0.9), max(high, 1.1))
    grid[0].set_ylabel("cost / cost of the baseline\n(below 1: it pays)")
    if lines:
        figure.legend(
            lines.values(), lines.keys(), loc="outside lower center", ncols=LEGEND_COLUMNS, handlelength=3
        )
    return figure


def phases_figure(seconds: pd.DataFrame, memory: pd.DataFrame) -> Figure:
    """Draw seconds a run of each phase, stacked, a row a strategy; and the peak memory where it was measured.

    Args:
        seconds: strategies × phases, in seconds.
        memory: strategies × kinds of memory, in MB; no column where none was measured.
    """
    panels = 1 + (not memory.empty)
    figure, grid = _figure(WIDTH, 1.8 + 0.32 * len(seconds), 1, panels, sharey=True)
    rows = np.arange(len(seconds))
    left = np.zeros(len(seconds))
    for colour, phase in zip(cycle((*COLOURS[1:], COLOURS[0])), seconds, strict=False):
        grid[0].barh(rows, seconds[phase], left=left, color=colour, label=str(phase), height=0.65)
        left += seconds[phase].to_numpy()
    grid[0].set(xlabel="seconds a run (mean over runs)", ylim=(len(seconds) - 0.5, -0.5))
    if not memory.empty:
        height = 0.7 / memory.shape[1]
        for place, (colour, kind) in enumerate(zip((GREY, COLOURS[6]), memory, strict=False)):
            grid[1].barh(rows - 0.35 + height * (place + 0.5), memory[kind], height, color=colour, label=str(kind))
        grid[1].set(xlabel="peak memory / MB")
        grid[1].xaxis.set_major_locator(MaxNLocator(4))
    grid[0].set_yticks(rows, list(seconds.index))
    for axes in grid:
        axes.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=LEGEND_COLUMNS)
    return figure


def confusion_figure(counts: FloatArray, names: Sequence[str]) -> Figure:
    """Draw what images of each class were taken for: share of the row, and images.

    Args:
        counts: images of a class (row) that were taken for another (column), (C, C).
        names: classes.
    """
    size = len(names)
    of = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, of, out=np.zeros_like(counts), where=of > 0)
    shown = [textwrap.fill(name.replace("+", " + "), 18) for name in names]
    figure, (axes,) = _figure(WIDTH, 1.5 + 0.46 * size, 1, 1)
    axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column] > 0:
            images = f"{counts[row, column]:.1f}".removesuffix(".0")
            text = f"{words.percentage(shares[row, column])}\n{images}"
            colour = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour, linespacing=0.95)
    axes.set_xticks(range(size), shown, rotation=35, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(size), shown, fontsize=8)
    axes.set(xlabel="taken for", ylabel="is")
    axes.grid(visible=False)
    return figure


def ranks_figure(ranking: Ranking) -> Figure:
    """Draw the critical-difference diagram (Demšar 2006, figure 1): best rank right, bars join equals."""
    ranks, count = ranking.ranks, len(ranking.ranks)
    half = math.ceil(count / 2)
    depth = 0.9 + 0.28 * len(ranking.groups)
    figure, (axes,) = _figure(WIDTH, 1.1 + 0.3 * (half + len(ranking.groups)), 1, 1)
    axes.set_axis_off()
    axes.set(xlim=(count + 1.2, -0.2), ylim=(depth + 0.45 * half + 0.2, -0.9))
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [-0.12, 0], color="black", linewidth=1)
        axes.text(tick, -0.2, str(tick), ha="center", va="bottom", fontsize=9)
    difference = min(ranking.critical_difference, count - 1)
    axes.plot([1, 1 + difference], [-0.75, -0.75], color=NOTE_COLOUR, linewidth=2)
    axes.text(
        1 + difference + 0.06, -0.75, f"CD {ranking.critical_difference:.2f}", ha="right", va="center", fontsize=9
    )
    for level, (first, last) in enumerate(ranking.groups):
        y = 0.35 + 0.28 * level
        axes.plot([ranks.iloc[first] - 0.04, ranks.iloc[last] + 0.04], [y, y], color="black", linewidth=3.5)
    for position, (name, rank) in enumerate(ranks.items()):
        best = position < half
        y = depth + 0.45 * (position if best else count - 1 - position)
        end = 0.75 if best else count + 0.25
        axes.plot([rank, rank, end], [0, y, y], color="black", linewidth=0.9)
        axes.text(
            end - 0.05 if best else end + 0.05,
            y,
            f"{name} ({rank:.2f})",
            ha="left" if best else "right",
            va="center",
        )
    return figure


def _figure(
    width: float, height: float, rows: int, columns: int, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height))
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharey=sharey).flat)


def _named_lines(axes: Axes) -> tuple[list[Line2D], list[str]]:
    """Return lines and names for a legend; left alone, it leaves out names that begin with an underscore."""
    lines = list(axes.get_lines())
    return lines, [str(line.get_label()) for line in lines]


def _draw(axes: Axes, curve: Curve, look: Look, size: float = 4.5) -> Line2D:
    colour, dashes, marker = look
    (line,) = axes.plot(
        curve.x, curve.mean, color=colour, linestyle=dashes, marker=marker, markersize=size, label=curve.label
    )
    if np.isfinite(curve.low).any():
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.1, linewidth=0)
    return line


def _name_counts(axes: Axes, curves: Iterable[Curve]) -> None:
    """Name labelled counts at which curves were measured below them."""
    counts = next(iter(curves)).x
    axes.set_xticks(counts[:: math.ceil(len(counts) / TICKS)])


def _limit(axes: Axes, curves: Iterable[Curve]) -> None:
    """Limit the y axis to curves and what is near them of their bands, within 0 and 1."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    edges = np.concatenate([[low, high], *([curve.low, curve.high] for curve in curves)], axis=None)
    beyond = max(SHOWN_OF_BANDS * (high - low), LEAST_OF_BANDS)
    low, high = max(float(np.nanmin(edges)), low - beyond), min(float(np.nanmax(edges)), high + beyond)
    spare = max(0.05 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    edge = 0.1 * spare  # markers at 0 and 1 are whole
    axes.set_ylim(max(low - spare, -edge), min(high + spare, 1 + edge))


def _needed(axes: Axes, row: int, labels: tuple[float, float, float], most: int, look: Look) -> None:
    value, low, high = labels
    colour, _, marker = look
    if not math.isnan(low):
        axes.plot([min(low, most), min(high, most)], [row, row], color=colour, linewidth=2)
        if math.isinf(high):
            axes.plot(most, row, marker=">", color=colour, markersize=7)
    if math.isinf(value):
        axes.plot(most, row, marker=">", color=colour, markersize=9)
        axes.annotate(
            f"> {most}", (most, row), (-9, 0), textcoords="offset points", ha="right", va="center", fontsize=8
        )
    else:
        axes.plot(value, row, marker=marker, color=colour, markersize=6)
