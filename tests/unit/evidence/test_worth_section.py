from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from coilal.evidence.analysis import analyse
from coilal.evidence.desk import Desk
from coilal.evidence.plots import looks_of
from coilal.evidence.report_settings import Prices
from coilal.evidence.worth_section import worth_section
from tests.unit.evidence.test_headline import SETTINGS, at_the_line, comparison


def test_what_is_worth_buying_is_said_with_prices_of_wrong_decisions_and_asked_for_without(tmp_path: Path) -> None:
    found = comparison(tmp_path, {"random": 0.0, "margin": 0.1}, 6)
    rates = {f"test/group/{name}_rate": 0.1 for name in ("escape", "overkill")}
    runs = {
        name: {
            key: replace(
                run, cycles=at_the_line(run, 40).cycles.assign(**rates), config=at_the_line(run, 40).config
            )
            for key, run in of.items()
        }
        for name, of in found.runs.items()
    }
    found = replace(found, runs=runs)
    for prices, said in ((Prices(), 0), (Prices(escape=50, overkill=2), 2)):
        analysis = analyse(found, replace(SETTINGS, prices=prices))
        section = worth_section(Desk(analysis, tmp_path, looks_of("random", found.runs), None))
        assert len(section.says) == said
        assert ("prices.escape=50" in section.note) == (said == 0)
    assert pd.read_csv(tmp_path / "worth.csv")["labels"].tolist() == [20, 20], (
        "what changes nothing is not worth it"
    )
