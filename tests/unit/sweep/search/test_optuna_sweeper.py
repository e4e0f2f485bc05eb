"""Every sampler that is offered proposes trials to the end; what cannot be searched is refused before the first."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus

from coilal.common.cli import conf_folder
from coilal.common.types import UserError
from coilal.sweep.search.apply import load
from coilal.sweep.search.optuna_sweeper import Search

pytestmark = pytest.mark.slow


# Small, and with something of each kind: an interval, a log interval, choices of numbers and of words.
SPACE = ["model.head.hidden=[]", "model.batch_size=choice(8,16)", "trainer.max_epochs=1"]
GRID = ["model.optimizer.lr_head=choice(0.01,0.1)", "model.optimizer.weight_decay=0.1", "model.head.dropout=0.1"]
WORKING = ("tpe", "random", "gp", "qmc", "nsgaii", "nsgaiii", "grid")


class Cells:
    """Stands for the launcher: the value of a trial follows from its overrides."""

    def __init__(self) -> None:
        self.launched: list[Sequence[str]] = []

    def launch(self, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        self.launched += overrides
        return [self._result(given) for given in overrides]

    def _result(self, overrides: Sequence[str]) -> JobReturn:
        values = dict(override.split("=", 1) for override in overrides)
        result = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        result._return_value = -abs(float(values["model.optimizer.lr_head"]) - 0.01) + float(values["seed"])
        return result


def search(arguments: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cells:
    """Do a search as ``-m hparams_search=tiny_multiclass`` with these arguments does; return what was launched."""
    cells = Cells()
    monkeypatch.setattr("hydra.core.plugins.Plugins.instantiate_launcher", lambda *_, **__: cells)
    monkeypatch.setattr("coilal.sweep.search.trials._annotate", lambda *_: None)  # there are no run directories
    own = [argument for argument in arguments if argument.startswith(("hydra/", "hydra."))]
    given = [argument for argument in arguments if argument not in own]
    fixed = [argument for argument in given if "(" not in argument and not argument.partition("=")[2].count(",")]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        overrides = ["hydra.job.name=train", f"outputs={folder}", "hparams_search=tiny_multiclass", *own, *fixed]
        config = compose("train", overrides=overrides, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        settings: Any = dict(config.hydra.sweeper)
        sweeper = Search(**{key: value for key, value in settings.items() if key != "_target_"})
        sweeper.setup(hydra_context=object(), task_function=None, config=config)  # type: ignore[arg-type]
        sweeper.sweep(["hparams_search=tiny_multiclass", f"outputs={folder}", *given])
    return cells


@pytest.fixture(autouse=True)
def _no_hydra_afterwards() -> Any:
    yield
    HydraConfig.instance().cfg = None


@pytest.mark.parametrize("sampler", [*WORKING, "cmaes"])
def test_every_sampler_that_is_offered_does_its_trials(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        pytest.skip("the package cmaes is not installed")
    trials = 11  # gp and tpe begin with 10 random ones
    arguments = [
        f"hydra/sweeper/sampler={sampler}",
        f"hydra.sweeper.n_trials={trials}",
        "hydra.sweeper.seeds=[0,1]",
    ]
    cells = search([*arguments, *SPACE, *(GRID if sampler == "grid" else [])], tmp_path, monkeypatch)
    expected = 2 * 2 * 2 if sampler == "grid" else trials  # two classes of weights, two rates, two sizes of a batch
    found = load(tmp_path / "default/optuna/tiny_multiclass.db").get_trials(deepcopy=False)
    assert [trial.state for trial in found] == [optuna.trial.TrialState.COMPLETE] * expected
    assert len(cells.launched) == 2 * expected


def test_a_grid_that_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["hydra/sweeper/sampler=grid", "hydra.sweeper.seeds=[0]", *SPACE, *GRID]
    assert len(search(arguments, tmp_path, monkeypatch).launched) == 8
    assert not search(arguments, tmp_path, monkeypatch).launched


def test_the_samplers_tried_here_are_those_that_hydra_offers() -> None:
    from hydra.core.config_store import ConfigStore

    offered = {name.removesuffix(".yaml") for name in ConfigStore.instance().list("hydra/sweeper/sampler")}
    assert offered == {*WORKING, "cmaes", "motpe"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["strategy=random,margin"], "cannot vary it"),
        (["hydra/sweeper/sampler=grid"], "lr_head, model.optimizer.weight_decay, model.head.dropout"),
        (["hydra.sweeper.n_jobs=0"], "hydra.sweeper.n_jobs is 0"),
        (["study=.."], "study is '..'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError) as error:
        search(arguments, tmp_path / "outputs", monkeypatch)
    assert message in str(error.value)
    assert not (tmp_path / "outputs").exists()


def test_what_a_search_finds_but_is_no_hyperparameter_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        search(["hydra.sweeper.n_trials=1", "score_validation=choice(true,false)"], tmp_path, monkeypatch)
    assert "score_validation: no hyperparameters" in caplog.text
