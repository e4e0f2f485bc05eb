"""Write rendered coil images with label tables in the real format.

``python -m coilal.render --out DIR [--coils 40 --images-per-coil 32 --seed 0 --format jpg|png]``
``python -m coilal.render --out DIR --table labels.csv [--limit N]`` renders pictures for a real label table.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from coilal.common.cli import run_main
from coilal.common.machine import ensure_writable, writing
from coilal.common.types import UserError
from coilal.data.files import CONTACT_SHEET
from coilal.demo.renderer import Catalogue, catalogue, catalogue_for
from coilal.demo.rendering import read_table, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and write the data set; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        pictures = _planned(options)
        ensure_writable(options.out, "Choose another --out.")
        _prepare(options.out, options.force)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        write(pictures, options.out, options.format)
    except UserError as error:  # the machine's: a full disk, …
        print(f"error: {error} It needs --force, because {options.out} holds a part now.", file=sys.stderr)
        return 2
    print(f"{len(pictures)} images, labels.csv, labels_multiclass.csv and {CONTACT_SHEET} in {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m coilal.render", description="Render wound-coil images.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--coils", type=int, default=40)
    parser.add_argument("--images-per-coil", type=int, default=32, help="a multiple of 4, up to 960")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=("jpg", "png"), default="jpg")
    parser.add_argument("--table", type=Path, help="render pictures for this multilabel table")
    parser.add_argument("--limit", type=int, help="only the first rows of --table")
    parser.add_argument("--force", action="store_true", help="replace the content of a folder that is not empty")
    return parser


def _planned(options: argparse.Namespace) -> Catalogue:
    if options.limit is not None and (options.table is None or options.limit < 1):
        raise UserError("--limit needs --table and a number of rows, 1 or more.")
    if options.table is None:
        return catalogue(options.coils, options.images_per_coil, options.seed)
    names, labels = read_table(options.table)
    return catalogue_for(names[: options.limit], labels[: options.limit], options.seed)


def _prepare(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another --out.")
    if folder.exists() and any(folder.iterdir()):
        if not force:
            raise UserError(f"{folder} is not empty; choose another --out, or --force to replace its content.")
        shutil.rmtree(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    run_main(main)
