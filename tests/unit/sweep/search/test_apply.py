from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from PIL import Image

from coilal.common.types import UserError
from coilal.sweep.search.apply import apply, searches
from coilal.sweep.search.notes import DESCRIPTION

pytestmark = pytest.mark.slow


SPLIT = {"validation": 0.15, "test": 0.25, "folds": 5, "by": None}
SETTINGS: dict[str, Any] = {
    "data": {"source": {"_target_": "coilal.data.folder.ImageFolder"}, "image": {"size": [56, 42]}, "split": SPLIT},
    "budget": {"labelled": [16]},
    "seeds": {"split": 1},
}


def make_search(folder: Path, values: list[float], **of_trials: Any) -> Path:
    database = folder / "optuna" / "tiny_multiclass.db"
    database.parent.mkdir(parents=True)
    study = optuna.create_study(study_name="s/t", storage=f"sqlite:///{database}", direction="maximize")
    fixed = {"trainer.max_epochs": "5"}
    study.set_user_attr(DESCRIPTION, {"settings": SETTINGS, "fixed": fixed, "seeds": [0, 1]})
    for value in values:
        trial = study.ask()
        trial.suggest_float("model.optimizer.lr_head", 1e-5, 1e-2, log=True)
        trial.suggest_categorical("model.head.hidden", ["[64,64]"])
        trial.suggest_categorical("model.trainable", ["head"])
        trial.suggest_categorical("strategy", ["random"])  # as searches of older versions could
        trial.set_user_attr("data", "5e2f")
        trial.set_user_attr("labels", {"pool": 30, "validation": 20})
        trial.set_user_attr("seconds", 1800.0)
        for name, value_of_trial in of_trials.items():
            trial.set_user_attr(name, value_of_trial)
        study.tell(trial, value)
    return database


def test_the_best_values_are_written_with_their_provenance(tmp_path: Path) -> None:
    database = make_search(tmp_path, [0.2, 0.6, 0.4])
    best = optuna.load_study(study_name="s/t", storage=f"sqlite:///{database}").trials[1]
    target, *figures = apply(database, tmp_path / "own")
    content = OmegaConf.to_container(OmegaConf.load(target))
    assert content == {
        "hparams": {"source": "own/tiny_multiclass", "data": "5e2f"},
        "trainer": {"max_epochs": 5},
        "model": {
            "optimizer": {"lr_head": best.params["model.optimizer.lr_head"]},
            "head": {"hidden": [64, 64]},
            "trainable": "head",
        },
    }
    text = target.read_text()
    assert text.startswith("# @package _global_\n# FOUND")
    assert "study s/t, trial 1 of 3 completed ones of 3" in text
    assert "value 0.6000" in text
    assert "# not written, being no hyperparameter: strategy=random" in text.replace("#   ", "# ")
    assert "30 of the pool ([16] a run), 20 of the validation split; 1.50 hours" in text
    assert [path.name for path in figures] == ["tiny_multiclass_history.png", "tiny_multiclass_importance.png"]
    for path in figures:
        with Image.open(path) as image:
            assert len(image.convert("L").getcolors() or []) > 10


def test_one_completed_trial_has_no_importance(tmp_path: Path) -> None:
    _, *figures = apply(make_search(tmp_path, [0.2]), tmp_path / "own")
    assert [path.name for path in figures] == ["tiny_multiclass_history.png"]
    assert "own/tiny_multiclass" in (tmp_path / "own" / "tiny_multiclass.yaml").read_text()


def test_values_that_are_packaged_are_for_all_data(tmp_path: Path) -> None:
    target, *_ = apply(make_search(tmp_path, [0.2]), tmp_path / "tuned", for_all_data=True)
    content: Any = OmegaConf.to_container(OmegaConf.load(target))
    assert content["hparams"] == {"source": "tiny_multiclass"}


@pytest.mark.parametrize("for_all_data", [False, True])
@pytest.mark.parametrize(("given", "division"), [(False, SPLIT), (True, None)])
def test_the_split_that_values_were_chosen_on_is_written_with_what_tells_its_data(
    tmp_path: Path, given: bool, division: dict[str, Any] | None, for_all_data: bool
) -> None:
    record = {"labels": "0123456789012345", "groups": "12e4567890123456", "parts": "ab", "fingerprint": "5e2f"}
    database = make_search(tmp_path, [0.2], record=record, given_split=given)
    target, *_ = apply(database, tmp_path / "own", for_all_data=for_all_data)
    content: Any = OmegaConf.to_container(OmegaConf.load(target))
    assert content["hparams"]["chosen_on"] == {
        "source": "own/tiny_multiclass",
        "split": 1,
        "division": division,
        "labels": "0123456789012345",
        "groups": "12e4567890123456",
    }


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ("# study s, trial 1 of 20 completed ones of 20\nhparams: {data: 5e2f}", "of 20 completed trials"),
        ("# study s, trial 1 of 2 completed ones of 2\nhparams: {data: other}", "on other data"),
        ("# study s, trial 1 of 2 completed ones of 2\nhparams: {source: x}", "on other data"),
        ("model: {batch_size: 3}", "no search"),
    ],
)
def test_better_values_or_those_of_other_data_stay_unless_asked_for(
    tmp_path: Path, there: str, reason: str
) -> None:
    database, target = make_search(tmp_path, [0.2, 0.3]), tmp_path / "own" / "tiny_multiclass.yaml"
    target.parent.mkdir()
    target.write_text(there)
    with pytest.raises(UserError, match=f"{reason}(.|\n)*replace=true"):
        apply(database, target.parent)
    assert target.read_text() == there
    apply(database, target.parent, replace=True)
    apply(database, target.parent)  # the same search again, which may have gone on
    assert "5e2f" in target.read_text()


def test_a_search_without_a_completed_trial_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trial"):
        apply(make_search(tmp_path, []), tmp_path)


def test_searches_are_found_by_model_and_task(tmp_path: Path) -> None:
    (tmp_path / "optuna").mkdir()
    for name in ("tiny_multiclass", "tiny_multilabel", "dino_s_multiclass"):
        (tmp_path / "optuna" / f"{name}.db").touch()
    assert len(searches(tmp_path)) == 3
    assert [path.stem for path in searches(tmp_path, "tiny", "multilabel")] == ["tiny_multilabel"]
    assert [path.stem for path in searches(tmp_path, task="multiclass")] == ["dino_s_multiclass", "tiny_multiclass"]
    with pytest.raises(UserError, match="hparams_search"):
        searches(tmp_path, "effnet")
