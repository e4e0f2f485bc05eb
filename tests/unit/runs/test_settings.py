"""Settings are read and checked once; what stands behind the door gets them as they will stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.common.types import UserError
from coilal.runs.settings import Settings

Composed = Callable[..., DictConfig]


def test_settings_are_those_that_were_composed_references_resolved(composed: Composed) -> None:
    cfg = composed("seed=7", "model=dino_s", "model.normalisation.std=[0.2]", "logger=[tensorboard,lightning_csv]")
    settings = Settings.of(cfg)
    assert (settings.seeds.split, settings.seeds.train) == (0, 7)
    assert (settings.model.hub, settings.model.mean, settings.model.std) == ("facebook/dinov2-small", None, (0.2,))
    assert settings.data.image.size == (476, 364)
    assert settings.data.split == {"validation": 0.15, "test": 0.25, "folds": None, "by": None}
    assert len(settings.loggers) == 2
    assert settings.config == OmegaConf.to_container(cfg, resolve=True), "what config.yaml keeps"
    assert Settings.of(composed()).loggers == ()


def test_a_study_may_be_called_by_a_number(composed: Composed) -> None:
    settings = Settings.of(composed("study=2026"))
    assert settings.study == "2026"
    assert settings.folder().parts[:2] == ("outputs", "2026")
    assert settings.config["study"] == 2026, "as older runs have stored it"


def test_a_run_is_called_by_its_split_where_there_may_be_others(composed: Composed) -> None:
    given = ("model=tiny", "strategy=margin")
    alone = "multiclass · tiny · margin · seed 0"
    of_split = "multiclass · tiny · margin · split {} · seed 0"
    assert Settings.of(composed(*given)).title() == alone
    assert Settings.of(composed(*given, "split=2")).title() == of_split.format(2)
    assert Settings.of(composed(*given, "data.split.folds=3")).title() == of_split.format(0)
    assert Settings.of(composed(*given, "data.split.by=bobbin")).title() == of_split.format(0)


def test_what_becomes_of_the_configuration_changes_them_no_more(composed: Composed) -> None:
    cfg = composed()
    settings = Settings.of(cfg)
    cfg.seed = 9
    cfg.model.optimizer.lr_head = 7.0
    assert settings == Settings.of(composed())
    with pytest.raises(FrozenInstanceError):
        settings.model.head.dropout = 0.1  # type: ignore[misc]


def test_a_run_lies_where_its_settings_say_and_so_does_the_one_it_replays(composed: Composed) -> None:
    settings = Settings.of(composed("task=multilabel_from_multiclass", "strategy=margin", "study=s", "seed=3"))
    assert settings.folder() == Path("outputs/s/multilabel_from_multiclass/tiny/margin/split0/seed3")
    assert settings.task.replay == "multiclass"
    assert settings.folder(settings.task.replay) == Path("outputs/s/multiclass/tiny/margin/split0/seed3")


def test_the_number_of_the_split_is_in_the_directory_and_draws_it(composed: Composed) -> None:
    settings = Settings.of(composed("split=3", "study=s", "seed=1"))
    assert settings.folder() == Path("outputs/s/multiclass/tiny/entropy/split3/seed1")
    assert settings.seeds.split == 3


def test_a_seed_of_the_split_that_contradicts_its_number_is_refused(composed: Composed) -> None:
    with pytest.raises(UserError, match=r"seeds\.split 2: give split=2 alone"):
        Settings.of(composed("seeds.split=2"))


def test_settings_of_a_version_without_splits_are_of_the_one_that_was_drawn(composed: Composed) -> None:
    settings = Settings.of(composed("~split", "seeds.split=2", "~data.split.folds"))
    assert settings.split == 2


def test_a_study_of_a_version_without_splits_goes_on_where_it_lies(composed: Composed, tmp_path: Path) -> None:
    given = [f"outputs={tmp_path}", "study=s"]
    earlier = tmp_path / "s/multiclass/tiny/entropy/seed0"
    earlier.mkdir(parents=True)
    (earlier / "status.json").write_text("{}")
    assert Settings.of(composed(*given)).folder() == earlier
    assert Settings.of(composed(*given, "split=1")).folder() == earlier.parent / "split1/seed0"
    assert Settings.of(composed(*given, "seed=1")).folder() == earlier.parent / "split0/seed1"


@pytest.mark.parametrize(
    "key", ["model.pooling", "model.trainable", "task.replay", "cache.precision", "hparams.source"]
)
def test_a_setting_without_a_rule_that_is_not_there_is_named(key: str, composed: Composed) -> None:
    with pytest.raises(UserError, match=rf"^settings that cannot be used:\n  {key} is missing$"):
        Settings.of(composed(f"~{key}"))


def test_what_a_file_of_hyperparameters_need_not_say(composed: Composed) -> None:
    hparams = Settings.of(composed("~hparams.data", "~hparams.any_data")).hparams
    assert (hparams.data, hparams.any_data) == (None, False)


def test_an_augmentation_that_there_is_not_is_refused(composed: Composed) -> None:
    with pytest.raises(UserError, match=r"^augmentation has no setting blur; it has views, shift, brightness"):
        Settings.of(composed("+augmentation.blur=1"))
