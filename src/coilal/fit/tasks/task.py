"""What every task offers: targets, loss and metrics; and what the tasks share."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coilal.common.choices import chosen
from coilal.common.types import Kind, Samples, Targets, UserError

Weighting = Literal["none", "balanced"]


class Task(Protocol):
    """What the model learns from the labels, and how well it does; built from a ``conf/task`` yaml.

    K below is the number of classes or labels, ``len(targets.names)``.
    """

    @property
    def kind(self) -> Kind:
        """Return multiclass (softmax over K logits) or multilabel (K sigmoids)."""
        ...

    @property
    def primary(self) -> str:
        """Return the metric of the learning curve and its AULC, a key of what ``evaluate`` returns."""
        ...

    def targets(self, samples: Samples) -> Targets:
        """Return what is to be learnt from the samples; raise UserError if they do not serve this task."""
        ...

    def class_weights(self, values: NDArray[np.int64], number: int) -> Tensor | None:
        """Return the weights (K) that ``loss`` takes, or None if all weigh the same.

        Args:
            values: target values of the labelled images only: a weight must not know unbought labels.
            number: K.
        """
        ...

    def loss(self, logits: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
        """Return the mean loss of the batch of each of S runs (S,).

        What a run gets must not depend on the others, to the last digit.

        Args:
            logits: float (S, B, K).
            values: target values (S, B) or (S, B, K).
            weights: those of each run (S, K), or None.
        """
        ...

    def evaluate(self, logits: Tensor, values: Tensor, targets: Targets) -> dict[str, float]:
        """Return the metrics of logits (n, K) on all images of one part, NaN where one is undefined.

        Raises UserError if a logit is NaN or infinite.
        """
        ...


def checked_weighting(name: Weighting) -> Weighting:
    """Return the setting ``class_weights`` if it is one of the choices, else raise UserError."""
    return chosen("task.module.class_weights", name, get_args(Weighting))


def ensure_labelled(samples: Samples) -> None:
    """Refuse data of which no image has a label.

    Raises:
        UserError: says what needs labels.
    """
    if len(samples) and not samples.is_labelled.any():
        raise UserError(
            f"none of the {len(samples)} images has a label. What a task learns is known by the labels, and "
            "validation and test part are scored with them: label some groups whole, and name them in a table "
            "(data.labels) or put them in class folders."
        )


def fault_labels(samples: Samples) -> NDArray[np.uint8] | None:
    """Return the 0/1 labels (N, L), through the classes where only they are stored; None if unknown.

    They are 0 where an image has no label (``Samples.is_labelled``).
    """
    if samples.labels is not None:
        return samples.labels
    if samples.classes is not None and samples.class_labels is not None:
        labels = samples.class_labels[samples.classes]
        labels[~samples.is_labelled] = 0
        return labels
    return None


def finite(logits: Tensor) -> Tensor:
    """Return the logits as float64 on the CPU; raise UserError if one is NaN or infinite.

    Metrics are computed in float64, because float32 sigmoids of sure predictions tie at 1 and ties lower
    the average precision.
    """
    if len(logits) == 0:
        raise ValueError("there are no images to evaluate")
    if not bool(torch.isfinite(logits).all()):
        raise UserError(
            "the model's outputs on the evaluated images are NaN or infinite: the training diverged. "
            "Lower the learning rates, or train in full precision."
        )
    return logits.detach().cpu().double()


def f1(tp: Tensor, fp: Tensor, fn: Tensor) -> Tensor:
    """Return 2 TP / (2 TP + FP + FN), NaN where a class neither occurs nor is predicted."""
    return 2 * tp / (2 * tp + fp + fn)


def share(part: Tensor, of: Tensor) -> float:
    """Return the share of the images ``of`` (bool, n) that are also ``part``; NaN if there are none."""
    return float((part & of).sum() / of.sum())


def per_name(metric: str, names: tuple[str, ...], values: Tensor) -> dict[str, float]:
    """Return ``{"metric/name": value}`` for each class or label."""
    return {f"{metric}/{name}": float(value) for name, value in zip(names, values, strict=True)}
