from __future__ import annotations

from pathlib import Path

import pytest

from coilal.cli import given_settings
from coilal.tune import SETTINGS, values_folder
from coilal.types import UserError


def test_values_go_into_the_checkout_or_a_folder_of_the_user(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    assert values_folder("mine", conf) == Path("mine/hparams/own")
    with pytest.raises(UserError, match="out="):
        values_folder("", conf)
    (tmp_path / "pyproject.toml").touch()
    assert values_folder("", conf) == conf / "hparams" / "tuned"


@pytest.mark.parametrize("argument", ["study", "study=", "colour=red"])
def test_unknown_settings_are_refused(argument: str) -> None:
    with pytest.raises(UserError, match=r"coilal\.tune"):
        given_settings([argument], SETTINGS, "coilal.tune")


def test_settings_are_read() -> None:
    assert given_settings(["study=a=b", "model=tiny"], SETTINGS, "coilal.tune") == {"study": "a=b", "model": "tiny"}
