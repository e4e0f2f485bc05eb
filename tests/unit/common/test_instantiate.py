from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from coilal.common.instantiate import instantiate
from coilal.common.types import UserError

BUDGET: dict[str, Any] = {"_target_": "coilal.common.types.Budget", "initial": 4}
MARGIN: dict[str, Any] = {"_target_": "coilal.active.strategies.multiclass.margin", "_partial_": True}


def test_a_setting_that_a_class_does_not_know_is_refused() -> None:
    assert instantiate(OmegaConf.create(BUDGET)).counts() == (4,)
    with pytest.raises(UserError, match=r"coilal\.common\.types\.Budget has no setting foo; it has initial"):
        instantiate(OmegaConf.create(BUDGET | {"foo": 1}))


def test_also_within_another_and_where_it_would_be_told_after_hours() -> None:
    node = {
        "_target_": "coilal.active.strategies.strategy.Strategy",
        "name": "x",
        "tasks": [],
        "query": MARGIN | {"foo": 1},
    }
    with pytest.raises(UserError, match=r"multiclass\.margin has no setting foo"):
        instantiate(OmegaConf.create(node))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "coilal.fit.tasks.nope.X",
            r"_target_=coilal\.fit\.tasks\.nope\.X cannot be found: No module named 'coilal.fit.tasks.nope'",
        ),
        ("coilal.common.types.Budgte", r"_target_=coilal\.common\.types\.Budgte cannot be found"),
        ("coilal.common.types.", r"_target_=coilal\.common\.types\. cannot be found"),
        ("coilal.common.types", "no class or function, but module"),
        ("nope.X", r"_target_=nope\.X: settings run no other code than that of coilal\.\*, pytorch_lightning\.\*"),
        ("os.getcwd", "settings run no other code"),
    ],
)
def test_what_names_nothing_is_refused(target: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        instantiate(OmegaConf.create({"_target_": target}))


def test_a_class_method_can_be_named() -> None:
    node = {
        "_target_": "coilal.common.types.ImageFormat.of",
        "settings": {"size": [8, 9], "fit": "crop", "mode": "L"},
    }
    assert instantiate(OmegaConf.create(node)).size == (8, 9)


def test_yaml_of_earlier_versions_names_the_old_places() -> None:
    assert instantiate({"_target_": "coilal.types.Budget", "initial": 4}) == instantiate(BUDGET)
