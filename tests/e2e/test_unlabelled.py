"""Images without a label, and a split that the data give: checked, refused where labels are needed, and run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from PIL import Image

from coilal.common.instantiate import instantiate
from coilal.common.types import ImageFormat, Samples, UserError
from coilal.data.splits import PARTS
from coilal.demo.rendered import RenderedCoils
from coilal.demo.rendering import LABEL_COLUMNS
from coilal.run_directory.files import read_status
from coilal.runs.prepare import Prepared, check, prepare
from coilal.runs.run import run
from coilal.runs.settings import Settings
from coilal.runs.shared import forget
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

POOL = "data.source.unlabelled=pool"
Start = Callable[..., DictConfig]


@pytest.fixture
def rendered(cache: Path, tmp_path: Path) -> tuple[Path, Samples]:
    """The images of the other tests' rendered coils as files, and what is known of them."""
    source = RenderedCoils(coils=12, images_per_coil=16, seed=0)
    samples = source.read()
    pixels = source.decode(samples, ImageFormat((56, 42)), cache).pixels
    folder = tmp_path / "images"
    folder.mkdir()
    names = tuple(f"{Path(name).stem}.png" for name in samples.names)
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image[0]).save(folder / name)
    return folder, replace(samples, names=names)


@pytest.fixture
def start(
    composed: Callable[..., DictConfig], rendered: tuple[Path, Samples], tmp_path: Path, cache: Path
) -> Start:
    def settings(*overrides: str) -> DictConfig:
        forget()  # as a new process
        return composed(
            "data=coils",
            f"data.root={rendered[0]}",
            f"data.labels={tmp_path}/labels.csv",
            "data.image.size=[56,42]",
            "task=multilabel",
            "budget.initial=16",
            "budget.query=16",
            "budget.cycles=1",
            "trainer.max_epochs=2",
            "trainer.accelerator=cpu",
            f"outputs={tmp_path}/outputs",
            f"cache.dir={cache}",
            *overrides,
        )

    return settings


@pytest.fixture
def table(rendered: tuple[Path, Samples], tmp_path: Path) -> pd.DataFrame:
    """A table of labels; a test writes it as it likes."""
    _, samples = rendered
    found = pd.DataFrame(samples.labels, columns=[*LABEL_COLUMNS]).astype(str)
    found.insert(0, "Image", list(samples.names))
    save(found, tmp_path)
    return found


def save(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "labels.csv", index=False)


