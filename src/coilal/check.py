"""Check settings, images, labels, splits and budget without training.

python -m coilal.check data=coils data.root=PATH
python -m coilal.check --help
"""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

from coilal.cli import conf_folder, run_main, shows_errors

HELP = """\
Check settings, images, labels, splits and budget without training.

  python -m coilal.check data=coils data.root=FOLDER data.labels=TABLE.csv
  python -m coilal.check data=folder data.root=FOLDER

Takes the settings of a run (python -m coilal.train --help lists them), reads the label table, decodes every image
(once: the run finds them in the cache), draws the split, and prints the label counts of each part. All problems are
listed together, with file or line: settings that cannot be used; wrong or repeated rows; images that are missing,
damaged or equal; and, where the images are fine, classes absent from a part of the split and a budget larger than
the pool. Writes no run directory and needs no model. Exit code: 0 no problem found, 2 problems found."""


@hydra.main(config_path=conf_folder(), config_name="train")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Read and decode the data, split it, and report every problem; exit code 2 if there is one."""
    from coilal.prepare import check

    check(cfg)


if __name__ == "__main__":
    if {"--help", "-h"} & set(sys.argv[1:]):
        run_main(lambda: print(HELP))  # Hydra's would be that of coilal.train
    else:
        run_main(main)
