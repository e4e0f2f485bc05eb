from __future__ import annotations

from pathlib import Path

import pytest

from coilal.refusals import kept_in, once
from coilal.types import UserError


def test_what_was_refused_is_refused_again_without_a_look_and_only_within_the_launch(tmp_path: Path) -> None:
    looked: list[str] = []

    def refuse() -> None:
        looked.append("refused")
        raise UserError("an image is truncated: ä.png")

    def give() -> str:
        looked.append("given")
        return "images"

    with kept_in(tmp_path / "one"):
        for _ in range(3):
            with pytest.raises(UserError, match=r"truncated: ä\.png"):
                once({"data": 1}, refuse)
            assert once({"data": 2}, give) == "images"
    assert looked.count("refused") == 1
    with kept_in(tmp_path / "two"), pytest.raises(UserError):
        once({"data": 1}, refuse)
    with pytest.raises(UserError):
        once({"data": 1}, refuse)
    assert looked.count("refused") == 3


def test_what_is_no_refusal_is_tried_again(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("the network is away")

    with kept_in(tmp_path):
        with pytest.raises(OSError, match="away"):
            once({}, fail)
        assert once({}, lambda: 1) == 1
