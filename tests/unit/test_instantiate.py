from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from coilal.instantiate import instantiate
from coilal.types import UserError

BUDGET: dict[str, Any] = {"_target_": "coilal.types.Budget", "initial": 4}
MARGIN: dict[str, Any] = {"_target_": "coilal.strategies.multiclass.margin", "_partial_": True}


def test_a_setting_that_a_class_does_not_know_is_refused() -> None:
    assert instantiate(OmegaConf.create(BUDGET)).counts() == (4,)
    with pytest.raises(UserError, match=r"coilal\.types\.Budget has no setting foo; it has initial"):
        instantiate(OmegaConf.create(BUDGET | {"foo": 1}))


def test_also_within_another_and_where_it_would_be_told_after_hours() -> None:
    node = {
        "_target_": "coilal.strategies.strategy.Strategy",
        "name": "x",
        "tasks": [],
        "query": MARGIN | {"foo": 1},
    }
    with pytest.raises(UserError, match=r"multiclass\.margin has no setting foo"):
        instantiate(OmegaConf.create(node))
