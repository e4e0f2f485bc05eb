"""Strategies on features in whole runs: what they see, what they refuse, and how they begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig

from coilal.active.session import Batch, Choose, Session
from coilal.common.types import UserError
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs.prepare import check
from coilal.runs.run import run
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

Small = Callable[..., DictConfig]

ON_FEATURES = (
    "typiclust",
    "probcover",
    "maxherding",
    "coreset",
    "badge",
    "bait",
    "dropquery",
    "bald",
    "uherding",
    "oracle",
)


def queries(cfg: DictConfig) -> pd.DataFrame:
    run(cfg)
    return read_queries(run_folder(cfg))


def batches(cfg: DictConfig) -> Iterator[list[str]]:
    """Yield the groups of the images of each batch after the starting set."""
    found = queries(cfg)
    for _, batch in found[found["cycle"] > 0].groupby("cycle"):
        yield [image.partition("_")[0] for image in batch["image"]]


@pytest.mark.parametrize("strategy", ON_FEATURES)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_every_cycle_asks_for_other_images(small: Small, strategy: str, task: str) -> None:
    found = queries(small(f"strategy={strategy}", f"task={task}", "model.head.dropout=0.3"))
    assert found["image"].is_unique
    assert set(found["cycle"]) == {0, 1, 2}
    assert found.loc[found["cycle"] > 0, "score"].notna().all()


@pytest.mark.parametrize("strategy", ["bait", "badge", "typiclust"])
def test_blocks_may_be_trained(small: Small, strategy: str) -> None:
    found = queries(small(f"strategy={strategy}", "model.trainable=1", "budget.start=typiclust"))
    assert found["image"].is_unique
    assert set(found["cycle"]) == {0, 1, 2}


def test_a_starting_set_by_a_strategy_is_shared_and_depends_on_the_seed(small: Small) -> None:
    def start(*overrides: str) -> set[str]:
        found = queries(small(*overrides))
        return set(found.loc[found["cycle"] == 0, "image"])

    by_typiclust = start("strategy=random", "budget.start=typiclust")
    assert start("strategy=margin", "budget.start=typiclust") == by_typiclust
    assert start("strategy=coreset", "budget.start=typiclust") == by_typiclust
    assert start("strategy=random", "budget.start=typiclust", "seed=1") != by_typiclust
    assert start("strategy=random", "study=drawn") != by_typiclust


def test_at_most_so_many_images_of_a_coil_are_in_a_batch(small: Small) -> None:
    for batch in batches(small("strategy=margin", "strategy.per_group=2", "budget.query=8")):
        assert max(batch.count(group) for group in batch) <= 2
    plain = batches(small("strategy=margin", "study=plain", "budget.query=8"))
    assert any(max(batch.count(group) for group in batch) > 2 for batch in plain)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("strategy=bald", "model.head.dropout=0"), "model.head.dropout is 0: all passes would be the same"),
        (("strategy=uherding", "model.trainable=1"), "trains further heads in each cycle"),
        (("strategy=uherding", "+trainer.gradient_clip_val=1"), "trainer.gradient_clip_val=1 may act on the"),
        (("strategy=oracle", "strategy.per_group=2"), "tries whole batches"),
        (
            ("strategy=badge", "strategy.groups=2"),
            "needs a score for each image, which strategy=badge does not give",
        ),
        (("strategy.groups=2", "strategy.per_group=2"), "strategy.groups asks for whole groups"),
        (("strategy=oracle", "score_validation=false"), "score_validation must be true"),
        (("budget.start=entropy",), "choose random, stratified, or a strategy that looks at features alone"),
        (("budget.start=nearest",), "coreset, maxherding, probcover, typiclust"),
        (("strategy.per_group=0",), "strategy.per_group is 0; allowed: a whole number, 1 or more, or null"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    small: Small, overrides: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        run(small(*overrides))
    assert not [*tmp_path.rglob("status.json")]


def test_a_start_that_cannot_be_is_found_by_the_check_too(small: Small) -> None:
    with pytest.raises(UserError, match="choose random, stratified, or a strategy that looks at features alone"):
        check(small("budget.start=entropy"))


@pytest.mark.parametrize("strategy", ["badge", "typiclust", "uherding", "oracle"])
def test_a_run_that_is_cut_off_asks_for_the_same(
    small: Small, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = queries(small(f"strategy={strategy}", "study=whole"))
    cfg, ask = small(f"strategy={strategy}", "study=cut"), Session.ask

    def dies(self: Session, choose: Choose | None = None, ahead: int = 0) -> Batch:
        if len(self.batches) == 2:  # after the second training
            raise RuntimeError("the machine is gone")
        return ask(self, choose, ahead)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "ask", dies)
        with pytest.raises(RuntimeError, match="the machine is gone"):
            run(cfg)
    pd.testing.assert_frame_equal(queries(cfg), expected)


@pytest.mark.parametrize("error_rate", [0, 0.2])
def test_what_the_upper_bound_has_tried_is_what_the_next_cycle_reaches(small: Small, error_rate: float) -> None:
    cfg = small("strategy=oracle", f"oracle.error_rate={error_rate}")
    found = queries(cfg)
    reached = read_cycles(run_folder(cfg))["val/macro_f1"]
    for cycle, batch in found[found["cycle"] > 0].groupby("cycle"):
        assert batch["score"].astype(float).tolist() == pytest.approx([reached[cycle]] * len(batch), abs=1e-12)


def test_whole_coils_are_asked_for_until_none_is_left(small: Small) -> None:
    cfg = small("strategy=margin", "strategy.groups=3", "budget.cycles=9")
    found = list(batches(cfg))
    assert [len(set(batch)) for batch in found[:-1]] == [3] * (len(found) - 1)
    taken = [group for batch in found for group in set(batch)]
    assert len(taken) == len(set(taken)), "nothing of a coil is left"
    cycles = read_cycles(run_folder(cfg))
    assert len(cycles) == len(found) + 1 < 10
    assert cycles["labelled"].iloc[-1] == len(queries(cfg))
