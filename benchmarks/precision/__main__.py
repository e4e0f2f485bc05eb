"""What precision costs: features in TF32, bf16 and float16 against float32, and what active learning makes of them.

python -m benchmarks.precision --weights FILE --shared FOLDER      # minutes on two cores
"""

from __future__ import annotations

import argparse
import datetime
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.precision.document import document
from benchmarks.precision.measured import Change, change
from benchmarks.precision.runs import Study
from benchmarks.precision.variants import VARIANTS, Variant, extract
from benchmarks.process import REPOSITORY
from benchmarks.specs import mobilenet

STRATEGIES, SEEDS = ("margin", "entropy"), range(10)
IMAGES = ["data.image.size=[224,224]"]

log = logging.getLogger(__name__)


def main() -> None:
    """Measure all variants on all data that are at hand, and write the document."""
    given = parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.monotonic()
    tables = {}
    for study in studies(given.weights, given.shared, given.work):
        tables[study.name] = measure(study, device)
        minutes = (time.monotonic() - began) / 60
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        written = f"{machine.describe()} Device of the extraction: {device.type}. {date}, {minutes:.0f} minutes."
        given.out.write_text(document(tables, written), encoding="utf-8")
        print(f"{study.name}: see {given.out}", flush=True)


def studies(weights: Path, shared: Path | None, work: Path) -> Iterator[Study]:
    """Yield the data that are at hand: rendered coils, and magnetic tiles where somebody has them."""
    common = [*mobilenet(weights), *IMAGES, f"cache.dir={work.absolute()}"]
    yield Study("rendered coils", ["data=coils_rendered", *common], STRATEGIES, SEEDS)
    tiles = shared.absolute() / "data" / "magnetic_tile" if shared else None
    if tiles and tiles.exists():
        yield Study("magnetic tile", ["data=coils", f"data.root={tiles}", *common], STRATEGIES, SEEDS)


def measure(study: Study, device: torch.device) -> tuple[int, dict[str, Change]]:
    """Return the number of images, and how each variant differs from the first one."""
    images, backbone = study.prepared.images.pixels, study.backbone()
    changes: dict[str, Change] = {}
    computed: dict[Variant, NDArray[np.float32]] = {}
    reference = None
    for variant in VARIANTS:
        began = time.monotonic()
        if variant.computed not in computed:
            computed[variant.computed] = extract(backbone, images, variant, device)
        inputs = study.head_inputs(variant.as_stored(computed[variant.computed]))
        extracted = time.monotonic() - began
        found = inputs.rows.boundary, study.run(inputs, variant.redrawn)
        reference = reference or found
        changes[variant.name] = change(*found, *reference)
        trained = time.monotonic() - began - extracted
        log.info("%s · %s: extracted in %.0f s, trained in %.0f s", study.name, variant.name, extracted, trained)
    return len(images), changes


def parse(told: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="ImageNet weights of timm's mobilenetv2_100")
    parser.add_argument("--shared", type=Path, help="folder with data/magnetic_tile")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "outputs" / "precision", help="decoded images")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "PRECISION.md")
    return parser.parse_args(told)


if __name__ == "__main__":
    main()
