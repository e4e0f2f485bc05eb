"""How long ``coilal.predict`` takes for many images.

``python -m benchmarks.prediction 100000`` writes benchmarks/PREDICTION.md. The images are made up: 64 × 64, grey
JPEG, all different, forty views a coil. A small run (``model=tiny``) has learnt from 800 of their kind. The same
command is run three times: with an empty cache; with decoded images in it; with decoded images and features. What
the second takes longer than the third is extracting.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.evidence import measured
from benchmarks.machine import describe

RESULTS = Path(__file__).parent / "PREDICTION.md"
SIZE, VIEWS, LEARNT_FROM = 64, 40, 800
PASSES = (
    ("everything: reading, decoding, extracting, predicting, three tables", None),
    ("decoded images in the cache", "features"),
    ("decoded images and features in the cache", ""),
)


def write_images(folder: Path, number: int, seed: int) -> list[str]:
    """Write images of which every second coil has a bright spot; return their names."""
    folder.mkdir(parents=True)
    generator, names = np.random.default_rng(seed), []
    for place in range(number):
        coarse = generator.integers(40, 200, (8, 8), dtype=np.uint8)
        if place // VIEWS % 2:
            coarse[2:4, 2:4] = 255
        names.append(f"coil{place // VIEWS:05}_view{place % VIEWS:02}.jpg")
        Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / names[-1], quality=90)
    return names


def train(folder: Path) -> Path:
    """Return the directory of a run that has learnt from images of the kind."""
    rows = [
        f"{name},{'spot' if int(name[4:9]) % 2 else 'ok'}"
        for name in write_images(folder / "known", LEARNT_FROM, 1)
    ]
    (folder / "labels.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    given = {
        "data": "coils",
        "data.root": folder / "known",
        "data.labels": folder / "labels.csv",
        "data.image.size": f"[{SIZE},{SIZE}]",
        "data.source.group_pattern": "'^(coil[0-9]+)_'",
        "model": "tiny",
        "strategy": "random",
        "budget.cycles": 1,
        "cache.dir": folder / "cache",
        "outputs": folder / "outputs",
    }
    measured(["-m", "coilal.train", *(f"{key}={value}" for key, value in given.items())])
    return next((folder / "outputs").rglob("seed0"))


def rows_of(folder: Path, images: int) -> list[str]:
    """Measure; return the rows of the table."""
    run = train(folder)
    write_images(folder / "images", images, 2)
    cache = folder / "predicted"
    command = ["-m", "coilal.predict", f"run={run}", f"data.root={folder / 'images'}", f"cache.dir={cache}"]
    command += [f"out={folder / 'predictions.csv'}", "force=true"]
    rows = ["| | s | processor s | images a processor second | MB |", "|---|---|---|---|---|"]
    for what, forgotten in PASSES:
        if forgotten:
            shutil.rmtree(cache / forgotten)
        wall, processors, most, _ = measured(command)
        rows.append(f"| {what} | {wall:.0f} | {processors:.0f} | {images / processors:,.0f} | {most:,.0f} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="?", type=int, default=100_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(folder), images)
    text = f"# Predicting {images:,} images\n\n{__doc__}\n" + "\n".join(rows) + f"\n\n{describe()}\n"
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
