"""Wrong values of settings are refused with key, value and what is allowed, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from coilal.common.types import UserError
from coilal.runs.prepare import check
from coilal.runs.rules import checked, refuse_secrets
from coilal.runs.run import run

Composed = Callable[..., DictConfig]

OWN = ("data=coils", "data.root=x")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("force=no", "force is 'no'; allowed: true or false"),
        ("force=maybe", "force is 'maybe'; allowed: true or false"),
        ("force=1", "force is 1; allowed: true or false"),
        ("seed=x", "seed is 'x'; allowed: a whole number"),
        ("seed=-1", "seed is -1; allowed: a whole number from 0"),
        ("seed=true", "seed is true"),
        ("seed=1.0", "seed is 1.0"),
        ("seeds.split=a", "seeds.split is 'a'"),
        ("seeds.start=null", "seeds.start is null"),
        ("budget.initial=x", "budget.initial is 'x'; allowed: a whole number, 0 or more"),
        (
            "budget.labelled=[8,x]",
            'budget.labelled is [8, "x"]; allowed: a list of any length, each a whole number',
        ),
        ("trainer.max_epochs=abc", "trainer.max_epochs is 'abc'; allowed: a whole number, 1 or more"),
        ("trainer.max_epochs=0", "trainer.max_epochs is 0"),
        (
            "trainer.devices=7",
            "trainer.devices is 7; allowed: 1, auto, or the number of one GPU in brackets, as [0]",
        ),
        ("trainer.devices=[0,1]", "trainer.devices is [0, 1]"),
        ("trainer.devices=true", "trainer.devices is true"),
        ("trainer.devices=none", "trainer.devices is 'none'"),
        ("data.image.mode=XYZ", "data.image.mode is 'XYZ'; allowed: L or RGB"),
        ("data.image.fit=cut", "data.image.fit is 'cut'; allowed: squash, crop or letterbox"),
        (
            "data.image.size=[1,1]",
            "data.image.size is [1, 1]; allowed: a list of 2, each a whole number from 8 to 16384",
        ),
        ("data.image.size=[64]", "data.image.size is [64]"),
        ("data.image.size=64", "data.image.size is 64"),
        ("data.split.validation=2", "data.split.validation is 2; allowed: a number above 0 and below 1"),
        ("data.source.coils=many", "data.source.coils is 'many'; allowed: a whole number from 1 to 999"),
        ("score_validation=maybe", "score_validation is 'maybe'; allowed: auto, true or false"),
        ("model.optimizer.lr_head=nan", "model.optimizer.lr_head is NaN"),
        ("model.head.dropout=1", "model.head.dropout is 1"),
        ("model.optimizer.weight_decay=-1", "model.optimizer.weight_decay is -1"),
        ("oracle.error_rate=1.1", "oracle.error_rate is 1.1; allowed: a number from 0 to 1"),
        ("oracle.error_rate=-0.1", "oracle.error_rate is -0.1"),
        ("oracle.confusion={gap:{none:2}}", "oracle.confusion is"),
        ("oracle.confusion=0.1", "oracle.confusion is 0.1"),
        ("hparams.chosen_on=7", "hparams.chosen_on is 7; allowed: what coilal.tune apply writes"),
        ("hparams.chosen_on.split=foo", "hparams.chosen_on is"),
        ("hparams.chosen_on.labels=null", "hparams.chosen_on is"),
        ("hparams.chosen_on.division.test=2", "hparams.chosen_on is"),
        ("cache.max_gb=big", "cache.max_gb is 'big'; allowed: a number, 0 or more, or null"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_done(
    composed: Composed, tmp_path: Path, override: str, message: str
) -> None:
    cfg = composed(override, f"outputs={tmp_path}/outputs", f"cache.dir={tmp_path}/cache")
    for command in (run, check):
        with pytest.raises(UserError) as error:
            command(cfg)
        assert message in str(error.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["study=.."], "study is '..'; allowed: a name of a folder"),
        (["study=null"], "study is null"),
        (["model.name=a/b"], "model.name is 'a/b'"),
        (["task.name=optuna"], "task.name is 'optuna'"),
        (["strategy.name=''"], "strategy.name is ''"),
        (["data.split.test=0"], "data.split.test is 0; allowed: a number above 0 and below 1"),
        (["data=coils", "data.root=x", "data.source.good_class=0"], "data.source.good_class is 0; allowed: text"),
        (["data=coils", "data.root=x", "data.source.label_columns=5"], "data.source.label_columns is 5; allowed"),
        ([*OWN, "data.source.class_codes=5"], "data.source.class_codes is 5; allowed: {KEY: VALUE, …}"),
        ([*OWN, "data.source.class_codes.Error_Multi=5"], 'data.source.class_codes is {"Error_Multi": 5}'),
        ([*OWN, "data.source.class_codes.Error_Multi={0:gap}"], 'is {"Error_Multi": '),
        ([*OWN, "data.source.class_codes.Error_Multi={0:[1]}"], "each VALUE a list of any length, each text"),
        ([*OWN, "data.source.label_names=5"], "data.source.label_names is 5"),
        ([*OWN, "data.source.label_names={2_Luecke:true}"], "each VALUE text or a number"),
        (["data.image=3"], "data.image is 3; allowed: settings of its own, as data.image.size"),
        (["model.trunk=3"], "model.trunk is 3; allowed: settings of its own, as model.trunk._target_"),
        (["~cache"], "cache is null; allowed: settings of its own"),
        (["~model.head.dropout"], "model.head.dropout is missing"),
        (["hparams.any_data=maybe"], "hparams.any_data is 'maybe'"),
    ],
)
def test_names_sections_and_what_is_missing(composed: Composed, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        checked(composed(*overrides))
    assert message in str(error.value)


def test_settings_that_have_a_default_elsewhere_may_be_deleted(composed: Composed) -> None:
    checked(composed(*OWN, "~data.source.label_names", "~budget.labelled", "~trainer.devices", "study=20261128"))


@pytest.mark.parametrize(
    "override",
    [
        *("trainer.devices=1", "trainer.devices=auto", "trainer.devices=[1]"),
        *("data.source.class_codes=null", "+data.source.class_codes.Own={a:[],b:[gap]}"),
        "+data.source.label_names={a:b,1:2}",
    ],
)
def test_devices_and_names_that_are_meant(composed: Composed, override: str) -> None:
    checked(composed(*OWN, override))


def test_all_wrong_settings_are_listed_once(composed: Composed) -> None:
    with pytest.raises(UserError) as error:
        checked(composed("seed=x", "force=no", "budget.query=1.5"))
    keys = [line.split(" is ")[0].strip() for line in str(error.value).splitlines()[1:]]
    assert keys == ["force", "seed", "budget.query"], "seeds.start and seeds.train only repeat seed"


def test_what_is_meant_is_accepted(composed: Composed) -> None:
    config = checked(composed("seed=7", "force=true", "trainer.max_epochs=1", "trainer.precision=16"))
    assert config["seeds"]["train"] == 7


def test_a_setting_that_must_be_given(composed: Composed) -> None:
    with pytest.raises(UserError, match=r"data\.root is needed: give it as data\.root="):
        checked(composed("data=folder"))


@pytest.mark.parametrize("separator", [";", r"\t", "|"])
def test_separators(composed: Composed, separator: str) -> None:
    checked(composed("data=coils", "data.root=somewhere", f"data.source.separator='{separator}'"))
    with pytest.raises(UserError, match=r"data\.source\.separator is ';;'; allowed: one character"):
        checked(composed("data=coils", "data.root=somewhere", "data.source.separator=';;'"))


def test_secrets_are_refused_and_not_repeated(composed: Composed, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"logger\.wandb\.api_key holds a secret") as error:
        checked(composed("logger=wandb", "+logger.wandb.api_key=0123456789"))
    assert "0123456789" not in str(error.value)
    monkeypatch.setenv("WANDB_API_KEY", "abcdefghij")
    with pytest.raises(UserError, match=r"^study holds a secret") as error:
        checked(composed("study=my_abcdefghij"))
    assert "abcdefghij" not in str(error.value)


def test_a_secret_in_a_line_of_shell_is_refused_and_one_that_is_read_there_is_not() -> None:
    with pytest.raises(UserError, match=r"^hydra\.launcher\.setup holds a secret") as error:
        refuse_secrets({"hydra.launcher.setup": "[export WANDB_API_KEY=abcdefghij]"})
    assert "abcdefghij" not in str(error.value)
    refuse_secrets({"hydra.launcher.setup": "[export WANDB_API_KEY=$(cat ~/key), export A=b]"})
