"""Run one active-learning experiment, or a grid of them.

python -m coilal.train
python -m coilal.train -m strategy=random,margin seed=0,1,2
python -m coilal.train -m experiment=study
python -m coilal.train --help
"""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, run_main, shows_errors
from coilal.runs.rules import refuse_secret_overrides
from coilal.sweep.rows import ensure_one_cell


@hydra.main(config_path=conf_folder(), config_name="train")
@shows_errors
def main(cfg: DictConfig) -> float:
    """Run the experiment that the settings describe; return the validation AULC, the sweeper's objective."""
    hydra_settings = HydraConfig.get()
    ensure_one_cell(hydra_settings)
    refuse_secret_overrides([*hydra_settings.overrides.task, *hydra_settings.overrides.hydra])
    from coilal.runs.run import run

    return run(cfg)


if __name__ == "__main__":
    run_main(main)
