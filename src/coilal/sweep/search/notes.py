"""What is kept with an Optuna study besides its trials: settings it was made with, and trials that were killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from coilal.common.types import UserError
from coilal.run_directory.identity import differences

DESCRIPTION, KILLED = "description", "killed"  # keys of the study's user attributes


@contextmanager
def readable(storage: str) -> Iterator[None]:
    """Tell of a file of a search that is damaged.

    Raises:
        UserError: names the file and the way out.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        words = ("malformed", "not a database", "no such table")
        if not any(word in str(error) for word in words):
            raise
        raise UserError(
            f"{storage.removeprefix('sqlite:///')}, the file of the search, is damaged; bring it back from a copy, "
            "or give the search another study=…"
        ) from error


def check_same(study: optuna.Study, description: Mapping[str, Any]) -> None:
    """Store what makes a search what it is; trials of two different searches cannot be compared.

    Raises:
        UserError: the study was made with another description.
    """
    old = study.user_attrs.get(DESCRIPTION)
    if old is None:
        study.set_user_attr(DESCRIPTION, dict(description))
        return
    differing = [
        *differences(old["settings"], description["settings"]),
        *differences(
            {key: old[key] for key in ("space", "fixed", "seeds")},
            {key: description[key] for key in ("space", "fixed", "seeds")},
        ),
    ]
    if differing:
        raise UserError(
            f"the search {study.study_name} was made with other settings (there → here):\n  "
            + "\n  ".join(differing[:20])
            + "\nGive this search another study=…"
        )


def bury_killed(study: optuna.Study) -> list[int]:
    """Mark as failed what a killed search left running; return the numbers of these trials.

    The caller holds the lock of the study, so that nobody works on them.
    """
    killed = [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]
    if killed:
        # First the note: a kill in between leaves a trial running, and it is buried at the next call.
        study.set_user_attr(KILLED, sorted({*study.user_attrs.get(KILLED, []), *killed}))
        for number in killed:
            study.tell(number, state=TrialState.FAIL)
    return killed


def finished(study: optuna.Study) -> int:
    """Return the number of trials that ended by themselves, completed or failed."""
    ended = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    return len(ended - set(study.user_attrs.get(KILLED, [])))
