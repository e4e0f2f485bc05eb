"""From settings to checked data: what is said first where several things are wrong."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from coilal.common.instantiate import instantiate
from coilal.common.types import DataError
from coilal.runs.prepare import Prepared, check, describe, prepare
from coilal.runs.provenance import initial_status
from coilal.runs.refusals import kept_in
from coilal.runs.settings import Settings
from coilal.runs.study_split import read_split


@pytest.fixture
def folder(tmp_path: Path, composed: Callable[..., DictConfig]) -> DictConfig:
    """Two classes of six images, too few for the default budget; three images of one are damaged."""
    for seed in range(12):
        place = tmp_path / "data" / ("ok" if seed % 2 else "bent") / f"{seed}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(place)
    return composed("data=folder", f"data.root={tmp_path}/data", f"cache.dir={tmp_path}/cache")


def test_the_split_is_judged_when_the_files_are_fine(folder: DictConfig) -> None:
    damaged = Path(folder.data.root) / "bent/0.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:60])
    with pytest.raises(DataError) as error:
        check(folder)
    assert "0.png" in str(error.value)
    assert "pool" not in str(error.value)
    damaged.write_bytes(whole)
    with pytest.raises(DataError, match="starting set is larger than the pool"):
        check(folder)


def test_a_refusal_by_the_task_tells_what_was_taken_as_empty(
    tmp_path: Path, composed: Callable[..., DictConfig]
) -> None:
    rows = [f"{seed}.png,{'bad' if seed % 2 else '-'},g{seed}" for seed in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label,group", *rows]))
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{seed}.png")
    cfg = composed("data=coils", f"data.root={tmp_path}", f"cache.dir={tmp_path}/cache")
    with pytest.raises(DataError, match="needs at least 2 classes, the data have 1: bad") as error:
        check(cfg)
    assert "2 cells of column label hold '-', which means that there is no value" in str(error.value)
    cfg.data.source.no_value = []
    with pytest.raises(DataError, match="starting set is larger than the pool"):
        check(cfg)


def keep(settings: str, together: Barrier, times: int) -> None:
    cfg = OmegaConf.create(settings)
    prepared = prepare(Settings.of(cfg), instantiate(cfg.task.module), instantiate(cfg.budget))
    for number in range(times):
        together.wait(60)
        replace(prepared, split_file=Path(cfg.records) / str(number) / prepared.split_file.name).keep_records()


@pytest.mark.slow
def test_runs_that_begin_at_the_same_time_keep_the_records_of_their_study(
    small: Callable[..., DictConfig], tmp_path: Path
) -> None:
    cfg, times = small(f"records={tmp_path}/records"), 5
    context = multiprocessing.get_context("forkserver")
    together = context.Barrier(4)
    settings = OmegaConf.to_yaml(cfg, resolve=True)
    processes = [context.Process(target=keep, args=(settings, together, times)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    for number in range(times):
        files = {path.name.partition("-")[0]: path for path in (tmp_path / "records" / str(number)).glob("*.gz")}
        assert files.keys() == {"images", "split"}
        assert len(read_split(files["split"]).rows) == 12 * 16


@pytest.mark.parametrize(("kind", "limits"), [(np.uint8, None), (np.uint16, (0, 220))])
def test_the_range_of_the_values_is_kept_with_the_run(
    folder: DictConfig, kind: type, limits: tuple[float, float] | None
) -> None:
    for number, file in enumerate(sorted(Path(folder.data.root).rglob("*.png"))):
        Image.fromarray(np.full((9, 9), 20 * number, kind)).save(file)
    folder.budget = {"_target_": "coilal.common.types.Budget", "initial": 1}
    folder.data.split = {"validation": 0.3, "test": 0.3}
    settings = Settings.of(folder)
    prepared = prepare(settings, instantiate(settings.task.module), instantiate(settings.budget))
    assert initial_status(settings, "id", prepared, "w")["data"]["range"] == limits


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (["data.split.by=type"], "no such attribute"),
        (["data.split.folds=13"], "in 12 groups"),
    ],
)
def test_a_split_that_cannot_be_is_told_before_images_are_decoded_and_once_a_launch(
    folder: DictConfig, composed: Callable[..., DictConfig], tmp_path: Path, settings: list[str], what: str
) -> None:
    (Path(folder.data.root) / "bent/0.png").write_bytes(b"damaged")
    cfg = composed("data=folder", f"data.root={folder.data.root}", f"cache.dir={folder.cache.dir}", *settings)
    with kept_in(tmp_path / "launch"):
        with pytest.raises(DataError, match=what):
            check(cfg)
        for file in Path(folder.data.root).rglob("*.png"):
            file.unlink()
        with pytest.raises(DataError, match=what):
            check(cfg)


def labelled(root: Path, groups: int) -> None:
    """Write groups of two images, one of each class, and their table with three types."""
    root.mkdir(exist_ok=True)
    rows = ["image,label,group,type"]
    for number in range(2 * groups):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        group = number // 2
        rows.append(f"{number}.png,{'ok' if number % 2 else 'bent'},c{group},{'xyz'[group % 3]}")
    (root / "labels.csv").write_text("\n".join(rows))


def prepared_split(composed: Callable[..., DictConfig], tmp_path: Path, *settings: str) -> Prepared:
    places = (f"data.root={tmp_path}/data", f"cache.dir={tmp_path}/cache", f"outputs={tmp_path}/outputs")
    cfg = composed("data=coils", *places, "budget.initial=2", "budget.query=1", "budget.cycles=1", *settings)
    read = Settings.of(cfg)
    prepared = prepare(read, instantiate(read.task.module), instantiate(read.budget))
    prepared.keep_records()
    return prepared


def test_folds_drawn_from_data_that_changed_do_not_test_a_group_twice(
    composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    folds = "data.split.folds=4"
    labelled(tmp_path / "data", 12)
    tested = {
        group
        for number in (0, 1)
        for prepared in [prepared_split(composed, tmp_path, folds, f"split={number}")]
        for group in np.asarray(prepared.samples.groups)[prepared.split.test].tolist()
    }
    assert len(tested) == 6
    labelled(tmp_path / "data", 19)
    with pytest.raises(DataError, match=r"of this study tests.*another study=…") as refused:
        prepared_split(composed, tmp_path, folds, "split=3")
    assert {place.partition(":")[0] for place in refused.value.problems[0].places} <= tested
    prepared_split(composed, tmp_path, folds, "split=5")  # another round
    prepared_split(composed, tmp_path, folds, "split=3", "study=another")
    labelled(tmp_path / "data", 12)
    prepared_split(composed, tmp_path, folds, "split=3")


def test_a_value_that_comes_in_does_not_let_two_splits_test_the_same(
    composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    labelled(tmp_path / "data", 12)
    for number in range(3):
        prepared_split(composed, tmp_path, "data.split.by=type", f"split={number}")
    labelled(tmp_path / "data", 15)
    table = tmp_path / "data/labels.csv"
    table.write_text(re.sub(r"(c1[234]),.", r"\1,a", table.read_text()))
    prepared_split(composed, tmp_path, "data.split.by=type", "split=2")  # drawn before: it stays
    with pytest.raises(DataError, match="though split 2 of this study tests them"):
        prepared_split(composed, tmp_path, "data.split.by=type", "split=3")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.split.by=type", "split=1"], "split 1 tests type y: 4 of 12 groups"),
        (["data.split.folds=4", "split=2"], "split 2 tests fold 3 of 4: 3 of 12 groups"),
        (["data.split.folds=4", "split=5"], "split 5 tests fold 2 of 4 (round 2): 3 of 12 groups"),
    ],
)
def test_the_log_says_what_is_tested(
    composed: Callable[..., DictConfig],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    settings: list[str],
    told: str,
) -> None:
    labelled(tmp_path / "data", 12)
    with caplog.at_level("INFO"):
        describe(prepared_split(composed, tmp_path, *settings))
    assert told in caplog.messages
