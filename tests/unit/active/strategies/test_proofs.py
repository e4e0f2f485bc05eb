from __future__ import annotations

from pathlib import Path

import pytest

from coilal.active.strategies.strategy import Strategy
from tests.proofs import as_markdown, proofs, strategies


@pytest.mark.parametrize("strategy", [*strategies()], ids=lambda strategy: strategy.name)
def test_every_strategy_has_a_proof(strategy: Strategy) -> None:
    assert proofs()[strategy.name]


def test_every_proof_is_of_a_strategy() -> None:
    assert set(proofs()) <= {strategy.name for strategy in strategies()}


def test_the_page_is_that_of_these_tests() -> None:
    page = Path(__file__).parents[4] / "docs" / "strategies.md"
    assert page.read_text(encoding="utf-8") == as_markdown(), "python -m tests.proofs > docs/strategies.md"
