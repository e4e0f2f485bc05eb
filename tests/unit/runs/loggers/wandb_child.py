"""The process that the tests of W&B kill: one run, with a bomb before or after a cycle is logged."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import psutil
import torch
from omegaconf import OmegaConf

import coilal.runs.learn
from coilal.runs.loggers.wandb import WandbLogger
from coilal.runs.loggers.wandb_files import held_rows, says_the_same
from coilal.runs.run import run
from tests.pictures import no_picture

FLUSHED_S = 10  # W&B writes to its file every second, as it is told to; by itself every 15 seconds


def work(settings: str, cycle: int | None, moment: str, with_core: bool, environment: Mapping[str, str]) -> None:
    """Run the experiment; die at a cycle if there is one.

    Args:
        settings: yaml.
        cycle: where to die.
        moment: before_log, after_log, or flushed: when W&B has had the time to write.
        with_core: kill W&B's own process, too, as a scheduler would.
        environment: variables for W&B.
    """
    os.environ.pop("WANDB_SERVICE", None)  # a process of W&B that the tests have started would outlive this one
    os.environ.update(environment)
    torch.set_num_threads(1)
    coilal.runs.learn.learning_curve = no_picture
    original = WandbLogger.log_metrics

    def log_metrics(self: WandbLogger, metrics: Mapping[str, float], step: int | None = None) -> None:
        now = metrics.get("cycle") == cycle
        if now and moment == "before_log":
            _die(with_core)
        original(self, metrics, step)
        if now:
            if moment == "flushed":
                _wait_until_held(self, metrics)
            _die(with_core)

    WandbLogger.log_metrics = log_metrics  # type: ignore[method-assign]
    run(OmegaConf.create(settings))


def _wait_until_held(logger: WandbLogger, row: Mapping[str, float]) -> None:
    """Wait until a row is in W&B's file, or ought to have been: the test says then that it is not."""
    end, run = time.monotonic() + FLUSHED_S, str(logger.version)
    held = partial(held_rows, logger._folder / "wandb", run, logger._project, logger._entity)
    while not any(says_the_same(there, row) for there in held()) and time.monotonic() < end:
        time.sleep(0.1)


def _die(with_core: bool) -> None:
    children: list[Any] = psutil.Process().children(recursive=True) if with_core else []
    for process in children:
        process.kill()
    os.kill(os.getpid(), signal.SIGKILL)
