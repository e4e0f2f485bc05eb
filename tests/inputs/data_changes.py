"""Data that changed between two commands of one study."""

from __future__ import annotations

from tests.inputs.case import Case

TITLE = "Data that changed"
PLACE = 50

CASES: list[Case] = []
