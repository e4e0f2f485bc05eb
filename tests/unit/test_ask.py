from __future__ import annotations

from pathlib import Path

import pytest

from coilal.ask import _to_be_labelled


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "nothing is left to be labelled"),
        (1, "1 image is to be labelled: asked"),
        (18, "18 images are to be labelled: asked"),
    ],
)
def test_what_is_to_be_labelled_is_counted(number: int, said: str) -> None:
    assert _to_be_labelled(number, Path("asked")) == said
