"""A query strategy as the configuration builds it: a query function and what must be known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from omegaconf import OmegaConf

from coilal.common.types import IntArray, Kind, PoolOutputs, QueryFunction, Selection, UserError

NEEDS = ("logits",)


class NonFiniteOutputsError(UserError):
    """The model gives NaN or infinite outputs, which cannot be ranked.

    Attributes:
        ids: int64, dataset-global ids of the images concerned.
    """

    def __init__(self, ids: IntArray, pool: int) -> None:
        self.ids = ids
        first = ", ".join(str(number) for number in ids[:20]) + (", …" if len(ids) > 20 else "")
        super().__init__(
            f"the model's outputs are NaN or infinite for {len(ids)} of {pool} unlabelled images "
            f"(ids {first}). Training diverged: lower the learning rates or train in full precision."
        )


@dataclass(frozen=True)
class Strategy:
    """A query function with its name, the tasks it fits and the model outputs it needs.

    Attributes:
        name: name in the configuration, the run directory and messages.
        tasks: kinds of task it fits.
        query: the pure function that chooses; see ``common.types.QueryFunction``.
        needs: outputs that must be computed on the pool: ``logits`` or nothing.
        instead: for a kind it does not fit, the strategy of that kind that ranks exactly the same.
    """

    name: str
    tasks: Sequence[Kind]
    query: QueryFunction
    needs: Sequence[str] = ()
    instead: Mapping[Kind, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse tasks and needs that nothing provides."""
        for values, known, what in ((self.tasks, get_args(Kind), "tasks"), (self.needs, NEEDS, "needs")):
            unknown = [value for value in values if value not in known]
            if unknown:
                raise UserError(
                    f"strategy {self.name}: {what} names {', '.join(unknown)}; known are {', '.join(known)}."
                )

    @property
    def needs_logits(self) -> bool:
        """Whether the model must score the pool before the strategy can choose."""
        return "logits" in self.needs

    def check(self, kind: Kind, fitting: Callable[[], Sequence[str]]) -> None:
        """Refuse a task that the strategy does not fit.

        Args:
            kind: kind of the task.
            fitting: gives the names of the strategies that fit it, for the message; see ``names_fitting``.

        Raises:
            UserError: if ``kind`` is not among the strategy's tasks.
        """
        if kind in self.tasks:
            return
        message = f"strategy={self.name} does not fit a {kind} task."
        if kind in self.instead:
            other = self.instead[kind]
            message += f" There it would rank exactly as {other}, so use strategy={other}."
        raise UserError(f"{message} Strategies that fit: {', '.join(fitting())}.")

    def __call__(self, outputs: PoolOutputs, batch_size: int, generator: np.random.Generator) -> Selection:
        """Choose a batch of unlabelled images.

        Args:
            outputs: the model's outputs on the n unlabelled images.
            batch_size: images wanted; all that are left are taken where there are fewer.
            generator: random numbers, for ties and random sampling.

        Returns:
            min(batch_size, n) different images of the pool, best first.

        Raises:
            UserError: if the pool is empty.
            NonFiniteOutputsError: if a logit is NaN or infinite.
            ValueError: if fewer than 1 image is wanted or the outputs are not what the strategy needs.
            RuntimeError: if the query function breaks its contract.
        """
        if len(outputs.ids) == 0:
            raise UserError(f"strategy {self.name}: the pool is empty, there is no image left to query.")
        if batch_size < 1:
            raise ValueError(f"strategy {self.name}: batch_size is {batch_size}, it must be at least 1")
        if self.needs_logits:
            self._check_logits(outputs)
        wanted = min(batch_size, len(outputs.ids))
        selection = self.query(outputs, wanted, generator)
        self._check_selection(selection, outputs.ids, wanted)
        return selection

    def _check_logits(self, outputs: PoolOutputs) -> None:
        logits = outputs.logits
        if logits is None or logits.ndim != 2 or len(logits) != len(outputs.ids):
            found = None if logits is None else logits.shape
            raise ValueError(f"strategy {self.name}: needs logits ({len(outputs.ids)}, C), not {found}")
        finite = np.isfinite(logits).all(axis=1)
        if not finite.all():
            raise NonFiniteOutputsError(outputs.ids[~finite], len(outputs.ids))

    def _check_selection(self, selection: Selection, pool: IntArray, wanted: int) -> None:
        ids = selection.ids
        if len(ids) != wanted or len(selection.scores) != wanted:
            raise RuntimeError(
                f"strategy {self.name} returned {len(ids)} ids and {len(selection.scores)} scores "
                f"where {wanted} were wanted"
            )
        if len(np.unique(ids)) != len(ids):
            raise RuntimeError(f"strategy {self.name} returned an image more than once")
        if not np.isin(ids, pool).all():
            raise RuntimeError(f"strategy {self.name} returned images that are not in the unlabelled pool")


def names_fitting(folder: Path, kind: Kind) -> list[str]:
    """Return the names of the strategies in a ``conf/strategy`` folder that fit a kind of task, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml") if kind in OmegaConf.load(path).tasks)
