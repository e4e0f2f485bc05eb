from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from coilal.common.cli import given_settings
from coilal.common.types import UserError
from coilal.tune import SETTINGS, main, packaged_folder, taken_with


def test_only_a_checkout_has_packaged_values_to_write(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    with pytest.raises(UserError, match="out="):
        packaged_folder(conf)
    (tmp_path / "pyproject.toml").touch()
    assert packaged_folder(conf) == conf / "hparams" / "tuned"


def test_the_command_that_takes_the_values_can_be_typed() -> None:
    assert shlex.split(taken_with(Path("My outputs/s/tuned")))[4] == "My outputs/s/tuned"


@pytest.mark.parametrize(
    ("settings", "message"), [(["study=.."], "study is '..'"), (["replace=yes"], "replace is 'yes'")]
)
def test_wrong_settings_are_refused(
    settings: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tune", "apply", *settings])
    with pytest.raises(UserError, match=message):
        main()


@pytest.mark.parametrize("argument", ["study", "study=", "colour=red"])
def test_unknown_settings_are_refused(argument: str) -> None:
    with pytest.raises(UserError, match=r"coilal\.tune"):
        given_settings([argument], SETTINGS, "coilal.tune")


def test_settings_are_read() -> None:
    assert given_settings(["study=a=b", "model=tiny"], SETTINGS, "coilal.tune") == {"study": "a=b", "model": "tiny"}
    assert given_settings(["study='2026_11_28'"], SETTINGS, "coilal.tune") == {"study": "2026_11_28"}
