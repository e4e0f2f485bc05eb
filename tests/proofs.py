"""docs/strategies.md: every strategy of conf/strategy with its rule, its source, and the tests that prove it.

python -m tests.proofs > docs/strategies.md
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from hydra.utils import instantiate
from omegaconf import OmegaConf

from coilal.active.strategies.strategy import Strategy

CONF = Path(__file__).parents[1] / "conf" / "strategy"
HEAD = """\
# The strategies, each with its proof

A strategy is one function of what it declares to look at, and one yaml of `conf/strategy`. This page is made by
`python -m tests.proofs > docs/strategies.md` from the yaml files, the functions' docstrings and the tests marked
`proof`; a test compares the two, and refuses a strategy without proof.

p are probabilities (softmax, or a sigmoid for each label), h is what enters the last linear layer (of a linear
head the standardised features), z is h scaled to length 1. What is labelled counts as covered where nothing else
is said. Beyond what stands here every strategy passes `tests/contract/test_strategies.py`: ties are broken by the
seed and not by the order of the files, one image left, batches above the pool, duplicates of images, all features
equal, width 1, NaN and infinity refused with the images, inputs untouched, no image twice, at most
`strategy.per_group` images of a group.
"""
LOOKS_AT = {
    "logits": "p",
    "features": "h",
    "labelled features": "h of labelled",
    "labelled logits": "p of labelled",
    "held-out logits": "p of labelled, held out",
    "trials": "what batches really teach",
}


def strategies() -> Iterator[Strategy]:
    """Yield all strategies, by name."""
    for path in sorted(CONF.glob("*.yaml")):
        yield instantiate(OmegaConf.load(path), _execution_whitelist_="coilal.*")


def proofs() -> dict[str, list[str]]:
    """Return by strategy how it is proved: what the marks of the tests say, in the order of the files."""
    found: dict[str, list[str]] = defaultdict(list)
    for module in _modules():
        for function in vars(module).values():
            for mark in getattr(function, "pytestmark", ()) if inspect.isfunction(function) else ():
                for name in mark.args if mark.name == "proof" else ():
                    found[name].append(mark.kwargs["by"])
    return found


def _modules() -> Iterator[ModuleType]:
    folder = Path(__file__).parent / "unit" / "active" / "strategies"
    for path in sorted(folder.glob("test_*.py")):
        yield importlib.import_module(f"tests.unit.active.strategies.{path.stem}")


def looks_at(strategy: Strategy) -> str:
    """Return what a strategy declares to need, in short."""
    parts = [LOOKS_AT[need] for need in strategy.needs]
    if strategy.passes:
        share = "the head's dropout" if strategy.dropout is None else f"dropout {strategy.dropout:g} of h"
        parts.append(f"{strategy.passes} passes with {share}")
    return ", ".join(parts) or "nothing"


def said(strategy: Strategy) -> tuple[str, str]:
    """Return rule and source, as the docstring of the function gives them."""
    text = " ".join((inspect.getdoc(strategy.query.func) or "").split("\n\nArgs:")[0].split())  # type: ignore[attr-defined]
    rule, source = re.search(r"Formula: (.*?) Source: (.*)", text).groups()  # type: ignore[union-attr]
    return _escaped(rule), _escaped(source)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


def as_markdown() -> str:
    """Return the page."""
    lines = ["| strategy | tasks | looks at | rule | source | proved by |", "|---|---|---|---|---|---|"]
    proved = proofs()
    for strategy in strategies():
        rule, source = said(strategy)
        tasks = " · ".join(strategy.tasks)
        by = "; ".join(dict.fromkeys(proved[strategy.name]))
        lines.append(f"| `{strategy.name}` | {tasks} | {looks_at(strategy)} | {rule} | {source} | {by} |")
    return "\n".join([HEAD, *lines, ""])


if __name__ == "__main__":
    print(as_markdown(), end="")
