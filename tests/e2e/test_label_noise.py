"""Runs whose oracle errs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig

from coilal.active.session import Session
from coilal.common.types import UserError
from coilal.run_directory.identity import differences
from coilal.run_directory.store import read_queries
from coilal.runs.prepare import check
from coilal.runs.run import run
from coilal.runs.settings import Settings
from tests.run_folders import run_folder

Small = Callable[..., DictConfig]
NOISY = ("oracle.error_rate=0.2", "budget.cycles=1", "study=noisy")

pytestmark = pytest.mark.slow


def queries(cfg: DictConfig) -> pd.DataFrame:
    run(cfg)
    return read_queries(run_folder(cfg))


def test_what_was_told_is_kept_with_what_is_true_and_is_the_same_for_all_strategies(small: Small) -> None:
    one, other = queries(small("strategy=margin", *NOISY)), queries(small("strategy=random", *NOISY))
    wrong = one[one["true"] != ""]
    assert 0 < len(wrong) < len(one) / 2
    assert (wrong["true"] != wrong["label"]).all()
    clean = queries(small("strategy=random", "budget.cycles=1", "study=clean"))
    assert "true" not in clean
    assert clean["image"].tolist() == other["image"].tolist()
    assert other["true"].where(other["true"] != "", other["label"]).tolist() == clean["label"].tolist()
    both = one.merge(other, on="image")
    assert (both["label_x"] == both["label_y"]).all()


def test_a_run_that_is_cut_off_is_told_the_same(
    small: Small, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = queries(small("strategy=margin", *NOISY[:2], "study=whole"))
    cfg, tell = small("strategy=margin", *NOISY), Session.tell

    def dies(self: Session, *arguments: object) -> None:
        if len(self.batches) == 2:
            raise RuntimeError("the machine is gone")
        tell(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Session, "tell", dies)
        with pytest.raises(RuntimeError, match="the machine is gone"):
            run(cfg)
    pd.testing.assert_frame_equal(queries(cfg), expected)
    assert "goes on with the labels that it was told" not in caplog.text


def test_labels_are_told_wrongly_one_by_one(small: Small) -> None:
    found = queries(
        small("task=multilabel", "strategy=random", "oracle.confusion={gap:{false_alarm:1}}", *NOISY[1:])
    )
    wrong = found[found["true"] != ""]
    assert len(wrong)
    assert found["label"].str.contains("gap").all()
    assert not wrong["true"].str.contains("gap").any()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("oracle.confusion={gpa:{none:0.5}}",), "no class of the data: gpa"),
        (("oracle.error_rate=0.1", "task=multilabel_from_multiclass"), "replays what was chosen by other labels"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    small: Small, overrides: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run(small(*overrides))
    assert not [*tmp_path.rglob("status.json")]


def test_the_check_refuses_classes_that_are_none(small: Small) -> None:
    with pytest.raises(UserError, match="no class of the data: gpa"):
        check(small("oracle.confusion={gpa:{none:0.5}}"))


def test_a_replay_does_not_take_a_selection_by_wrong_labels(small: Small) -> None:
    queries(small("strategy=margin", *NOISY))
    with pytest.raises(
        UserError, match=r"other settings \(there → here\):\n  oracle\.error_rate: 0\.2 → \(not set\)"
    ):
        run(small("strategy=margin", "task=multilabel_from_multiclass", *NOISY[1:]))


def test_runs_of_before_the_oracle_erred_go_on(small: Small) -> None:
    before = {key: value for key, value in Settings.of(small()).config.items() if key != "oracle"}
    assert differences(before, Settings.of(small()).config) == []
    assert differences(before, Settings.of(small("oracle.error_rate=0.1")).config) == [
        "oracle.error_rate: (not set) → 0.1"
    ]