def for_task(table: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the table, for a multiclass task with a class for its labels."""
    if task == "multilabel":
        return table
    is_faulty = (table[[*LABEL_COLUMNS]] == "1").any(axis=1)
    return table[["Image"]].assign(label=np.where(is_faulty, "faulty", "good"))


def third_emptied(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without the labels of every third row."""
    changed = table.copy()
    changed.loc[::3, changed.columns != "Image"] = ""
    return changed


def prepared(cfg: DictConfig) -> Prepared:
    return prepare(Settings.of(cfg), instantiate(cfg.task.module), instantiate(cfg.budget))


def with_split(table: pd.DataFrame, start: Start) -> pd.DataFrame:
    """Return the table with a column of parts, which are not those that would be drawn."""
    drawn = prepared(start())
    other = ("train", "test", "Val")
    assert PARTS == ("pool", "validation", "test")
    return table.assign(split=[other[part] for part in drawn.placed.part.tolist()])


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_by_default_rows_without_a_label_are_as_if_they_were_not_there(
    start: Start, table: pd.DataFrame, tmp_path: Path, task: str
) -> None:
    labels = for_task(table, task)
    save(third_emptied(labels), tmp_path)
    dropped = prepared(start(f"task={task}"))
    save(labels.drop(labels.index[::3]), tmp_path)
    absent = prepared(start(f"task={task}"))
    assert dropped.samples.names == absent.samples.names
    assert dropped.placed.part.tolist() == absent.placed.part.tolist()
    pd.testing.assert_frame_equal(dropped.counts, absent.counts)
    assert any("64 rows without a label are left out" in note for note in dropped.samples.notes)


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_a_check_keeps_them_in_the_pool_and_a_run_refuses_to_ask_for_them(
    start: Start, table: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    save(third_emptied(for_task(table, task)), tmp_path)
    caplog.set_level(logging.INFO)
    check(start(POOL, f"task={task}"))
    found = prepared(start(POOL, f"task={task}"))
    in_pool, pool = int(found.counts.loc["pool", "unlabelled"]), len(found.split.pool)
    assert 0 < in_pool < 64
    assert found.counts["unlabelled"].tolist() == [in_pool, 0, 0, in_pool]
    assert "64 rows without a label are kept" in caplog.text
    assert f"{in_pool} of {pool} images of the pool have no label" in caplog.text
    assert f"{64 - in_pool} images without a label are left out" in caplog.text
    assert found.targets.is_labelled[np.concatenate([found.split.validation, found.split.test])].all()

    cfg = start(POOL, f"task={task}", f"cache.dir={tmp_path}/empty")
    with pytest.raises(
        UserError, match=f"^{in_pool} of {pool} images of the pool have no label, .*unlabelled=drop"
    ):
        run(cfg)
    assert not run_folder(cfg).exists()
    assert not list((tmp_path / "empty").rglob("*.npy")), "no image was decoded to say so"


def test_a_run_whose_pool_is_labelled_leaves_out_the_unlabelled_of_other_parts(
    start: Start, table: pd.DataFrame, tmp_path: Path
) -> None:
    given = with_split(table, start)
    emptied = (given["split"] == "test") & (np.arange(len(given)) % 3 == 0)
    given.loc[emptied, [*LABEL_COLUMNS]] = ""
    save(given, tmp_path)
    run(start(POOL))
    counts = pd.read_csv(run_folder(start()) / "splits.csv", index_col="part")
    assert counts.loc["test", "images"] == ((given["split"] == "test") & ~emptied).sum()
    assert "unlabelled" not in counts


def test_a_given_split_is_used_as_it_is_and_shares_of_a_split_do_not_matter(
    start: Start, table: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = with_split(table, start)
    save(given, tmp_path)
    caplog.set_level(logging.INFO)
    run(start())
    assert "train means pool" in caplog.text
    assert "Val means validation" in caplog.text
    assert "nothing is drawn, and data.split and split do not matter" in caplog.text
    counts = pd.read_csv(run_folder(start()) / "splits.csv", index_col="part")
    assert [counts.loc[part, "images"] for part in PARTS] == [
        (given["split"] == name).sum() for name in ("train", "Val", "test")
    ]
    (record,) = Path(start().records).glob("images-*")
    parts = pd.read_csv(record, dtype=str).set_index("image")["part"]
    meant = given["split"].map({"train": "pool", "Val": "validation", "test": "test"})
    assert dict(parts) == dict(zip(given["Image"], meant, strict=True))
    assert not list(Path(start().records).glob("split-*")), "the study has drawn none"

    caplog.clear()
    run(start("data.split.test=0.4"))
    assert "is finished; skipped" in caplog.text
    with pytest.raises(UserError, match="there is no other than split=0"):
        run(start("split=7"))


def test_a_changed_given_split_is_told(start: Start, table: pd.DataFrame, tmp_path: Path) -> None:
    given = with_split(table, start)
    save(given, tmp_path)
    run(start())
    coil = given.loc[given["split"] == "test", "Image"].iloc[0][:8]
    of_coil = given["Image"].str.startswith(coil)
    save(given.assign(split=given["split"].mask(of_coil, "train")), tmp_path)
    with pytest.raises(UserError, match=f"another part of the split.*\n  {coil}.*: test → pool") as finished:
        run(start())
    assert "another study=…" in str(finished.value)
    save(table, tmp_path)
    with pytest.raises(UserError, match="the split was given by the data, and is not any more"):
        run(start())
    save(given, tmp_path)
    assert read_status(run_folder(start()))["state"] == "done"
    assert run(start()) is not None


def test_a_column_that_gave_no_split_before_can_be_left_alone(
    start: Start, table: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    value = run(start())
    save(with_split(table, start), tmp_path)
    with pytest.raises(UserError, match=r"data\.source\.split_column"):
        run(start())
    caplog.set_level(logging.INFO)
    assert run(start("data.source.split_column=null")) == value
    assert "is finished; skipped" in caplog.text


def test_groups_on_two_sides_of_a_given_split_are_refused(
    start: Start, table: pd.DataFrame, tmp_path: Path
) -> None:
    given = with_split(table, start)
    first = given.index[given["split"] == "test"][0]
    given.loc[first, "split"] = "pool"
    save(given, tmp_path)
    with pytest.raises(UserError, match=rf"two parts of the split.*\n  {given['Image'][first][:8]}: pool, test"):
        check(start())
