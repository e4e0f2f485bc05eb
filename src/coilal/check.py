"""Check settings, images, labels, splits and budget without training.

python -m coilal.check data=coils data.root=PATH
python -m coilal.check --help
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, run_documented, shows_errors
from coilal.common.typed import quoted

HELP = """\
Check settings, images, labels, splits and budget without training.

  python -m coilal.check data=coils data.root=FOLDER data.labels=TABLE.csv
  python -m coilal.check data=folder data.root=FOLDER

Takes the settings of a run (python -m coilal.train --help lists them), reads the label table, decodes every image
(once: the run finds them in the cache), draws the split, and prints the label counts of each part. All problems are
listed together, with file or line: settings that cannot be used; wrong or repeated rows; images that are missing,
damaged or equal; and, where the images are fine, classes absent from a part of the split and a budget larger than
the pool. Images without a label that are kept for the pool (data.source.unlabelled=pool) are counted; a run refuses
them. Writes no run directory and needs no model. Exit code: 0 no problem found, 2 problems found.

It shows a histogram of the grey levels that are stored, from black to white, of up to 1,000 images, and warns where
fewer than 32 of the 256 levels are left.

  python -m coilal.check data=folder data.root=FOLDER sheet=FILE.png

also writes a contact sheet (.png, .jpg or .jpeg) of what the network will see: the images as they are stored, up to
eight of each class or combination of labels, with class and name below. data.image.range, fit, mode and size decide
what that is."""


@hydra.main(config_path=conf_folder(), config_name="train")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Read and decode the data, split it, and report every problem; exit code 2 if there is one."""
    from coilal.runs.prepare import check

    sheet = cfg.get("sheet")
    check(cfg, None if sheet is None else Path(sheet).expanduser())


def with_sheet(arguments: Sequence[str]) -> list[str]:
    """Return the arguments for Hydra: ``sheet=FILE``, as the shell passes it, becomes a setting that is added."""
    return [_added(argument) if argument.startswith("sheet=") else argument for argument in arguments]


def _added(argument: str) -> str:
    key, _, file = argument.partition("=")
    if not file or file[0] in "'\"":  # in Hydra's quotes already
        return f"+{argument}"
    return f"+{key}={quoted(file)}"


if __name__ == "__main__":
    run_documented(main, HELP, with_sheet(sys.argv[1:]))
