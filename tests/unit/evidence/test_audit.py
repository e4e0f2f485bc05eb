from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import binomtest

from coilal.evidence.audit import Point, advice, interval, points


@pytest.mark.parametrize(("right", "of"), [(0, 7), (3, 7), (7, 7), (1, 1), (58, 64), (1, 1000)])
def test_the_interval_is_that_of_scipy(right: int, of: int) -> None:
    expected = binomtest(right, of).proportion_ci(0.95, "exact")
    assert interval(right, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_points_are_those_of_the_finished_cycles(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    rows = [{"cycle": 0, "labelled": 8, "test/accuracy": 0.5}, {"cycle": 1, "labelled": 16, "test/accuracy": 0.75}]
    (tmp_path / "checkpoints" / "state.json").write_text(json.dumps({"cycles": rows}))
    found = points(tmp_path, "multiclass", 8)
    assert [(point.labelled, point.value) for point in found] == [(8, 0.5), (16, 0.75)]
    assert (found[0].low, found[0].high) == interval(4, 8)
    assert points(tmp_path, "multiclass", 0) == [], "no audit set"
    assert points(tmp_path, "multilabel", 8) == [], "not that metric"
    assert points(tmp_path / "other", "multiclass", 8) == []


def curve(*values: float) -> list[Point]:
    return [Point(24 * (number + 1), value, value - 0.1, value + 0.1) for number, value in enumerate(values)]


def test_advice_says_what_the_last_batches_bought_and_at_what_rate() -> None:
    told = advice(curve(0.5, 0.6, 0.7, 0.75, 0.8), 5.0)
    assert told[0].startswith("The last 72 labels in about 6 minutes moved")
    assert "from 60% to 80%" in told[0]
    assert "0.3 minutes" in told[1]


def test_no_advice_from_noise_and_none_too_early() -> None:
    for values in ((0.8, 0.8, 0.8, 0.8, 0.8), (0.88, 0.86, 0.85, 0.84, 0.84), (0.80, 0.81, 0.83, 0.84, 0.86)):
        assert "cannot tell that from chance" in advice(curve(*values), 5.0)[1]
    assert "got worse" in advice(curve(0.9, 0.8, 0.7, 0.6, 0.5), 5.0)[1]
    assert len(advice(curve(0.5, 0.6), 5.0)) == 1
    assert advice(curve(0.5), 5.0) == []
    assert "minutes" not in advice(curve(0.5, 0.6), None)[0]
