"""The section of a report page on what an inspection line would decide."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from coilal.common.types import FloatArray
from coilal.evidence import line, plots
from coilal.evidence.comparison import Comparison
from coilal.evidence.curves import plain_curve
from coilal.evidence.desk import Desk, Section, left_out, telling
from coilal.evidence.leading import leading
from coilal.evidence.plots import Curve


def line_section(desk: Desk) -> Section:
    """Return escapes and overkill at the operating point, and how far probabilities can be believed."""
    comparison, confidence = desk.comparison, desk.analysis.settings.confidence
    found = [each for level in line.WHAT for each in line.decided(comparison, level, confidence)]
    section = Section("What an inspection line would decide", " ".join(line.left_out(comparison)))
    if found:
        said = [line.sentence(each, confidence) for each in found]
        section.note = f"{line.HOW} {section.note}"
        section.tables.append(desk.table("line", line.table(found), line.shown(found)))
        section.tables.append(("line", pd.DataFrame({"after the last cycle": said})))
    known, without = _panels(comparison, line.curves(comparison))
    section.note += without
    if known:
        figure = plots.panels_figure(known, desk.looks, "share", {}, share=False)
        section.pictures.append(
            desk.picture(
                "line",
                figure,
                f"Over labelled images: {', '.join(known)}",
                "Conclude: how many labels a line needs. Do not read escapes without the overkill beside them: the "
                "threshold is from validation images, and keeps what it promises only in the mean.",
            )
        )
    _add_calibration(desk, section)
    if reliable := line.reliability_curves(comparison):
        section.pictures.append(
            desk.picture(
                "reliability",
                plots.reliability_figure(reliable),
                "Share that is true over probability, as trained and scaled",
                "Conclude: above the diagonal probabilities are too low, below it too high. Do not conclude much "
                "from small points, which are few cases.",
            )
        )
    return section


def _panels(
    comparison: Comparison, curves: Mapping[str, Mapping[str, FloatArray]]
) -> tuple[dict[str, Mapping[str, Curve]], str]:
    """Return the small panels that say something and, for a note, which are left out and why."""
    return telling(
        {
            title: {name: plain_curve(comparison, values, name) for name, values in of_strategies.items()}
            for title, of_strategies in curves.items()
        }
    )


def _add_calibration(desk: Desk, section: Section) -> None:
    """Add how far probabilities are off: a sentence, the table, and curves over labelled images."""
    comparison = desk.comparison
    found = line.calibration(comparison)
    if found.empty:
        return
    section.tables.append(desk.table("calibration", found))
    best = leading(comparison, desk.analysis.settings.column)[:1]
    section.says = [text] if (text := line.calibration_text(found, [*best, comparison.baseline])) else []
    curves = line.curves(comparison, line.CALIBRATION_CURVES)
    nowhere = {title: "which no cycle has" for title in line.CALIBRATION_CURVES if title not in curves}
    known, without = _panels(comparison, curves)
    section.note += without + left_out(nowhere)
    if known:
        section.pictures.append(
            desk.picture(
                "calibration",
                plots.panels_figure(known, desk.looks, "ECE", {}),
                f"Expected calibration error over labelled images: {', '.join(known)}",
                "Conclude: whether probabilities can be believed as they are, or once scaled, and from how many "
                "labels on. Do not conclude that the strategy that is off by less decides better: honest "
                "probabilities go with many wrong decisions, too.",
            )
        )
