"""``budget.ahead``: a batch is chosen while the one before it is being labelled."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from omegaconf import DictConfig

from coilal.common.types import UserError
from coilal.run_directory.store import read_queries
from coilal.runs.run import run
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow


def queries(cfg: DictConfig) -> pd.DataFrame:
    run(cfg)
    return read_queries(run_folder(cfg))


def batch(of: pd.DataFrame, number: int) -> set[str]:
    return set(of.loc[of["cycle"] == number, "image"])


def test_the_starting_set_is_the_same_and_the_first_batch_is_drawn(small: Callable[..., DictConfig]) -> None:
    plain = queries(small("study=plain", "strategy=margin"))
    ahead = queries(small("study=ahead", "strategy=margin", "budget.ahead=1"))
    assert batch(plain, 0) == batch(ahead, 0)
    assert (ahead.loc[ahead["cycle"] == 1, "score"] == "").all(), "no model has chosen it"
    assert (ahead.loc[ahead["cycle"] == 2, "score"] != "").all()
    assert not ahead["image"].duplicated().any()
    assert ahead.groupby("cycle").size().tolist() == plain.groupby("cycle").size().tolist()


def test_a_batch_is_chosen_by_the_model_that_does_not_know_its_forerunner(small: Callable[..., DictConfig]) -> None:
    """The best two batches of a model that has learnt from the starting set alone, less what was drawn."""
    budget = ("budget.initial=16", "budget.query=8", "budget.cycles=2")
    ahead = queries(small("study=ahead", "strategy=margin", "budget.ahead=1", *budget))
    first = queries(
        small("study=first", "strategy=margin", "budget.initial=16", "budget.query=24", "budget.cycles=1")
    )
    ranked = first.loc[first["cycle"] == 1].sort_values("rank")["image"]
    expected = [image for image in ranked if image not in batch(ahead, 1)][:8]
    assert batch(ahead, 2) == set(expected)


@pytest.mark.parametrize("start", ["typiclust", "coreset"])
def test_a_strategy_that_begins_chooses_the_first_batches_one_after_the_other(
    small: Callable[..., DictConfig], start: str
) -> None:
    found = queries(small("strategy=margin", "budget.ahead=1", f"budget.start={start}"))
    assert not found["image"].duplicated().any()
    assert found.groupby("cycle").size().tolist() == [16, 16, 16]


@pytest.mark.parametrize("start", ["random", "typiclust"])
def test_batches_that_people_label_ahead_are_of_few_images_of_a_coil(
    small: Callable[..., DictConfig], start: str
) -> None:
    given = (
        "strategy=margin",
        "strategy.per_group=1",
        f"budget.start={start}",
        "budget.initial=6",
        "budget.query=6",
    )
    ahead = queries(small("study=ahead", "budget.ahead=1", *given))
    coils = ahead["image"].str.partition("_")[0]
    for number in (0, 1, 2):
        assert coils[ahead["cycle"] == number].is_unique
    if start == "random":
        alone = queries(small("study=alone", *given))
        without = queries(small("study=without", *given, "strategy.per_group=null"))
        assert batch(alone, 0) == batch(without, 0), "a starting set is the same for all strategies"


def test_whole_groups_cannot_be_planned_ahead(small: Callable[..., DictConfig]) -> None:
    with pytest.raises(UserError, match=r"strategy\.groups .* which budget\.ahead cannot plan"):
        run(small("strategy=margin", "strategy.groups=2", "budget.ahead=1"))
