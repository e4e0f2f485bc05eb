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
    assert settings.data.split == {"validation": 0.15, "test": 0.25}
    assert len(settings.loggers) == 2
    assert settings.config == OmegaConf.to_container(cfg, resolve=True), "what config.yaml keeps"
    assert Settings.of(composed()).loggers == ()


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
    assert settings.folder() == Path("outputs/s/multilabel_from_multiclass/tiny/margin/seed3")
    assert settings.task.replay == "multiclass"
    assert settings.folder(settings.task.replay) == Path("outputs/s/multiclass/tiny/margin/seed3")


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
