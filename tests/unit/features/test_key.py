"""Every setting of a model splits what is stored, unless it is said to be harmless."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from coilal.common.cli import conf_folder
from coilal.features.key import SOURCE, TRAINING, of_backbone, of_outputs, of_settings

MODELS = sorted(path.stem for path in Path(conf_folder(), "model").glob("*.yaml"))
Composed = Callable[..., DictConfig]


def model_of(cfg: DictConfig) -> dict[str, Any]:
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    return dict(model)


def outputs(model: dict[str, Any], weights: str = "0123", seed: int = 0) -> dict[str, Any]:
    return of_outputs(model, weights, seed, "cpu", "32-true", False, False)


def changed(value: Any) -> list[Any]:
    """Return the settings that differ from these in one place each."""
    if not isinstance(value, dict) or not value:
        return [["changed", value]]
    return [{**value, key: other} for key, item in value.items() for other in changed(item)]


@pytest.mark.parametrize("name", MODELS)
def test_each_setting_of_each_model_counts_or_is_said_to_be_harmless(name: str, composed: Composed) -> None:
    model = model_of(composed(f"model={name}"))
    for key, value in model.items():
        for other in changed(value):
            same = outputs({**model, key: other}) == outputs(model)
            assert same == (key in {*TRAINING, *SOURCE}), f"{key}: {other}"


@pytest.mark.parametrize("key", ["layers", "seed", "device", "reread"])
def test_a_new_setting_counts_whatever_its_name(key: str, composed: Composed) -> None:
    plain, added, other = (model_of(composed(*given)) for given in ([], [f"+model.{key}=3"], [f"+model.{key}=4"]))
    for of in (outputs, of_settings):
        assert of(plain) != of(added) != of(other)  # type: ignore[operator]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_harmless_is_a_setting(name: str, composed: Composed) -> None:
    assert {*TRAINING, *SOURCE} <= set(model_of(composed(f"model={name}")))


def test_before_the_weights_are_read_their_source_stands_for_them(composed: Composed) -> None:
    model = model_of(composed())
    for key in SOURCE:
        assert of_settings({**model, key: "other"}) != of_settings(model)
    for key in TRAINING:
        assert of_settings({**model, key: "other"}) == of_settings(model)


def test_files_of_earlier_versions_are_found(composed: Composed) -> None:
    model = model_of(composed("model=mobilenet"))
    stored = {
        "trunk": {
            "_target_": "coilal.models.timm_trunk.build",
            "_partial_": True,
            "architecture": "mobilenetv2_100",
            "arguments": {},
        },
        "normalisation": {"mean": None, "std": None},
        "pooling": "mean_max",
        "trainable": "head",
        "weights": "0123",
        "seed": None,
        "precision": "32-true",
        "device": "cpu",
    }
    assert outputs(model) == stored
    moved = deepcopy(model)
    moved["trunk"]["_target_"] = stored["trunk"]["_target_"]  # type: ignore[index]
    assert outputs(moved) == stored, "own yaml may name the old place"


def test_a_seed_is_that_of_random_weights(composed: Composed) -> None:
    model = model_of(composed())
    assert of_backbone(model, "0123", 0) == of_backbone(model, "0123", 1)
    assert of_backbone(model, "random", 0) != of_backbone(model, "random", 1)
