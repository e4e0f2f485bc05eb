from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from coilal.common.types import UserError
from coilal.sweep.search.notes import bury_killed, check_same, finished, readable

pytestmark = pytest.mark.slow


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def description(**changes: Any) -> dict[str, Any]:
    return {"settings": {"model": {"name": "tiny"}}, "space": {"lr": "1"}, "fixed": {}, "seeds": [0], **changes}


def test_the_same_search_goes_on(study: optuna.Study) -> None:
    check_same(study, description())
    check_same(study, description())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"model": {"name": "dino_s"}}}, "model.name: tiny → dino_s"),
        ({"space": {"lr": "2"}}, "space.lr: 1 → 2"),
        ({"fixed": {"lr": "3"}}, "fixed.lr"),
        ({"seeds": [0, 1]}, "seeds"),
    ],
)
def test_another_search_is_refused(study: optuna.Study, changes: dict[str, Any], message: str) -> None:
    check_same(study, description())
    with pytest.raises(UserError, match=message):
        check_same(study, description(**changes))


def test_killed_trials_are_marked_once_and_do_not_count(study: optuna.Study) -> None:
    study.tell(study.ask(), 0.5)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()
    assert finished(study) == 2
    assert bury_killed(study) == [2]
    assert study.trials[2].state is TrialState.FAIL
    assert bury_killed(study) == []
    assert finished(study) == 2
    study.ask()
    assert bury_killed(study) == [3]
    assert finished(study) == 2


def test_a_damaged_file_of_a_search_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tiny.db"
    storage = f"sqlite:///{file}"
    optuna.create_study(storage=storage)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(UserError, match=f"{file}, the file of the search, is damaged"), readable(storage):
        optuna.load_study(study_name=None, storage=storage)
