"""What is lost on a type that was never seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.shift import drops
from coilal.evidence.shift_section import shift_section


def run(left_out: str | None, seen: float, unseen: float, validated: bool = True) -> Any:
    cycles = pd.DataFrame({"test/macro_f1": [0.1, unseen]} | ({"val/macro_f1": [0.9, seen]} if validated else {}))
    status = {"data": {"left_out": left_out} if left_out else {}}
    return SimpleNamespace(status=status, cycles=cycles, values=lambda name: cycles[name].to_numpy(float))


OVERLAP = 0.5


def comparison(**runs: list[Any]) -> Any:
    return SimpleNamespace(overlap=OVERLAP, runs={name: dict(enumerate(found)) for name, found in runs.items()})


def test_seeds_are_averaged_and_what_is_left_out_is_the_unit_of_the_interval() -> None:
    margin = [
        run("lamp=dim", 0.9, 0.5),
        run("lamp=dim", 0.7, 0.5),
        run("lamp=side", 0.8, 0.7),
        run("lamp=up", 0.9, 0.7),
    ]
    table = drops(comparison(random=[run("lamp=dim", 0.8, 0.8)], margin=margin), "macro_f1", 0.95)
    of_margin = table[table["strategy"] == "margin"].set_index("left_out")
    assert of_margin["drop"].to_dict() == pytest.approx(
        {"lamp=dim": 0.3, "lamp=side": 0.1, "lamp=up": 0.2, "all together": 0.2}
    )
    assert of_margin["seeds"].to_dict() == {"lamp=dim": 2, "lamp=side": 1, "lamp=up": 1, "all together": 4}
    error = np.std([0.3, 0.1, 0.2], ddof=1) * np.sqrt(1 / 3 + OVERLAP)  # as that of Δ (Nadeau and Bengio 2003)
    interval = stats.t.interval(0.95, 2, loc=0.2, scale=error)
    assert of_margin.loc["all together", ["low", "high"]].tolist() == pytest.approx(interval)
    alone = table[(table["strategy"] == "random") & (table["left_out"] == "all together")]
    assert np.isnan(alone["low"].item()), "one type says nothing of the next one"


def test_classes_that_the_left_out_type_does_not_show_have_no_say() -> None:
    table = {"val/macro_f1": 0.8, "test/macro_f1": 0.4, "val/f1/a": 0.9, "test/f1/a": 0.85}
    table |= {"val/f1/b": 0.7, "test/f1/b": 0, "val/recall/b": 0.7, "test/recall/b": np.nan}
    table |= {"val/recall/a": 0.9, "test/recall/a": 0.9}
    one = run("lamp=dim", 0, 0)
    one.cycles = pd.DataFrame([table])
    one.values = lambda name: one.cycles[name].to_numpy(float)
    found = drops(comparison(margin=[one]), "macro_f1", 0.95).iloc[0]
    assert (found["seen"], found["unseen"]) == (0.9, 0.85)


def test_there_is_nothing_to_say_where_nothing_is_left_out_or_validation_was_not_scored() -> None:
    assert drops(comparison(margin=[run(None, 0.9, 0.5)]), "macro_f1", 0.95).empty
    assert drops(comparison(margin=[run("lamp=dim", 0.9, 0.5, validated=False)]), "macro_f1", 0.95).empty


def test_the_page_says_what_is_lost() -> None:
    margin = [run("lamp=dim", 0.9, 0.5), run("lamp=side", 0.8, 0.6), run("lamp=up", 0.85, 0.55)]
    settings = ReportSettings()
    desk: Any = SimpleNamespace(
        comparison=comparison(margin=margin),
        analysis=SimpleNamespace(settings=settings),
        table=lambda name, data, shown: (name, shown),
    )
    section = shift_section(desk)
    assert section is not None
    (sentence,) = section.says
    assert sentence.startswith(
        "margin: 0.850 on types that were seen, 0.550 on the one that was not; lost: +0.300 ["
    )
    assert section.tables[0][1]["lost"].tolist()[:2] == ["+0.400", "+0.200"]
    desk.comparison = comparison(margin=margin[:2])
    section = shift_section(desk)
    assert section is not None
    assert section.says[0].endswith("lost: +0.300 (too few types left out: no interval).")
    desk.comparison = comparison(margin=[run(None, 0.9, 0.5)])
    assert shift_section(desk) is None
