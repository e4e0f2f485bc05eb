from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from coilal.sweep.tuning import bury_killed, check_same, finished
from coilal.types import UserError


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
