from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.utils import JobReturn, JobStatus

from coilal.common.types import UserError
from coilal.sweep.search.trials import TrialLauncher, labels_used, mean_of


def result(value: Any, status: JobStatus = JobStatus.COMPLETED) -> JobReturn:
    returned = JobReturn(overrides=["x=1"])
    returned.status, returned._return_value = status, value
    return returned


def write_run(folder: Path, images: Sequence[str]) -> Path:
    folder.mkdir(parents=True)
    rows = "".join(f"0,{rank},{name},,gap\n" for rank, name in enumerate(images))
    (folder / "queries.csv").write_text(f"cycle,rank,image,score,label\n{rows}")
    (folder / "status.json").write_text(
        json.dumps({"state": "done", "data": {"split": {"validation": 7}, "fingerprint": "5e2f"}, "seconds": 2.5})
    )
    return folder


def test_the_value_of_a_trial_is_the_mean_of_its_seeds() -> None:
    assert mean_of([result(0.2), result(0.3), result(0.7)]).return_value == pytest.approx(0.4)
    assert math.isnan(mean_of([result(0.2), result(math.nan)]).return_value)


def test_a_trial_with_a_failed_seed_has_failed() -> None:
    error = ValueError("why")
    failed = mean_of([result(0.2), result(error, JobStatus.FAILED)])
    assert failed.status is JobStatus.FAILED
    assert failed._return_value is error


def test_images_labelled_by_several_seeds_count_once(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", ["1", "2", "3"]), write_run(tmp_path / "b", ["3", "4"])]
    assert labels_used(runs) == (4, 7)


class Cells:
    def __init__(self, returns: list[JobReturn]) -> None:
        self.returns = returns
        self.seen: Sequence[Sequence[str]] = ()

    def launch(self, overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        self.seen = overrides
        return self.returns


def test_each_trial_becomes_a_cell_a_seed_and_keeps_what_it_took(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    cells = Cells([result(0.1), result(0.3), result(0.5), result(KeyError("x"), JobStatus.FAILED)])
    launcher = TrialLauncher(cells, [4, 5])  # type: ignore[arg-type]
    trials = [study.ask(), study.ask()]
    for seed in (4, 5):
        write_run(tmp_path / f"0/multiclass/tiny/random/seed{seed}", ["1", str(seed)])
    launcher.proposed = [(trial, tmp_path / str(trial.number)) for trial in trials]
    good, bad = launcher.launch([("lr=1",), ("lr=2",)], 0)
    assert cells.seen == [("lr=1", "seed=4"), ("lr=1", "seed=5"), ("lr=2", "seed=4"), ("lr=2", "seed=5")]
    assert good.return_value == pytest.approx(0.2)
    assert bad.status is JobStatus.FAILED
    record = {"fingerprint": "5e2f", "labels": None, "groups": None, "parts": None}
    expected = {"labels": {"pool": 3, "validation": 7}, "data": "5e2f", "record": record, "seconds": 5.0}
    expected |= {"given_split": False}
    assert trials[0].user_attrs == expected
    assert "x" in trials[1].user_attrs["error"]


def test_a_search_whose_data_change_between_trials_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    launcher = TrialLauncher(Cells([result(0.1)]), [0])  # type: ignore[arg-type]
    for fingerprint in ("5e2f", "other", "5e2f"):  # brought back as they were, the search goes on
        trial = study.ask()
        folder = write_run(tmp_path / f"{trial.number}/multiclass/tiny/random/seed0", ["1"])
        status = json.loads((folder / "status.json").read_text())
        status["data"]["fingerprint"] = fingerprint
        (folder / "status.json").write_text(json.dumps(status))
        launcher.proposed = [(trial, tmp_path / str(trial.number))]
        if fingerprint == "other":
            with pytest.raises(UserError, match=r"changed since trial 0 \(fingerprint\)"):
                launcher.launch([("lr=1",)], 0)
        else:
            launcher.launch([("lr=1",)], 0)
            study.tell(trial, 0.1)
