"""A hyperparameter search from proposal to the run that uses what was found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from optuna.trial import TrialState

from coilal.common.cli import conf_folder
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles
from coilal.sweep.search.apply import load
from tests.commands import command
from tests.conftest import SMALL

pytestmark = pytest.mark.slow

NAMES = ("model.head.dropout", "model.pooling", "score_validation")
GOOD, WITHOUT_VALUE, IMPOSSIBLE = (0.1, "mean_max", True), (0.1, "mean_max", False), (0.1, "cls", True)
SPACE = [
    "model.head.dropout=choice(0.1,0.2)",
    "model.pooling=choice(mean_max,cls)",
    "score_validation=choice(true,false)",
    "budget.labelled=[16]",
]
FOLDS = ["data.split.folds=4"]  # at random these few coils have one division
SEARCH = ["hydra/sweeper=optuna", "hydra.sweeper.seeds=[0,1]", "study=s", *SPACE]


def coilal(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(f"coilal.{module}", *arguments, cwd=folder)


def search(folder: Path, cache: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return coilal(
        folder,
        "train",
        "-m",
        *SMALL,
        f"cache.dir={cache}",
        "hparams=default",
        "split=1",
        *FOLDS,
        *SEARCH,
        *overrides,
    )


def test_a_search_goes_on_to_its_total_past_failures_and_kills_and_runs_take_its_values(
    tmp_path: Path, cache: Path
) -> None:
    first = search(tmp_path, cache, "hydra.sweeper.n_trials=1")
    assert first.returncode in (0, 2), first.stderr  # 2: its only trial has no value
    database = tmp_path / "outputs/s/optuna/tiny_multiclass.db"
    study = load(database)
    killed = study.ask().number  # as a search that is killed leaves it
    for values in (IMPOSSIBLE, WITHOUT_VALUE, GOOD):
        study.enqueue_trial(dict(zip(NAMES, values, strict=True)))
    local = ["hydra/launcher=local", "hydra.launcher.processes=2", "hydra.sweeper.n_jobs=2"]
    second = search(tmp_path, cache, "hydra.sweeper.n_trials=4", *local)
    assert second.returncode == 0, second.stderr
    assert f"left unfinished, and not counted: trial {killed}\n" in second.stdout
    assert "1 of 4 trials are done, 3 to do" in second.stdout

    *_, impossible, without_value, good = load(database).trials
    states = [trial.state for trial in (impossible, without_value, good)]
    assert states == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    assert "pooling=cls" in impossible.user_attrs["error"]
    assert "NaN" in without_value.user_attrs["error"]
    trial = database.with_suffix("") / f"trial{good.number:04}"
    runs = sorted((trial / "multiclass/tiny/entropy/split1").glob("seed*"))
    scores = [read_cycles(run)["val/macro_f1"].item() for run in runs]
    assert len(scores) == 2
    assert good.value == pytest.approx(sum(scores) / 2, rel=1e-12)

    third = search(tmp_path, cache, "hydra.sweeper.n_trials=4")
    assert third.returncode == 0, third.stderr
    assert "all 4 trials" in third.stdout
    assert len(load(database).trials) == 5, "four that count and a killed one"
    other = search(tmp_path, cache, "hydra.sweeper.n_trials=5", "budget.labelled=[20]")
    assert other.returncode == 2
    assert "budget.labelled: [16] → [20]" in other.stderr

    applied = coilal(tmp_path, "tune", "apply", "study=s", "out=mine")
    assert applied.returncode == 0, applied.stderr
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        cfg = compose("train", overrides=[f"hydra.searchpath=[file://{tmp_path}/mine]"])
    assert cfg.hparams.source == "own/tiny_multiclass"
    assert cfg.model.head.dropout == 0.1
    assert (database.parent / "tiny_multiclass_history.png").stat().st_size > 1000

    typed = ("-m", *SMALL, *FOLDS, f"cache.dir={cache}", "study=t", "split=1,2")
    grid = coilal(tmp_path, "train", "--config-dir", "mine", *typed, "seed=0,1", "budget.cycles=0")
    assert grid.returncode == 0, grid.stderr
    told = [line for line in (grid.stdout + grid.stderr).splitlines() if "were chosen with split 1" in line]
    assert len(told) == 1
    assert "images that split 2 tests" in told[0]
    runs = {
        path.parts[-3]: read_status(path.parent) for path in tmp_path.glob("outputs/t/*/*/*/*/seed1/status.json")
    }
    assert runs["split2"]["hparams_chosen_on"]["source"] == "own/tiny_multiclass"
    assert "hparams_chosen_on" not in runs["split1"]


def test_trials_of_a_batch_whose_heads_are_alike_are_trained_side_by_side(tmp_path: Path, cache: Path) -> None:
    database = tmp_path / "outputs/s/optuna/tiny_multiclass.db"
    database.parent.mkdir(parents=True)
    study = optuna.create_study(
        storage=f"sqlite:///{database}", study_name="s/tiny_multiclass", direction="maximize"
    )
    for rate, batch_size in ((0.01, 8), (0.02, 8), (0.01, 16)):
        study.enqueue_trial({"model.optimizer.lr_head": rate, "model.batch_size": batch_size})
    typed = (
        *("-m", *SMALL, f"cache.dir={cache}", "hparams=default", "score_validation=true", "budget.labelled=[16]"),
        *("hydra/sweeper=optuna", "hydra.sweeper.seeds=[0,1]", "study=s", "hydra.launcher.processes=1"),
        *("model.optimizer.lr_head=choice(0.01,0.02)", "model.batch_size=choice(8,16)"),
        *("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=3"),
    )
    done = coilal(tmp_path, "train", *typed)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 cells side by side, up to 4 at a time" in done.stdout, "two trials of two seeds, and one trial"
    for trial in load(database).trials:
        runs = sorted((database.with_suffix("") / f"trial{trial.number:04}").glob("*/*/*/split0/seed*"))
        values = [read_cycles(run)["val/macro_f1"].item() for run in runs]
        assert len(values) == 2
        assert trial.value == pytest.approx(sum(values) / 2, rel=1e-12)
    assert len({trial.value for trial in load(database).trials}) > 1, "each was trained with values of its own"
