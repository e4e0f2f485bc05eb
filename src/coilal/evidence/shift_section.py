"""The section of a report page on what a model is worth on a type of part that it has never seen."""

from __future__ import annotations

import math

import pandas as pd

from coilal.evidence import words
from coilal.evidence.desk import Desk, Section
from coilal.evidence.shift import TOGETHER, drops
from coilal.run_directory.learning_curve import readable

TITLE = "What is lost on what was never seen"


def shift_section(desk: Desk) -> Section | None:
    """Return the drop from seen to unseen types; None where splits leave nothing out."""
    settings = desk.analysis.settings
    found = drops(desk.comparison, settings.metric, settings.confidence)
    if found.empty:
        return None
    note = (
        f"{readable(settings.column)} after the last cycle, on groups of the types that training sees "
        "(validation) and of the one that is left out (test), mean over seeds. Conclude: what to expect of a model "
        "on a new type. Do not conclude that all of the drop is for want of its labels: a type may be harder, seen "
        "or not."
    )
    says = [_sentence(row) for _, row in found[found["left_out"] == TOGETHER].iterrows()]
    return Section(TITLE, note, tables=[desk.table("shift", found, _shown(found))], says=says)


def _sentence(row: pd.Series) -> str:
    ends = words.interval(row["low"], row["high"], words.signed)
    known = " (too few types left out: no interval)" if math.isnan(row["low"]) else f" {ends}"
    return (
        f"{row['strategy']}: {words.number(row['seen'])} on types that were seen, {words.number(row['unseen'])} on "
        f"the one that was not; lost: {words.signed(row['drop'])}{known}."
    )


def _shown(found: pd.DataFrame) -> pd.DataFrame:
    lost = [
        words.signed(row["drop"])
        + ("" if math.isnan(row["low"]) else f" {words.interval(row['low'], row['high'], words.signed)}")
        for _, row in found.iterrows()
    ]
    return pd.DataFrame(
        {
            "strategy": found["strategy"],
            "left out": found["left_out"],
            "runs": found["seeds"].astype(str),
            "seen": found["seen"].map(words.number),
            "unseen": found["unseen"].map(words.number),
            "lost": lost,
        }
    )
