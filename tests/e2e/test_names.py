"""Names that are words of our own, or signs of the formats we write, from the table to the report."""

from __future__ import annotations

import csv
import html
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import DictConfig

from coilal.common.instantiate import instantiate
from coilal.evidence.reading import Run, read_runs, run_folders
from coilal.evidence.report import write_report
from coilal.evidence.report_settings import ReportSettings
from coilal.report import images_of
from coilal.run_directory.store import read_queries
from coilal.runs.prepare import prepare
from coilal.runs.run import run
from coilal.runs.settings import Settings
from tests.inputs.given import images

pytestmark = pytest.mark.slow

CLASSES = [
    *(
        "images",
        "groups",
        "part",
        "cycle",
        "strategy",
        "none",
        "a+b",
        "$x_1$ [/b]",
        "Lücke, <5 µm>",
        "_hidden",
        "0",
    ),
    *("1_1", 'say "no"', "it's", "a/b", "escape rate", "nan"),
]
LABELS = ["images", "part", "cycle", "$y$", "Lücke <5 µm>", "_hidden", "0", "it's", "a/b"]
SETTINGS = [
    "data=coils",
    "model=tiny",
    "data.image.size=[32,32]",
    "budget.initial=20",
    "budget.query=20",
    "budget.cycles=1",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "data.source.no_value=[]",
]


def write_table(folder: Path, header: list[str], rows: list[list[str]]) -> None:
    images(folder, [f"i{number}.png" for number in range(len(rows))])
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", *header, "group"])
        writer.writerows([f"i{number}.png", *row, f"g{number}"] for number, row in enumerate(rows))


@pytest.fixture
def report(
    composed: Callable[..., DictConfig], tmp_path: Path, cache: Path
) -> Callable[..., tuple[Run, pd.DataFrame, str]]:
    """Run two strategies and return a run, the mix of classes and the page of the report."""

    def made(*overrides: str) -> tuple[Run, pd.DataFrame, str]:
        outputs = tmp_path / "outputs"
        for strategy in ("random", "entropy"):
            places = [f"data.root={tmp_path / 'data'}", f"outputs={outputs}", f"cache.dir={cache}", "study=s"]
            run(composed(*SETTINGS, *overrides, f"strategy={strategy}", *places))
        settings = ReportSettings(resamples=100, gallery=1)
        page, _ = write_report(outputs, ["s"], tmp_path / "report", settings, images_of)
        (mix,) = (tmp_path / "report").rglob("class_mix.csv")
        found = next(iter(read_runs(run_folders(outputs / "s"), "test/macro_f1")))
        assert isinstance(found, Run)
        table = pd.read_csv(mix, header=None, dtype=str, keep_default_na=False)
        return found, table, page.read_text(encoding="utf-8")

    return made


def test_classes_of_any_name(tmp_path: Path, report: Callable[..., tuple[Run, pd.DataFrame, str]]) -> None:
    write_table(tmp_path / "data", ["label"], [[name] for name in CLASSES for _ in range(10)])
    done, mix, page = report()
    assert set(done.pool) == set(CLASSES)
    assert sum(done.pool.values()) == done.pool_size
    assert set(read_queries(done.folder)["label"]) <= set(CLASSES)
    assert mix.iloc[0].tolist() == ["cycle", *done.pool, "strategy"]
    shares = mix.iloc[1:, 1:-1].astype(float).sum(axis=1)
    assert shares.round(9).tolist() == [1.0] * 4, "no class is left out"
    assert html.escape("Lücke, <5 µm>") in page
    assert "<5 µm>" not in page


def test_labels_of_any_name(tmp_path: Path, report: Callable[..., tuple[Run, pd.DataFrame, str]]) -> None:
    count = len(LABELS)
    rows = [[str(int(label in (k % count, k // count % count))) for label in range(count)] for k in range(120)]
    write_table(tmp_path / "data", LABELS, rows)
    done, mix, _ = report("task=multilabel", "data.source.image_column=image")
    assert list(done.pool) == LABELS
    assert mix.iloc[0].tolist() == ["cycle", *LABELS, "strategy"]
    queries = read_queries(done.folder)
    first = queries[queries["cycle"] == 0]["label"].str.split("+")
    assert mix.iloc[1, 1:-1].astype(float).tolist() == pytest.approx(
        [first.map(lambda labels, name=name: name in labels).mean() for name in LABELS]
    )


def test_a_column_of_a_name_that_is_no_label_can_be_left_out_by_number(
    composed: Callable[..., DictConfig], tmp_path: Path, cache: Path
) -> None:
    rows = [[str(k % 2), str(k // 2 % 2), "x"] for k in range(80)]
    write_table(tmp_path / "data", ["scratch", "0", "5"], rows)
    places = [f"data.root={tmp_path / 'data'}", f"cache.dir={cache}"]
    cfg = composed(*SETTINGS, "task=multilabel", "data.source.ignored_columns=['5']", *places)
    prepared = prepare(Settings.of(cfg), instantiate(cfg.task.module), instantiate(cfg.budget))
    assert prepared.samples.label_names == ("scratch", "0")
