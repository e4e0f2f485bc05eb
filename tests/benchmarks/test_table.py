from __future__ import annotations

from benchmarks.goals import goals
from benchmarks.parts import ACTIVEML, BAAL, BOUND, CACHED, COILAL, PLAIN
from benchmarks.section import Row, Section
from benchmarks.table import document
from benchmarks.units import number, seconds


def w1(**errors: str) -> Section:
    rows = [
        Row(COILAL, [12.0, 11.0, 40.0], 900.0, 0.5, True, "+0.001"),
        Row(CACHED, [5.0], 900.0, 0.5, False, "+0.400"),
        Row(BOUND, [10.0], 700.0, 0.5),
        Row(ACTIVEML, [9.0], 700.0, 0.5, True, "+0.001"),
        Row(PLAIN, [6000.0], 800.0, 0.5, True, "+0.001", "**extrapolated**"),
        Row(BAAL, error=errors.get("baal", "ModuleNotFoundError: No module named 'baal'")),
    ]
    return Section("W1", "W1: title", "Conditions.", "2026-01-01", BOUND, rows)


def test_goals_compare_medians_and_keep_what_could_not_be_measured() -> None:
    found = {goal.text: goal for goal in goals({"W1": w1()})}
    assert found["W1: coilal / bound"].value == 1.2
    assert found["W1: coilal / bound"].verdict == "**fail**"
    assert found["W1: plain script / coilal"].value == 500
    assert found["W1: plain script / coilal"].verdict == "pass"
    assert found["W1: scikit-activeml / coilal, features extracted"].verdict == "**fail**"
    assert found["W1: baal / coilal"].verdict == "not measured"
    disagreeing = found["W1: contestants that cannot run, or whose macro-F1 differs from the bound's"]
    assert disagreeing.value == 2  # one of each


def test_a_contestant_that_cannot_run_keeps_its_row_with_the_reason() -> None:
    text = document({"W1": w1()}, "Machine.", quick=False)
    assert "| baal | cannot run | – | – | – | – | ModuleNotFoundError: No module named 'baal' |" in text
    assert "| coilal | 12.0 s (11.0 s … 40.0 s) | 1.20 | 900 MB | 0.500 | yes (+0.001) |  |" in text
    assert "**extrapolated**" in text


def test_a_negative_difference_has_no_ratio() -> None:
    part = Section("extraction", "title", "", "", "library, eager, batch 64", [Row(COILAL, [-1.0])])
    part.rows.append(Row("library, eager, batch 64", [2.0]))
    assert [goal.value for goal in goals({"extraction": part})] == [None]


def test_selections_stand_in_columns_of_rows() -> None:
    rows = [Row("torch margin 10000", [0.001], 1.0), Row("torch margin 100000", error="out of memory")]
    text = document({"W3": Section("W3", "W3", "", "", "", rows)}, "Machine.", quick=True)
    assert "| | 10,000 rows | 100,000 rows |" in text
    assert "| torch margin | 1.00 ms, 1 MB | cannot run: out of memory |" in text


def test_the_short_table_says_who_is_faster_and_what_was_extrapolated() -> None:
    text = document({"W1": w1()}, "Machine.", quick=False)
    assert (
        "| a plain script: the backbone in every epoch | 12.0 s | 6,000 s (extrapolated) | 500 × faster |" in text
    )
    assert "| baal as documented: the backbone in every epoch | 12.0 s | – | – |" in text
    assert "a loop by hand | 12.0 s | 10.0 s | 1.20 × slower |" in text


def test_short_times_are_milliseconds() -> None:
    assert [seconds(value) for value in (0.0123, 0.5, -2.0)] == ["12.3 ms", "0.500 s", "-2.00 s"]


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0.01234, 1.2, 12.34, 1234.5)] == ["0.0123", "1.20", "12.3", "1,234"]
