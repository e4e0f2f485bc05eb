"""Runs say how many of the images that they test their hyperparameters were chosen with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.common.instantiate import instantiate
from coilal.common.types import Samples
from coilal.data import splits
from coilal.data.division import Division
from coilal.data.splits import PARTS, draw_parts
from coilal.demo.rendered import RenderedCoils
from coilal.run_directory.chosen_on import CHOSEN_ON
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.files import read_status
from coilal.run_directory.identity import differences
from coilal.runs.chosen_on import tell_of_launch
from coilal.runs.prepare import check
from coilal.runs.run import run
from coilal.runs.settings import ChosenOn, Hparams, Settings

FOLDS = {"validation": 0.15, "test": 0.25, "folds": 4, "by": None}  # at random these few coils have one division
SEARCH = Division.of(FOLDS, 1)
Make = Callable[..., Settings]


@pytest.fixture
def config(small: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """Return settings with values that a search on split 1 of the same rendered coils has chosen."""

    def configured(*given: str, **hparams: Any) -> DictConfig:
        cfg = small("data.split.folds=4", *given)
        now = DataRecord.of(instantiate(small().data.source).read(), None, None).aspects
        chosen = {
            "source": "own/x",
            "split": 1,
            "division": FOLDS,
            "labels": now["labels"],
            "groups": now["groups"],
        }
        for key, value in {"source": "own/x", "chosen_on": {**chosen, **hparams}}.items():
            OmegaConf.update(cfg, f"hparams.{key}", value, merge=False)
        return cfg

    return configured


@pytest.fixture
def make(config: Callable[..., DictConfig]) -> Make:
    return lambda *given, **hparams: Settings.of(config(*given, **hparams))


def counts(settings: Settings, chosen: Division) -> tuple[int, int]:
    """Return the images that the run tests, and those of them that a search did not."""
    samples = instantiate(settings.data.source).read()
    test = PARTS.index("test")
    tested, before = (draw_parts(samples, division) == test for division in (settings.division, chosen))
    return np.count_nonzero(tested), np.count_nonzero(tested & ~before)


def test_a_grid_says_once_how_many_test_images_the_search_had(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    tell_of_launch(make(f"seed={seed}", f"split={split}") for seed in range(3) for split in (0, 1, 2))
    (said,) = caplog.messages
    assert [counts(make(f"split={split}"), SEARCH) for split in (0, 2)] == [(48, 48), (48, 48)]
    assert (
        "own/x were chosen with split 1 of these data: 100 % of the images that splits 0, 2 test (48 a split)"
        in said
    )
    assert "hparams=default" in said


def test_another_division_of_the_search_is_drawn_as_it_was(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    random = {**FOLDS, "folds": None}
    tell_of_launch([make("split=0", division=random)])
    tested, seen = counts(make("split=0"), Division.of(random, 1))
    assert 0 < seen < tested
    (said,) = caplog.messages
    assert f"{seen} of the {tested} images that split 0 tests" in said
    assert "or search with split=0" in said


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (("data.source.seed=1",), {}),
        (("data.source.coils=13",), {}),
        (("split=1",), {}),
        ((), {"source": "another file, which these values lie over"}),
    ],
)
def test_of_other_data_the_same_split_and_replaced_values_nothing_is_said(
    given: Sequence[str], chosen: dict[str, str], make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    tell_of_launch([make(*given, **chosen)])
    assert not caplog.messages


def test_where_the_division_cannot_be_drawn_again_no_number_is_made_up(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = make(labels="those before they were corrected")
    tell_of_launch([settings])
    assert not caplog.messages, "without the fingerprint of the images it is another data set"
    tell_of_launch([replace(settings, hparams=replace(settings.hparams, data="5e2f"))])
    tell_of_launch([make(division=None)])
    assert ["how many is not known" in said for said in caplog.messages] == [True, True]


def test_a_grid_of_a_thousand_cells_reads_its_data_and_draws_the_search_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    drawn: list[int] = []
    read: list[Samples] = []
    draw, first = draw_parts, RenderedCoils.read

    def counted(samples: Samples, division: Division) -> Any:
        drawn.append(division.number)
        return draw(samples, division)

    def noted(source: RenderedCoils) -> Samples:
        read.append(first(source))
        return read[-1]

    monkeypatch.setattr(splits, "draw_parts", counted)
    of_splits = [make("split=0"), make("split=2")]
    monkeypatch.setattr(RenderedCoils, "read", noted)
    tell_of_launch(replace(settings, seed=seed) for seed in range(500) for settings in of_splits)
    assert len(caplog.messages) == 1
    assert drawn == [1]
    assert len(read) == 1


def test_data_that_cannot_be_read_end_no_launch(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(_: RenderedCoils) -> Samples:
        raise OSError("no such disk")

    settings = make("split=0")
    monkeypatch.setattr(RenderedCoils, "read", gone)
    tell_of_launch([settings])
    assert not caplog.messages


def test_a_run_and_a_check_say_it_and_the_status_keeps_it(
    config: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    cfg = config("split=2", "budget.cycles=0")
    check(cfg)
    run(cfg)
    tested, seen = counts(Settings.of(cfg), SEARCH)
    assert sum(f"{seen} of the {tested} images that split 2 tests" in said for said in caplog.messages) == 2
    status = read_status(Settings.of(cfg).folder())
    assert status[CHOSEN_ON] == {"source": "own/x", "split": 1, "tested": tested, "seen": seen}
    assert status["data"]["split"]["test"] == tested
    assert "chosen_on" in Settings.of(cfg).config["hparams"]

    caplog.clear()
    cfg = config("split=1", "budget.cycles=0")
    run(cfg)
    assert CHOSEN_ON not in read_status(Settings.of(cfg).folder())
    assert not [said for said in caplog.messages if "were chosen with" in said]


def test_what_values_were_chosen_on_does_not_make_another_run(make: Make) -> None:
    settings, other = make(), make(split=3)
    assert not differences(settings.config, other.config)
    assert settings.hparams != other.hparams


def test_settings_of_earlier_versions_know_no_search(composed: Callable[..., DictConfig]) -> None:
    assert Settings.of(composed("~hparams.chosen_on")).hparams.chosen_on is None


def test_files_of_values_lie_over_one_another(make: Make) -> None:
    packaged = OmegaConf.create({"chosen_on": {"split": 0, "division": FOLDS}})
    own = OmegaConf.create({"chosen_on": {"split": 1, "division": None}})
    assert OmegaConf.merge(packaged, own).chosen_on.division is None
    assert isinstance(make().hparams.chosen_on, ChosenOn)
    assert Hparams("own/x").chosen_on is None
