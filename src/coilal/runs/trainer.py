"""Lightning's trainer, as a run needs it."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger

from coilal.common.instantiate import instantiate
from coilal.common.types import UserError
from coilal.runs.precision import ensure_as_asked, set_tf32
from coilal.runs.settings import Settings


def build_trainer(settings: Settings) -> Trainer:
    """Return Lightning's trainer; it writes nothing before it fits.

    Raises:
        UserError: Lightning refuses a setting of the trainer, or this machine lacks what it asks for.
    """
    try:
        trainer: Trainer = instantiate(
            settings.trainer,
            # Signals belong to submitit: found by itself, Lightning's SLURM environment would requeue the job, too.
            plugins=[LightningEnvironment()],
            logger=False,  # of runs that are trained side by side each has its own
            default_root_dir=settings.folder(),
            num_sanity_val_steps=0,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, InstantiationException, ImportError, TypeError, ValueError) as error:
        reason = str(error).removesuffix("full_key: trainer").strip()  # Hydra adds where it was building
        raise UserError(f"the trainer cannot be built with these settings (trainer.…): {reason}") from error
    if (devices := trainer.num_devices * trainer.num_nodes) > 1:
        raise UserError(
            f"this trainer would start {devices} processes for one run (trainer.devices, trainer.num_nodes), and a "
            "run takes one: set trainer.devices=1, and no num_nodes. A grid (-m) uses all GPUs, one a run."
        )
    ensure_as_asked(settings.trainer["precision"], trainer.precision_plugin)
    set_tf32(settings.tf32, trainer.strategy.root_device)
    return trainer


def build_loggers(settings: Settings) -> list[Logger]:
    """Return where a run's metrics go besides the run directory.

    Raises:
        UserError: one of them cannot be built with its settings.
    """
    try:
        return [instantiate(_in_place(logger, settings)) for logger in settings.loggers]
    except (MisconfigurationException, InstantiationException, ImportError, TypeError, ValueError) as error:
        reason = str(error).strip()
        raise UserError(f"a logger cannot be built with these settings (logger.…): {reason}") from error


def _in_place(logger: Any, settings: Settings) -> dict[str, Any]:
    """Return a logger's settings with the run's directory as it lies, which of an earlier version has no split."""
    named, lies = (settings.outputs / settings.study / str(settings.run_name())), settings.folder()
    return {
        key: str(lies) if isinstance(value, str) and Path(value) == named else value
        for key, value in logger.items()
    }


def quieten_libraries() -> None:
    """Hide what a user can do nothing about; what the trainer uses is logged by the run itself."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)  # tips, "fit stopped"
    logging.getLogger("timm").setLevel(logging.WARNING)  # "loading from …"; weights are logged by the run
    warnings.filterwarnings("ignore", message="The number of training batches")  # a cycle is one point of the log
    warnings.filterwarnings("ignore", message="The `srun` command is available")  # grids go through submitit
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
