"""What a labelling session has come to, from its journals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from coilal.evidence import labelling
from coilal.evidence.labelling import AUDIT, Session, agreement, facts, last_batches, measured_seconds, note
from coilal.evidence.proportion import exact
from coilal.evidence.report_settings import Prices
from coilal.run_directory.health import SESSION, DamagedError


def told(image: str, answer: Any, who: str = "eva", seconds: float | None = 2.0, **more: Any) -> dict[str, Any]:
    about = {"who": who, **({} if seconds is None else {"seconds": seconds}), **more.pop("about", {})}
    return {"told": {image: answer}, "about": about, **more}


def session(folder: Path, records: Sequence[Mapping[str, Any]], audit: Sequence[Mapping[str, Any]] = ()) -> Session:
    (folder / "checkpoints").mkdir(exist_ok=True)
    for name, lines in ((SESSION, records), (AUDIT, audit)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in [{"journal": 1}, *lines]))
    rows = [{"cycle": 0, "labelled": 3, "test/accuracy": 0.5}, {"cycle": 1, "labelled": 6, "test/accuracy": 0.75}]
    (folder / "checkpoints" / "state.json").write_text(json.dumps({"cycles": rows}))
    run: Any = SimpleNamespace(
        folder=folder,
        study=folder.name,
        config={},
        cycles=pd.DataFrame(rows),
        status={"data": {"split": {"test": 8, "pool": 20}}},
    )
    return Session.of(run)


def fact(of: Session, name: str) -> str:
    table = facts(of).set_index("")["of this session"]
    return str(table[name])


def test_answers_an_hour_count_a_whole_part_as_one_decision(tmp_path: Path) -> None:
    part = {"told": {"a": "ok", "b": "ok", "c": "ok"}, "about": {"who": "eva", "seconds": 6.0}}
    found = session(tmp_path, [part, told("d", "dent", seconds=4.0), told("e", "ok", seconds=None)])
    assert found.seconds == [6.0, 4.0]
    assert found.labels_per_hour == pytest.approx(4 / 10 * 3600)
    assert fact(found, "images with an answer") == "5"


def test_seconds_a_label_are_those_of_the_median_decision(tmp_path: Path) -> None:
    part = {"told": {"a": "ok", "b": "ok", "c": "ok"}, "about": {"who": "eva", "seconds": 6.0}}
    again = told("a", "ok", seconds=3.0, about={"stage": "again"}, stands=False)
    lunch = told("d", "dent", seconds=2400.0)
    unsure = told("e", {"answer": "unsure"}, seconds=5.0)
    found = session(tmp_path, [part, again, lunch, unsure, told("f", "ok", seconds=None)])
    assert found.timed_labels == 4
    assert found.seconds_a_label == pytest.approx(5.5 * 4 / 4)
    assert "median of 4 decisions 5.5 s, mean 603.5 s" in fact(found, "seconds a label")
    assert session(tmp_path, [told("a", "ok", seconds=None)]).seconds_a_label is None


def test_the_price_of_a_label_is_what_it_took_in_all_sessions(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = session(tmp_path / "one", [told("a", "ok", seconds=4.0), told("b", "ok", seconds=4.0)])
    part = {"told": {"c": "ok", "d": "ok"}, "about": {"who": "max", "seconds": 6.0}}
    found = measured_seconds([one, session(tmp_path / "two", [part])])
    assert found is not None
    assert (found.seconds, found.where) == (4 * 3 / 4, "3 decisions in the labelling session of one, two")
    prices = Prices(annotator_hour=36, measured=found)
    assert (prices.seconds, prices.label) == (3.0, pytest.approx(0.03))
    assert prices.seconds_are == "measured, 3 decisions in the labelling session of one, two"
    chosen = Prices(label_seconds=10, measured=found)
    assert (chosen.seconds, chosen.seconds_are) == (10, "as set")
    assert (Prices().seconds, Prices().seconds_are) == (15, "assumed")
    assert measured_seconds([]) is None


def test_the_note_says_what_the_last_batches_bought(tmp_path: Path) -> None:
    found = session(tmp_path, [told("a", "ok")])
    assert "Of cycles of an earlier version no predictions are kept" in note(found, Prices())
    assert "Assumed prices: 30 EUR an hour of people" in note(found, Prices())
    (said,) = last_batches(found, Prices())
    assert said.startswith("What the last 3 labels (about 6 seconds, 0.05 EUR) bought cannot be said")


@pytest.mark.parametrize(("state", "all_labelled"), [("done", True), ("interrupted", False)])
def test_a_session_that_has_labelled_all_is_not_told_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, all_labelled: bool
) -> None:
    given: list[object] = []
    monkeypatch.setattr(labelling, "advice", lambda *arguments: given.append(arguments[-1]) or [])
    found = session(tmp_path, [told("a", "ok")])
    found.run.status["state"] = state
    last_batches(found, Prices())
    assert given == [all_labelled]


def test_the_audit_set_s_interval(tmp_path: Path) -> None:
    low, high = exact(6, 8)
    text = fact(session(tmp_path, []), "right, of the audit set")
    assert text == f"75.0 % of 8 images, 95 % interval {100 * low:.1f} % to {100 * high:.1f} %"


def test_who_is_asked_twice_and_who_contradicts_somebody_else(tmp_path: Path) -> None:
    again, other = {"about": {"stage": "again"}, "stands": False}, {"stands": False}
    names = "abcdef"
    first = ["ok", "ok", "dent", "dent", "ok", "dent"]
    second = ["ok", "dent", "dent", "dent", "ok", "dent"]
    records = [told(name, label) for name, label in zip(names, first, strict=True)]
    records += [told(name, label, **again) for name, label in zip(names, second, strict=True)]
    records += [told("a", "dent", "max", **other), told("b", "ok", "max", **other)]
    records += [told("c", "dent", "max", **again)]  # whom the second look was given to
    found = session(tmp_path, records)
    assert found.pairs(again=True) == list(zip(first, second, strict=True))
    assert found.pairs(again=False) == [("ok", "dent"), ("ok", "ok"), ("dent", "dent")]
    kappa = cohen_kappa_score(first, second)
    low, high = exact(5, 6)
    assert fact(found, "agreement, the same question asked again") == (
        f"5 of 6 equal, 95 % interval {100 * low:.0f} % to {100 * high:.1f} %; κ = {kappa:.2f}, of too few pairs "
        "to trust it (fewer than 20)"
    )
    assert fact(found, "answers by") == "eva 12, max 3"


def test_who_skips_a_second_look_or_another_s_image_says_nothing(tmp_path: Path) -> None:
    skip = {"answer": "skip"}
    records = [told("a", "ok"), told("a", skip, about={"stage": "again"}, stands=False)]
    found = session(tmp_path, [*records, told("a", skip, "max", stands=False)])
    assert found.pairs(again=True) == found.pairs(again=False) == []


def test_kappa_is_not_made_up() -> None:
    assert agreement([]) == "not measured"
    assert agreement([("ok", "ok")] * 3).endswith("κ is not defined, as all are ok")
    assert agreement([("ok", "ok"), ("dent", "dent")] * 20).endswith("; κ = 1.00"), "the share says how sure"


def test_kappa_has_an_interval_where_there_are_enough_pairs() -> None:
    """Against the large-sample variance of Fleiss, Cohen and Everitt (1969) for two classes, by hand."""
    text = agreement([("ok", "ok")] * 20 + [("dent", "dent")] * 10 + [("ok", "dent")] * 3 + [("dent", "ok")] * 7)
    p = np.array([[10, 7], [3, 20]]) / 40  # dent, ok
    observed, (rows, columns) = p.trace(), (p.sum(axis=1), p.sum(axis=0))
    chance = rows @ columns
    kappa = (observed - chance) / (1 - chance)
    on = sum(p[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    off = (1 - kappa) ** 2 * sum(p[i, 1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in range(2))
    sd = np.sqrt(on + off - (kappa - chance * (1 - kappa)) ** 2) / ((1 - chance) * np.sqrt(40))
    ends = f"{kappa - 1.96 * sd:.2f} to {kappa + 1.96 * sd:.2f}"
    assert text.endswith(f"κ = {kappa:.2f}, 95 % interval {ends}")


def test_people_without_a_name_are_called_so(tmp_path: Path) -> None:
    assert fact(session(tmp_path, [told("a", "ok", "")]), "answers by") == "without a name 1"
    records = [told("a", "ok", "#17"), told("b", "ok", "eva"), told("c", "ok", "#17"), told("d", "ok", "#18")]
    assert fact(session(tmp_path, records), "answers by") == "eva 1, without a name in 2 windows 3"
    assert fact(session(tmp_path, []), "answers by") == "nobody"


def test_unsure_images_are_listed_unless_they_were_labelled_later(tmp_path: Path) -> None:
    unsure = {"answer": "unsure"}
    found = session(tmp_path, [told("a", unsure), told("b", unsure), told("b", "ok")], [told("z", unsure)])
    assert found.unsure == ["a", "z"]


def test_several_labels_are_one_text(tmp_path: Path) -> None:
    found = session(tmp_path, [told("a", ["gap", "dent"]), told("b", [])])
    assert [each.text for each in found.said] == ["gap+dent", "none"]


def test_what_a_kill_left_is_passed_over_and_damage_is_told(tmp_path: Path) -> None:
    session(tmp_path, [told("a", "ok")])
    path = tmp_path / SESSION
    path.write_bytes(path.read_bytes() + b'{"told": {"b"')
    run: Any = SimpleNamespace(
        folder=tmp_path, cycles=pd.DataFrame({"test/accuracy": [1.0]}), status={"data": {"split": {"test": 8}}}
    )
    assert len(Session.of(run).said) == 1
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DamagedError, match=r"session\.jsonl is damaged \(line 3"):
        Session.of(run)
