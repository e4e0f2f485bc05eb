"""A query strategy as the configuration builds it: a query function and what must be known of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from omegaconf import OmegaConf

from coilal.active.outputs import Logits, PoolOutputs, QueryFunction, Selection
from coilal.active.strategies.groups import per_group, whole_groups
from coilal.common.types import BoolArray, IntArray, Kind, UserError

NEEDS = ("logits", "features", "labelled features", "labelled logits", "held-out logits", "trials")


@dataclass(frozen=True)
class Needs:
    """What must be computed before a strategy can choose.

    Attributes:
        logits: of the pool.
        features: of the pool, the input of the last linear layer.
        labelled_features: those of the labelled images, too.
        labelled_logits: those of the labelled images, too.
        held_out_logits: logits for labelled images of further heads, which are not trained on them.
        trials: what batches would teach, by their true labels: no strategy may, an upper bound does.
        passes: number of passes over the pool with dropout.
        dropout: share of the input of the last layer that these leave out; None: what the head leaves out in
        training.
    """

    logits: bool = False
    features: bool = False
    labelled_features: bool = False
    labelled_logits: bool = False
    held_out_logits: bool = False
    trials: bool = False
    passes: int = 0
    dropout: float | None = None


DIVERGED = "Training diverged: lower the learning rates or train in full precision."
NO_FEATURES = (
    "What the backbone gives cannot be used: check its weights, or use trainer.precision=32-true; where its blocks "
    "are trained, lower the learning rates."
)


class NonFiniteOutputsError(UserError):
    """The model gives NaN or infinite outputs, or features, which cannot be ranked.

    Attributes:
        ids: int64, dataset-global ids of the images concerned.
    """

    def __init__(self, what: str, ids: IntArray, pool: int, advice: str) -> None:
        self.ids = ids
        first = ", ".join(str(number) for number in ids[:20]) + (", …" if len(ids) > 20 else "")
        super().__init__(
            f"the model's {what} are NaN or infinite for {len(ids)} of {pool} unlabelled images "
            f"(ids {first}). {advice}"
        )


@dataclass(frozen=True)
class Strategy:
    """A query function with its name, the tasks it fits and the model outputs it needs.

    Attributes:
        name: name in the configuration, the run directory and messages.
        tasks: kinds of task it fits.
        query: the pure function that chooses; see ``active.outputs.QueryFunction``.
        needs: outputs that must be computed, of ``NEEDS``, or nothing.
        instead: for a kind it does not fit, the strategy of that kind that ranks exactly the same.
        passes: number of passes with dropout that must be computed on the pool.
        dropout: share of the features that these leave out; None: what the head leaves out in training.
        ranks: whether each image has a score of its own, by which all are ranked, or is drawn.
        per_group: images of one group (coil) that a batch takes at most, None for any number; see ``per_group``.
        groups: whole groups that are asked for instead of a number of images, or None; see ``whole_groups``.
    """

    name: str
    tasks: Sequence[Kind]
    query: QueryFunction
    needs: Sequence[str] = ()
    instead: Mapping[Kind, str] = field(default_factory=dict)
    passes: int = 0
    dropout: float | None = None
    ranks: bool = False
    per_group: int | None = None
    groups: int | None = None

    def __post_init__(self) -> None:
        """Refuse tasks and needs that nothing provides."""
        if self.per_group is not None and self.per_group < 1:
            raise UserError(f"strategy.per_group is {self.per_group}: give 1 or more, or null for no limit.")
        if self.groups is not None and self.per_group is not None:
            raise UserError(
                "strategy.groups asks for whole groups, strategy.per_group for a part of each: set one."
            )
        if self.groups is not None and not self.ranks:
            raise UserError(
                f"strategy.groups={self.groups} needs a score for each image, which strategy={self.name} does not "
                "give: it chooses images together. Take one that ranks them (entropy, margin, avg_confidence, …), "
                "or strategy.per_group."
            )
        if self.per_group is not None and self.needed.trials:
            raise UserError(f"strategy={self.name} tries whole batches: strategy.per_group must be null.")
        for values, known, what in ((self.tasks, get_args(Kind), "tasks"), (self.needs, NEEDS, "needs")):
            unknown = [value for value in values if value not in known]
            if unknown:
                raise UserError(
                    f"strategy {self.name}: {what} names {', '.join(unknown)}; known are {', '.join(known)}."
                )

    @property
    def needed(self) -> Needs:
        """What must be computed before the strategy can choose."""
        computed = dict.fromkeys((re.sub("[ -]", "_", need) for need in self.needs), True)
        return Needs(**computed, passes=self.passes, dropout=self.dropout)

    @property
    def needs_no_model(self) -> bool:
        """Whether the strategy can choose before anything is trained: a starting set."""
        return self.needed in (Needs(), Needs(features=True), Needs(features=True, labelled_features=True))

    def check_model(self, dropout: float, why_alone: str | None) -> None:
        """Refuse a model that cannot give what the strategy needs.

        Args:
            dropout: share of its inputs that the head leaves out in training.
            why_alone: why no heads can be trained beside the run's own, or None if they can.

        Raises:
            UserError: it cannot.
        """
        if (self.needed.held_out_logits or self.needed.trials) and why_alone:
            raise UserError(
                f"strategy={self.name} trains further heads in each cycle, side by side, which these settings do "
                f"not allow: {why_alone}."
            )
        if self.passes and self.dropout is None and not dropout:
            raise UserError(
                f"strategy={self.name} compares {self.passes} passes with the dropout of the head, and "
                "model.head.dropout is 0: all passes would be the same. Set model.head.dropout=0.5, for example."
            )

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
            min(batch_size, n) different images of the pool, best first; with ``groups`` all of so many groups.

        Raises:
            UserError: if the pool is empty.
            NonFiniteOutputsError: if a logit or a feature is NaN or infinite.
            ValueError: if fewer than 1 image is wanted or the outputs are not what the strategy needs.
            RuntimeError: if the query function breaks its contract.
        """
        if len(outputs.ids) == 0:
            raise UserError(f"strategy {self.name}: the pool is empty, there is no image left to query.")
        if batch_size < 1:
            raise ValueError(f"strategy {self.name}: batch_size is {batch_size}, it must be at least 1")
        self._check_outputs(outputs)
        wanted = min(batch_size, len(outputs.ids))
        if self.groups is not None:
            selection = whole_groups(self._asked, outputs, generator, self.groups)
            wanted = len(selection.ids)
        elif self.per_group is None:
            selection = self._asked(outputs, wanted, generator)
        else:
            selection = per_group(self._asked, outputs, wanted, generator, self.per_group)
        self._check_selection(selection, outputs.ids, wanted)
        return selection

    def _asked(self, outputs: PoolOutputs, wanted: int, generator: np.random.Generator) -> Selection:
        from coilal.common.threads import threads_of_products  # torch, which checking settings must not wait for

        features = outputs.features
        with threads_of_products(0 if features is None else len(features) * features.width):
            selection = self.query(outputs, wanted, generator)
        self._check_selection(selection, outputs.ids, wanted)
        return selection

    def _check_outputs(self, outputs: PoolOutputs) -> None:
        needed, images = self.needed, len(outputs.ids)
        if needed.logits:
            self._check_shape("logits", outputs.logits, (images, "C"))
            _ensure_finite(np.isfinite(outputs.logits).all(axis=1), outputs)  # type: ignore[arg-type]
        if needed.passes:
            self._check_shape("passes", outputs.passes, (needed.passes, images, "C"))
            for logits in outputs.passes if outputs.passes is not None else ():
                _ensure_finite(np.isfinite(logits).all(axis=1), outputs)
        if needed.features:
            if outputs.features is None or len(outputs.features) != images:
                raise ValueError(f"strategy {self.name}: needs features ({images}, D)")
            _ensure_finite(np.isfinite(outputs.features.squared_lengths), outputs, "features", NO_FEATURES)
        if needed.labelled_features and outputs.labelled is None:
            raise ValueError(f"strategy {self.name}: needs the features of the labelled images")
        if needed.labelled_logits:
            self._check_shape("labelled logits", outputs.labelled_logits, ("m", "C"))
        if needed.held_out_logits and outputs.held_out is None:
            raise ValueError(f"strategy {self.name}: needs logits of labelled images that are held out")
        if needed.trials and outputs.tried is None:
            raise ValueError(f"strategy {self.name}: needs trials")

    def _check_shape(self, what: str, array: Logits | None, shape: tuple[int | str, ...]) -> None:
        found = () if array is None else array.shape
        fits = len(found) == len(shape) and all(
            size == there for size, there in zip(shape, found, strict=True) if isinstance(size, int)
        )
        if not fits:
            expected = ", ".join(map(str, shape))
            raise ValueError(f"strategy {self.name}: needs {what} ({expected}), not {found or None}")

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


def _ensure_finite(finite: BoolArray, outputs: PoolOutputs, what: str = "outputs", advice: str = DIVERGED) -> None:
    if not finite.all():
        raise NonFiniteOutputsError(what, outputs.ids[~finite], len(outputs.ids), advice)


def names_fitting(folder: Path, kind: Kind) -> list[str]:
    """Return the names of the strategies in a ``conf/strategy`` folder that fit a kind of task, sorted.

    An upper bound is no strategy.
    """
    loaded: dict[str, Any] = {path.stem: OmegaConf.load(path) for path in folder.glob("*.yaml")}
    return sorted(
        name for name, cfg in loaded.items() if kind in cfg.tasks and "trials" not in cfg.get("needs", [])
    )
