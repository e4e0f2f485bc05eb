"""The process that the resume test kills: one run, with a bomb at a chosen write or phase."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

import coilal.features.boundary
import coilal.features.timm_trunk
import coilal.fit.cycles
import coilal.fit.loop
import coilal.fit.module
import coilal.run_directory.files as run_files
import coilal.runs.learn
import coilal.runs.prepare
import coilal.runs.progress
import coilal.runs.recorder
from coilal.active.journal import Journal
from coilal.runs.run import run
from tests.pictures import no_picture


def work(settings: str, kill_at: tuple[str, int] | None) -> None:
    """Run the experiment; die at the given event if there is one, or count the events."""
    torch.set_num_threads(1)
    coilal.runs.learn.learning_curve = no_picture
    if kill_at is not None:
        _arm(*kill_at)
    run(OmegaConf.create(settings))


def _arm(what: str, moment: int) -> None:
    seen = [0]
    counting, kind, counter = False, what, ""
    if what.startswith("count_"):
        counting, (kind, counter) = True, what.removeprefix("count_").split(":", 1)

    def event() -> None:
        if counting:
            with Path(counter).open("a") as stream:
                stream.write("x")
        elif seen[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[0] += 1

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not kind.startswith("after"):
                event()
            result = original(*args, **kwargs)
            if kind.startswith("after"):
                event()
            return result

        return wrapped

    if kind == "phase":
        progress = coilal.runs.progress.RunProgress
        progress.phase = around(progress.phase)  # type: ignore[method-assign]
    elif kind.endswith("record"):
        Journal.add = around(Journal.add)  # type: ignore[method-assign]
    else:
        run_files.os.replace = around(os.replace)  # type: ignore[attr-defined]
