"""How many cells of a launch are trained side by side, and why others are not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from coilal.runs.settings import Settings
from coilal.runs.stacking import why_alone
from coilal.sweep.cells import Cell, stacks

log = logging.getLogger(__name__)

MOST_ON_A_CPU, MOST_ON_A_GPU = 64, 512


def most_of_a_stack(together: int | str, todo: Collection[Settings], gpu: bool) -> int:
    """Return how many cells are trained side by side at most.

    Args:
        together: what the launcher was told: a number, or ``auto``.
        todo: the settings of the cells.
        gpu: whether there is one where the cells are done.
    """
    if together != "auto":
        return int(together)
    return MOST_ON_A_GPU if all(_on_gpu(settings, gpu) for settings in todo) else MOST_ON_A_CPU


def tell(shares: Sequence[Sequence[Cell]], todo: Mapping[Cell, Settings], most: int) -> None:
    """Log how many cells are trained side by side, and each reason why others are not, once.

    Args:
        shares: the cells of each job.
        todo: the settings of all cells.
        most: cells of a stack; with 1, which is asked for, there is nothing to tell.
    """
    if most == 1 or len(todo) < 2:
        return
    sizes = [len(stack) for share in shares for stack in stacks(share, most) if len(stack) > 1]
    if sizes:
        numbers = sum(sizes), len(todo), max(sizes)
        log.info(
            "%d of %d cells side by side, up to %d at a time (hydra.launcher.together=1: one by one)", *numbers
        )
    for reason, number in Counter(filter(None, map(why_alone, todo.values()))).items():
        log.info(
            "%s: %s", "1 cell is trained alone" if number == 1 else f"{number} cells are trained one by one", reason
        )


def _on_gpu(settings: Settings, gpu: bool) -> bool:
    asked = settings.trainer.get("accelerator", "auto")
    return asked in ("gpu", "cuda") or (asked == "auto" and gpu)
