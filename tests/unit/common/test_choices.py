from __future__ import annotations

import pytest

from coilal.common.choices import chosen
from coilal.common.types import UserError


def test_a_choice_is_returned_as_it_stands_among_them() -> None:
    assert chosen("a.b", "keep", ("error", "keep")) == "keep"


@pytest.mark.parametrize(
    ("choices", "message"),
    [(("error", "keep"), "choose error or keep"), (("error", "merge", "keep"), "choose error, merge or keep")],
)
def test_another_value_is_refused_with_all_choices(choices: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=rf"^a\.b is 'drop'; {message}\.$"):
        chosen("a.b", "drop", choices)
