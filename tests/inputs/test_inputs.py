from __future__ import annotations

import logging
from pathlib import Path

import pytest

from coilal.common.types import UserError
from tests.inputs.case import Case
from tests.inputs.table import as_markdown, cases, topics

pytestmark = pytest.mark.slow


ALL = [pytest.param(case, id=f"{module.TITLE}: {case.given}") for module in topics() for case in cases(module)]


@pytest.mark.parametrize("case", ALL)
def test_an_input_is_read_or_refused_as_the_table_says(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    try:
        outcome, said = "read", case.try_it(tmp_path)
    except UserError as error:
        outcome, said = "refused", str(error)
    assert outcome == case.outcome.partition(",")[0], said
    assert case.says in said + caplog.text


def test_the_page_is_that_of_these_cases() -> None:
    page = Path(__file__).parents[2] / "docs" / "inputs.md"
    assert page.read_text(encoding="utf-8") == as_markdown(), "python -m tests.inputs.table > docs/inputs.md"
