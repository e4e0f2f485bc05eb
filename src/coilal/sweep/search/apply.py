"""From a finished search to a file of hyperparameters, and figures of the search."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import optuna
import optuna.visualization.matplotlib as visualization
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from coilal.common.machine import writing
from coilal.common.types import UserError
from coilal.run_directory.data_record import GIVEN_SPLIT
from coilal.run_directory.files import write_atomically
from coilal.runs.provenance import git_commit
from coilal.sweep.search.notes import DESCRIPTION, readable
from coilal.sweep.search.space import is_hyperparameter

DPI = 150
_TRIALS = re.compile(r"^# .*\b(\d+) completed", re.MULTILINE)  # in a file of values, see _provenance


def searches(study: Path, model: str = "", task: str = "") -> list[Path]:
    """Return the files of a study's searches, all or those of a model or task.

    Raises:
        UserError: there is none.
    """
    wanted = f"{model or '*'}_{task or '*'}.db"
    found = sorted((study / "optuna").glob(wanted))
    if not found:
        raise UserError(
            f"there is no search {study / 'optuna' / wanted}; make one with\n"
            "  python -m coilal.train -m hparams_search=<model>_<task> study=…"
        )
    return found


def apply(database: Path, folder: Path, for_all_data: bool = False, replace: bool = False) -> list[Path]:
    """Write the best values of a search into ``folder``, and figures beside the search; return the files.

    Args:
        database: the file of the search.
        folder: where the file of values goes.
        for_all_data: do not write which data the values were found on, so that runs on any data take them.
        replace: replace a file of values whatever it holds.

    Raises:
        UserError: no trial of it was completed, or the file holds values that a search with more trials or on other
            data has found.
    """
    study = load(database)
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not completed:
        raise UserError(f"no trial of {database} was completed, so that there is nothing to take over")
    data = study.best_trial.user_attrs.get("data")
    target = folder / f"{database.stem}.yaml"
    if not replace:
        ensure_replaceable(target, None if for_all_data else data, len(completed))
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(target, as_yaml(study, _source(target), None if for_all_data else data))
    return [target, *draw(study, database.with_suffix(""))]


def ensure_replaceable(target: Path, data: str | None, completed: int) -> None:
    """Refuse to replace values that may be better ones, or of other data.

    Args:
        target: the file of values.
        data: fingerprint of the images that the new values were found on.
        completed: completed trials of the search that found them.

    Raises:
        UserError: says what the file holds.
    """
    if not target.exists():
        return
    text = target.read_text(encoding="utf-8")
    trials = _TRIALS.search(text)
    held: Any = OmegaConf.to_container(OmegaConf.create(text))
    there = (held.get("hparams") or {}).get("data")
    if trials is None:
        reason = "holds values that no search of coilal has written"
    elif int(trials[1]) > completed:
        reason = f"holds the values of a search of {trials[1]} completed trials, and this one has {completed}"
    elif there != data:
        reason = "holds values that were found on other data"
    else:
        return
    raise UserError(f"{target} {reason}; replace=true replaces them, out=FOLDER writes elsewhere")


def load(database: Path) -> optuna.Study:
    """Return the study in a file."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{database}"
    with readable(storage):
        study = optuna.load_study(study_name=None, storage=storage)
        study.get_trials(deepcopy=False)
    return study


def as_yaml(study: optuna.Study, source: str, data: str | None) -> str:
    """Return the file of hyperparameters of a study's best trial, its provenance in comments.

    Args:
        study: the search.
        source: what runs say of where their values came from.
        data: fingerprint of the images that the values are for; None: any.
    """
    best = study.best_trial
    values = {**study.user_attrs[DESCRIPTION]["fixed"], **best.params}
    found = OmegaConf.from_dotlist([f"{key}={value}" for key, value in values.items() if is_hyperparameter(key)])
    hparams = {"source": source, **({"data": data} if data else {}), **_chosen_on(study, source)}
    content = OmegaConf.merge({"hparams": hparams}, found)
    left = [f"{key}={value}" for key, value in values.items() if not is_hyperparameter(key)]
    lines = [
        *_provenance(study, best),
        *([f"  not written, being no hyperparameter: {', '.join(left)}"] if left else []),
    ]
    comments = "".join(f"# {line}\n" for line in lines)
    return f"# @package _global_\n{comments}{OmegaConf.to_yaml(content)}"


def draw(study: optuna.Study, stem: Path) -> list[Path]:
    """Draw the history of a search and the importance of its parameters; return the files.

    Importances (fANOVA, Hutter et al. 2014) need two completed trials of different value.
    """
    matplotlib.use("Agg")
    warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna's word for all of its matplotlib figures
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    figures = {"history": visualization.plot_optimization_history(study)}
    if len({trial.value for trial in completed}) > 1:
        evaluator = FanovaImportanceEvaluator(seed=0)
        figures["importance"] = visualization.plot_param_importances(study, evaluator=evaluator)
    return [_save(axes, stem.with_name(f"{stem.name}_{name}.png")) for name, axes in figures.items()]


def _save(axes: Axes, path: Path) -> Path:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    matplotlib.pyplot.close(figure)
    return path


def _source(target: Path) -> str:
    return f"own/{target.stem}" if target.parent.name == "own" else target.stem


def _chosen_on(study: optuna.Study, source: str) -> dict[str, Any]:
    """Return the entry ``chosen_on``; see ``runs.settings.ChosenOn``. Early searches did not record their data."""
    best, settings = study.best_trial.user_attrs, study.user_attrs[DESCRIPTION]["settings"]
    record = best.get("record") or {}
    if not (record.get("labels") and record.get("groups")):
        return {}
    division = None if best.get(GIVEN_SPLIT) else settings["data"]["split"]
    where = {"source": source, "split": settings["seeds"]["split"], "division": division}
    return {"chosen_on": {**where, "labels": record["labels"], "groups": record["groups"]}}


def _provenance(study: optuna.Study, best: FrozenTrial) -> list[str]:
    description: dict[str, Any] = study.user_attrs[DESCRIPTION]
    settings, trials = description["settings"], study.get_trials(deepcopy=False)
    completed = sum(trial.state is TrialState.COMPLETE for trial in trials)
    labels = best.user_attrs["labels"]
    hours = sum(trial.user_attrs.get("seconds", 0.0) for trial in trials) / 3600
    assert best.datetime_complete is not None
    return [
        "FOUND by a search (python -m coilal.tune apply writes this file anew):",
        f"  study {study.study_name}, trial {best.number} of {completed} completed ones of {len(trials)}",
        f"  value {best.value:.4f}: mean {_metric(settings)} of the validation split over seeds "
        f"{description['seeds']}",
        f"  date {best.datetime_complete:%Y-%m-%d}, taken over by coilal {git_commit() or version('coilal')}",
        f"  data {settings['data']['source']['_target_']}, images {settings['data']['image']['size']}",
        f"  labels used: {labels['pool']} of the pool ({settings['budget']['labelled'] or 'a whole curve'} a run), "
        f"{labels['validation']} of the validation split; {hours:.2f} hours of runs",
    ]


def _metric(settings: dict[str, Any]) -> str:
    return "macro-F1" if len(settings["budget"]["labelled"]) == 1 else "AULC of macro-F1"
