"""The section of a report page on how many labels are worth buying."""

from __future__ import annotations

import pandas as pd

from coilal.evidence import worth
from coilal.evidence.desk import Desk, Section

TITLE = "How many labels are worth buying"


def worth_section(desk: Desk) -> Section:
    """Return at how many labels labels, machine and wrong decisions cost least, or what is missing to say so."""
    comparison, settings = desk.comparison, desk.analysis.settings
    if reason := worth.missing(comparison, settings):
        return Section(TITLE, reason)
    found = worth.worth(comparison, settings)
    return Section(
        TITLE,
        f"{worth.assumptions(comparison, settings)} Conclude: from where on further labels cost more than they "
        "save, under these prices. Do not conclude that fewer decisions would ask for as many labels.",
        tables=[desk.table("worth", pd.DataFrame(map(vars, found)), worth.shown(found, settings))],
        says=[worth.sentence(each, settings) for each in found],
    )
