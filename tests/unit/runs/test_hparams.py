from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from coilal.common.types import UserError
from coilal.runs.hparams import ensure_found_on


@pytest.mark.parametrize(
    "hparams",
    [
        {"source": "own/x", "data": "5e2f", "any_data": False},
        {"source": "default", "data": None, "any_data": False},
        {"source": "own/x", "data": "other", "any_data": True},
        {"source": "a file of the user's"},
    ],
)
def test_values_are_used_for_the_images_they_were_found_on_or_for_any(hparams: dict[str, object]) -> None:
    ensure_found_on(OmegaConf.create(hparams), "5e2f")


def test_values_of_other_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"own/x were found on other images(.|\n)*hparams\.any_data=true"):
        ensure_found_on(OmegaConf.create({"source": "own/x", "data": "other", "any_data": False}), "5e2f")
