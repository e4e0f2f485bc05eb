"""The relabel queue of runs that were told wrong labels."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from coilal.common.types import UserError
from coilal.fit.batches import Labelled
from coilal.fit.trial import Trials
from coilal.prediction.relabel import COLUMNS, REPEATS, RelabelRequest, relabel
from coilal.run_directory.health import RELABEL, SESSION
from coilal.run_directory.store import read_queries
from coilal.runs.shared import forget
from tests.unit.prediction.trained import train

pytestmark = pytest.mark.slow


def queue_of(run: Path, **given: str) -> pd.DataFrame:
    path = relabel(RelabelRequest.of({"run": str(run), **given}))
    return pd.read_csv(path, dtype={"told": str, "suggested": str}, keep_default_na=False)


@pytest.fixture(scope="module")
def noisy(coils: Path, cache: Path) -> Path:
    """Return a run that was told a fifth of its labels wrongly."""
    forget()
    settings = ["data=coils", f"data.root={coils}", "study=noisy", "oracle.error_rate=0.2", "budget.initial=80"]
    return train(coils.parent / "outputs", cache, *settings, "trainer.max_epochs=30")


def test_wrong_labels_come_first_by_heads_that_have_not_seen_them(
    noisy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, judged = Trials.logits, Counter[int]()

    def noted(self: Trials, labelled: Sequence[Labelled], *others: Any) -> Tensor:
        assert not np.isin(others[-1], labelled[0].ids).any()
        judged.update(others[-1].tolist())
        return logits(self, labelled, *others)

    monkeypatch.setattr(Trials, "logits", noted)
    queue, told = queue_of(noisy), read_queries(noisy).set_index("image")
    assert len(judged) == len(told)
    assert set(judged.values()) == {REPEATS}
    assert list(queue) == list(COLUMNS)
    assert queue["rank"].tolist() == list(range(1, len(queue) + 1))
    assert queue["image"].is_unique
    assert set(queue["image"]) <= set(told.index)
    assert len(queue) > 0.9 * len(told), "a class of one group cannot be judged"
    assert (queue["told"] == told.loc[queue["image"], "label"].to_numpy()).all()
    assert queue["doubt"].is_monotonic_decreasing
    wrong = (told.loc[queue["image"], "true"] != "").to_numpy()
    assert wrong[:10].mean() > 2 * wrong.mean()


def test_the_most_doubted_labels_are_shown_and_what_to_do(
    noisy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    queue = queue_of(noisy, out=str(tmp_path / "queue.csv"))
    first = queue[queue["told"] != queue["suggested"]].iloc[0]
    assert f"division {REPEATS} of {REPEATS}" in caplog.text
    assert f"{first['image']} was told «{first['told']}», looks like «{first['suggested']}»" in caplog.text
    assert "next: look at the first ones" in caplog.text


def test_the_queue_of_labels_is_that_of_a_run_that_trains_blocks(multilabel: Path, tmp_path: Path) -> None:
    queue = queue_of(multilabel, out=str(tmp_path / "queue.csv"))
    assert not (multilabel / RELABEL).exists()
    names = {"none", *(name for text in queue["told"] for name in text.split("+"))}
    assert {name for text in queue["suggested"] for name in text.split("+")} <= names
    pd.testing.assert_frame_equal(queue_of(multilabel, out=str(tmp_path / "again.csv")), queue)


def test_what_has_no_queue_is_refused(multiclass: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which run"):
        RelabelRequest.of({})
    with pytest.raises(UserError, match=r"ends in \.csv"):
        RelabelRequest.of({"run": str(multiclass), "out": "queue.xlsx"})
    shutil.copytree(multiclass, run := tmp_path / "run")
    (run / SESSION).unlink()
    with pytest.raises(UserError, match="which says what was told"):
        queue_of(run)
