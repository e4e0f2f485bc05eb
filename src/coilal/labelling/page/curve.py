"""The learning curve with its interval as a drawing: where each line goes, for ``curve.svg.j2``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coilal.evidence.words import counted
from coilal.labelling.contract import Point

WIDTH, HEIGHT = 320, 175
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 40
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Chart:
    """A curve in the units of its drawing.

    Attributes:
        line: corners of the curve, as SVG wants them.
        band: corners of the area between the ends of the intervals.
        dots: x, y, lower and upper end of the interval of each point.
        across: x and text of each mark of the axis of labels.
        up: y and text of each mark of the axis of the measure.
        words: the curve in words, for who does not see it.
    """

    line: str
    band: str
    dots: Sequence[tuple[float, float, float, float]]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    words: str


def chart(points: Sequence[Point], metric: str) -> Chart | None:
    """Return the drawing of a curve; None without a point.

    Args:
        points: of the finished cycles.
        metric: what is measured, for people.
    """
    if not points:
        return None
    most = max(1, *(point.labelled for point in points))
    least = min(0.9, math.floor(10 * min(point.low for point in points)) / 10)

    def x(labelled: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * labelled / most, 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / (1 - least), 1)

    upper = [(x(point.labelled), y(point.high)) for point in points]
    lower = [(x(point.labelled), y(point.low)) for point in points]
    step = 0.1 if least > 0.55 else 0.2
    count = math.floor((1 - least) / step + 1e-9)
    last = points[-1]
    return Chart(
        line=_corners([(x(point.labelled), y(point.value)) for point in points]),
        band=_corners([*upper, *reversed(lower)]),
        dots=[(x(p.labelled), y(p.value), y(p.low), y(p.high)) for p in points],
        across=[(x(mark), str(mark)) for mark in range(0, most + 1, _step(most))],
        up=[(y(1 - step * place), f"{1 - step * place:.0%}") for place in range(count + 1)],
        words=f"{metric} on the audit set by number of labels: {last.value:.0%} after "
        f"{counted(last.labelled, 'label')}, 95 % interval {last.low:.0%} to {last.high:.0%}, "
        f"measured on {_measured_on(last)}",
    )


def _measured_on(point: Point) -> str:
    return counted(point.of, "image") + (f" of {counted(point.groups, 'part')}" if point.groups else "")


def _corners(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _step(most: int) -> int:
    """Return 1, 2 or 5 times a power of ten that gives at most five marks after the first."""
    size = 1
    while True:
        for factor in _STEPS:
            if most / (factor * size) <= 5:
                return factor * size
        size *= 10
