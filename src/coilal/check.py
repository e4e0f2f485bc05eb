"""Check images, labels, splits and budget without training.

python -m coilal.check data=coils data.root=PATH
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from coilal.cli import conf_folder, run_main


@hydra.main(config_path=conf_folder(), config_name="train")
def main(cfg: DictConfig) -> None:
    """Read and decode the data, split it, and report every problem; exit code 2 if there is one."""
    from coilal.prepare import check

    check(cfg)


if __name__ == "__main__":
    run_main(main)
