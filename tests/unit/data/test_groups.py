from __future__ import annotations

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from coilal.data.groups import groups_from_names, likely_pattern


@pytest.mark.parametrize(
    ("names", "pattern", "groups"),
    [
        ([f"p{k}_{view}.png" for k in range(4) for view in range(3)], "^([^_]+)_", 4),
        ([f"2024-{k}-{view}.png" for k in range(4) for view in range(3)], "^(.+)-", 4),
        ([f"tile{k}_num_{view}.png" for k in range(3) for view in range(2)], "^([^_]+)_", 3),
        ([f"part{k}.view{view}.png" for k in range(3) for view in range(2)], r"^([A-Za-z]+\d+)\D", 3),
    ],
)
def test_a_pattern_that_is_clear(names: list[str], pattern: str, groups: int) -> None:
    assert likely_pattern(names) == (pattern, groups)


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{k}.png" for k in range(20)],  # one group
        [f"{k}_.png" for k in range(20)],  # every image its own
        [f"line{a}_part{b}_{c}.png" for a in range(3) for b in range(3) for c in range(2)],  # line or part?
        ["a.png", "b.png"],
    ],
)
def test_none_is_clear(names: list[str]) -> None:
    assert likely_pattern(names) is None


def test_what_is_advised_works_as_it_stands() -> None:
    names = [f"part{k}.view{view}.png" for k in range(3) for view in range(2)]
    _, _, (problem,) = groups_from_names(names, names, r"^(Spule\d+)_")
    typed = re.findall(r"\"?data\.source\.group_pattern=[^ ]+", problem.kind)
    settings = [word.strip('"') for word in typed]
    values = [OverridesParser.create().parse_override(setting).value() for setting in settings]
    assert values == [r"^([A-Za-z]+\d+)\D", None]
    for value in values:
        assert groups_from_names(names, names, value)[2] == []
    assert len(problem.places) == 0, "all names are those of the table: they are not listed"
    assert "None of 6 names matches" in problem.kind
