"""Real label tables and real inspection images, where they are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from PIL import Image

from coilal.demo.renderer import catalogue_for, photographs
from coilal.run_directory.files import read_status
from coilal.run_directory.store import read_cycles
from coilal.runs.run import run
from tests.run_folders import run_folder

Composed = Callable[..., DictConfig]
FAULTS = ["1_Doppelwindung", "2_Luecke", "3_Kreuzung"]


@pytest.fixture
def quick(composed: Composed, tmp_path: Path, cache: Path) -> Composed:
    settings = ["budget=small", "trainer.max_epochs=5", f"outputs={tmp_path}/outputs", f"cache.dir={cache}"]
    return lambda *overrides: composed(*settings, *overrides)


@pytest.fixture(scope="module")
def real_tables(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered images of the real names with the real labels, two of each combination and coil; both tables."""
    folder = tmp_path_factory.mktemp("real")
    reference = shared / "reference" / "coil"
    labels = pd.read_csv(reference / "40_coils_multilabel.csv")
    coil = labels["Image"].str[:8].rename("coil")
    part = labels.groupby([coil, *FAULTS]).head(2)  # every combination of every coil
    part.to_csv(folder / "multilabel.csv", index=False)
    classes = pd.read_csv(reference / "40_coils_multiclass.csv", index_col=0)
    classes[classes["Image"].isin(part["Image"])].to_csv(folder / "multiclass.csv")
    (folder / "images").mkdir()
    known = catalogue_for(part["Image"].tolist(), part[FAULTS].to_numpy(np.uint8), seed=5)
    for name, photo in zip(part["Image"], photographs(known, list(range(len(part)))), strict=True):
        Image.fromarray(photo).resize((186, 122)).save(folder / "images" / name, quality=90)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("table", ["multilabel", "multiclass"])
@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_the_real_coil_tables_work_as_they_are(table: str, task: str, real_tables: Path, quick: Composed) -> None:
    cfg = quick(
        "data=coils",
        f"data.root={real_tables / 'images'}",
        f"data.labels={real_tables / table}.csv",
        "data.image.size=[112,84]",
        f"task={task}",
        "strategy=entropy",
    )
    run(cfg)
    assert read_status(run_folder(cfg))["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task", "strategy"),
    [("magnetic_tile", "multiclass", "margin"), ("deep_pcb", "multilabel", "avg_confidence")],
)
def test_public_inspection_images_with_imagenet_weights(
    name: str, task: str, strategy: str, shared: Path, quick: Composed
) -> None:
    cfg = quick(
        "data=coils",
        f"data.root={shared / 'data' / name}",
        f"task={task}",
        f"strategy={strategy}",
        "model=mobilenet",
        f"model.weights={shared / 'weights' / 'mobilenetv2_100_imagenet.safetensors'}",
        "+model.trunk.arguments.pad_type=same",
        "model.normalisation.mean=[0.5,0.5,0.5]",
        "model.normalisation.std=[0.5,0.5,0.5]",
        "data.image.size=[112,112]",
        "budget.labelled=[60,400]",
        "trainer.max_epochs=30",
    )
    run(cfg)
    cycles = read_cycles(run_folder(cfg))
    assert cycles["test/macro_f1"].iloc[1] > cycles["test/macro_f1"].iloc[0]
    assert read_status(run_folder(cfg))["weights"] != "random"
