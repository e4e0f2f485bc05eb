"""The command that checks data; see tests/e2e for the command itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from PIL import Image

from coilal.check import with_sheet
from coilal.common.types import UserError
from coilal.runs.prepare import check
from coilal.runs.rules import checked
from coilal.runs.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, composed: Callable[..., DictConfig]) -> DictConfig:
    """Return settings for two classes of twenty images of a 12-bit camera."""
    for i in range(40):
        place = tmp_path / "data" / ("good" if i % 2 else "bent") / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(i).integers(900, 1100, (20, 24)).astype(np.uint16)
        Image.fromarray(values).save(place)
    return composed(
        "data=folder", f"data.root={tmp_path}/data", f"cache.dir={tmp_path}/cache", "data.image.size=[20,24]",
        "budget.initial=4", "budget.query=4", "budget.cycles=2",
    )  # fmt: skip


def test_check_shows_the_grey_levels_and_writes_a_sheet(
    settings: DictConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    check(settings, tmp_path / "sheet.png")
    assert "40 images of 16 bits; their values from 900 to 1099 become 0 to 255" in caplog.text
    assert "200 of 256 levels are used" in caplog.text
    assert f"wrote {tmp_path}/sheet.png" in caplog.text
    assert Image.open(tmp_path / "sheet.png").size == (8 * (24 * 4 + 6), 2 * (20 * 4 + 6 + 18))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_check_warns_where_the_range_leaves_few_levels(
    settings: DictConfig, caplog: pytest.LogCaptureFixture
) -> None:
    settings.data.image.range = [0, 65535]
    check(settings)
    assert "use 1 of 256 grey levels" in caplog.text


def test_a_sheet_that_cannot_be_written_is_refused_before_decoding(settings: DictConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must end in \.png, \.jpg or \.jpeg"):
        check(settings, tmp_path / "sheet.pdf")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_the_advised_settings_work_as_they_stand(
    settings: DictConfig, composed: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    check(settings)
    limits = re.search(r"auto; (\[.*?\]) keeps", caplog.text)
    assert limits
    typed = composed("data=folder", "data.root=x", f"data.image.range={limits[1]}", "data.image.page=1")
    image = Settings.of(typed).data.image
    assert (image.range, image.page) == ((900, 1099), 1)
    for advice in ("data.image.range=dtype", "data.image.fit=squash", "data.image.size=[32,320]"):
        assert checked(composed("data=folder", "data.root=x", advice))


@pytest.mark.parametrize("wrong", ["[9,3]", "[1,2,3]", "full", "[a,b]", "12", "[0,inf]"])
def test_ranges_that_are_none_are_refused(composed: Callable[..., DictConfig], wrong: str) -> None:
    with pytest.raises(UserError, match=r"data\.image\.range is .*allowed: auto, dtype or two numbers"):
        checked(composed("data=folder", "data.root=x", f"data.image.range={wrong}"))


@pytest.mark.parametrize(
    "file", ["sheet.png", "my sheet's.png", "Bögen/a=b,c.jpg", r"C:\a\b.png", r"a\'b\\.png", "~/x(1)[2]{3}.png"]
)
def test_the_name_of_the_sheet_may_hold_anything(file: str) -> None:
    (argument,) = with_sheet([f"sheet={file}"])
    (override,) = OverridesParser.create().parse_overrides([argument])
    assert override.key_or_group == "sheet"
    assert override.value() == file


def test_a_name_in_quotes_of_hydra_and_other_settings_are_passed_on() -> None:
    assert with_sheet(["sheet='a b.png'", "seed=1"]) == ["+sheet='a b.png'", "seed=1"]
