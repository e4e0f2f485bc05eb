"""What a labelling session has come to, from its journals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from coilal.evidence.audit import interval
from coilal.evidence.labelling import AUDIT, Session, agreement, facts
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
        folder=folder, cycles=pd.DataFrame(rows), status={"data": {"split": {"test": 8, "pool": 20}}}
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


def test_the_audit_set_s_interval(tmp_path: Path) -> None:
    low, high = interval(6, 8)
    text = fact(session(tmp_path, []), "right, of the audit set")
    assert text == f"75.0% of 8 images, 95 % interval {low:.1%} to {high:.1%}"


def test_who_is_asked_twice_and_who_contradicts_somebody_else(tmp_path: Path) -> None:
    again, other = {"about": {"stage": "again"}, "stands": False}, {"stands": False}
    names = "abcdef"
    first = ["ok", "ok", "dent", "dent", "ok", "dent"]
    second = ["ok", "dent", "dent", "dent", "ok", "dent"]
    records = [told(name, label) for name, label in zip(names, first, strict=True)]
    records += [told(name, label, **again) for name, label in zip(names, second, strict=True)]
    records += [told("a", "dent", "max", **other), told("b", "ok", "max", **other)]
    found = session(tmp_path, records)
    assert found.pairs(again=True) == list(zip(first, second, strict=True))
    assert found.pairs(again=False) == [("ok", "dent"), ("ok", "ok")]
    kappa = cohen_kappa_score(first, second)
    assert fact(found, "agreement, the same question asked again") == f"5 of 6 equal, κ = {kappa:.2f}"
    assert fact(found, "answers by") == "eva 12, max 2"


def test_kappa_is_not_made_up() -> None:
    assert agreement([]) == "not measured"
    assert agreement([("ok", "ok")] * 3) == "3 of 3 equal; κ is not defined, as all are ok"


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
