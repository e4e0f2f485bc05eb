"""How many labels, and when to stop: what the page says of it is what our published curves say, cut short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.truncated import (
    BATCH,
    DATA,
    Published,
    advised,
    coverage_table,
    each_fitted_once,
    needs,
    parts,
    points,
    published,
)

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
COLUMN = 2 + list(DATA.values()).index("magnetic tiles") + 1


@pytest.fixture(scope="module")
def tiles() -> list[Published]:
    """Return the curves that are the hardest to follow."""
    return [each for each in published() if each.data == "magnetic tiles"]


def test_all_published_curves_are_read() -> None:
    curves = list(published())
    assert len(curves) == 108
    assert {each.data for each in curves} == set(DATA.values())
    assert all((np.diff(each.curve.labelled) == BATCH).all() for each in curves)


def test_intervals_cover_what_came_of_the_hardest_curves_as_often_as_the_page_says(tiles: list[Published]) -> None:
    with each_fitted_once():
        rows = coverage_table(points(tiles)).splitlines()[2:]
    stated = [line for line in PAGE.splitlines() if line.startswith(tuple(row.split(" | ")[0] for row in rows))]
    assert _shares(stated) == _shares(rows)


def _shares(rows: list[str]) -> list[str]:
    return [row.split(" | ")[COLUMN] for row in rows]


def test_of_the_hardest_curves_stopping_was_right_and_so_were_nearly_all_intervals_of_labels(
    tiles: list[Published],
) -> None:
    with each_fitted_once():
        said, found = needs(tiles), advised(tiles)
    answered = said[~said["refused"]]
    assert len(answered) > 50
    assert answered["held"].mean() > 0.95
    stopped = found[(found["verdict"] == "stop") & (found["least"] == 0.02)]
    assert found.loc[found["least"] == 0.02, "few"].mean() < 0.95, "else whatever is said is right"
    assert len(stopped) >= 4, "else nothing is said"
    assert stopped["few"].all()
    assert found["held"].mean() >= 0.8


@pytest.mark.slow
def test_the_page_has_the_numbers_of_all_published_curves() -> None:
    words = " ".join(PAGE.split())
    missing = [part for part in parts() if " ".join(part.split()) not in words]
    assert not missing, "python -m tests.truncated prints what docs/evaluation.md must have:\n" + "\n".join(missing)
