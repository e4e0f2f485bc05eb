"""The part of status.json that is known when a run starts."""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilal.run_directory.chosen_on import CHOSEN_ON, Seen
from coilal.run_directory.files import now
from coilal.runs.chosen_on import seen_by_the_search

if TYPE_CHECKING:
    from coilal.runs.prepare import Prepared
    from coilal.runs.settings import Settings

LIBRARIES = (
    "coilal",
    "torch",
    "pytorch-lightning",
    "timm",
    "transformers",
    "torchmetrics",
    "numpy",
    "pillow",
    "hydra-core",
)


def initial_status(settings: Settings, identity: str, prepared: Prepared, weights: str) -> dict[str, Any]:
    """Return identity, seeds, versions, data and weights (their fingerprint) of a run."""
    return {
        "state": "running",
        "identity": identity,
        "task": settings.task.name,
        "model": settings.model.name,
        "strategy": settings.strategy["name"],
        "seeds": {"seed": settings.seed, **asdict(settings.seeds)},
        "weights": weights,
        "hparams": settings.hparams.source,
        **_chosen_on(settings, prepared),
        "data": {
            "images": len(prepared.samples),
            **prepared.record.aspects,
            **prepared.record.given_split,
            "range": prepared.images.range,
            "record": prepared.record.file_name,
            "split": {part: len(ids) for part, ids in prepared.split.parts()},
            **_left_out(settings, prepared),
        },
        "versions": versions(),
        "git_commit": git_commit(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slurm_job": slurm_job(),
        "overrides": list(settings.overrides),
        "start": now(),
    }


def slurm_job() -> str | None:
    """Return the SLURM job that this process belongs to as squeue writes it (``12`` or ``12_3``), or None."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID")


def _chosen_on(settings: Settings, prepared: Prepared) -> dict[str, Seen]:
    """Return how many of the tested images the hyperparameters were chosen with, {} where that is none."""
    seen = seen_by_the_search(settings, prepared)
    return {CHOSEN_ON: seen} if seen else {}


def _left_out(settings: Settings, prepared: Prepared) -> dict[str, str]:
    """Return which value of which attribute the split leaves out, {} where it leaves none out."""
    by = settings.data.split.get("by")
    if by is None or prepared.samples.parts is not None or settings.config.get("label") is not None:
        return {}
    return {"left_out": f"{by}={prepared.samples.attributes[by][prepared.split.test[0]]}"}


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


@functools.cache
def git_commit() -> str | None:
    """Return the commit of the checkout that coilal runs from, ``+`` if it has changes; None elsewhere."""
    repository = Path(__file__).parents[3]
    if not (repository / ".git").exists():
        return None
    command = [
        "git",
        "-C",
        str(repository),
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=40",
        "--exclude=*",
    ]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    return result.stdout.strip() or None
