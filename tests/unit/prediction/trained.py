"""A folder of rendered coils with a label table, and runs that have learnt from it, in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

from coilal.common.cli import conf_folder
from coilal.common.types import ImageFormat, joined
from coilal.demo.rendered import RenderedCoils
from coilal.demo.rendering import LABEL_COLUMNS
from coilal.runs.run import run
from coilal.runs.settings import Settings

SIZE = (56, 42)
SMALL = (
    "data.image.size=[56,42]",
    "budget.initial=24",
    "budget.query=24",
    "budget.cycles=1",
    "trainer.max_epochs=8",
    "trainer.accelerator=cpu",
    "strategy=entropy",
)


def write_coils(folder: Path, cache: Path, deep: bool = False) -> None:
    """Write 12 coils of 16 views, and labels.csv beside the folder; as 16-bit images if ``deep``."""
    source = RenderedCoils(coils=12, images_per_coil=16, seed=0)
    samples = source.read()
    pixels = source.decode(samples, ImageFormat(SIZE), cache).pixels
    folder.mkdir(parents=True)
    names = [f"{Path(name).stem}.png" for name in samples.names]
    for name, image in zip(names, np.array(pixels), strict=True):
        stored = image[0].astype(np.uint16) * 12 + 300 if deep else image[0]
        Image.fromarray(stored).save(folder / name)
    assert samples.labels is not None
    table = pd.DataFrame(samples.labels, columns=[*LABEL_COLUMNS])
    table.insert(0, "Image", names)
    table.to_csv(folder.parent / "labels.csv", index=False)


def write_class_folders(folder: Path, source: Path) -> None:
    """Write the images of a folder anew, in a folder for those with a fault and one for the others."""
    table = pd.read_csv(source.parent / "labels.csv")
    for name, is_faulty in zip(table["Image"], table[[*LABEL_COLUMNS]].any(axis=1), strict=True):
        place = folder / ("faulty" if is_faulty else "ok") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((source / name).read_bytes())


def train(outputs: Path, cache: Path, *overrides: str) -> Path:
    """Run an experiment, and return its directory."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        cfg = compose("train", [*SMALL, f"outputs={outputs}", f"cache.dir={cache}", *overrides])
        run(cfg)
        return Settings.of(cfg).folder()


def labels_of(folder: Path) -> dict[str, str]:
    """Return the labels of each image, joined, from the table beside the folder."""
    table = pd.read_csv(folder.parent / "labels.csv")
    names = ("double_winding", "gap", "crossover")
    return {row[0]: joined(names, row[1:]) for row in table.itertuples(index=False)}
