"""Exactly one class per image: softmax and cross-entropy."""

from __future__ import annotations

import logging
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from coilal.common.choices import chosen
from coilal.common.lean_imports import as_if_missing
from coilal.common.types import BoolArray, Kind, Samples, Targets, UserError, joined
from coilal.fit.tasks.task import (
    Weighting,
    checked_weighting,
    ensure_labelled,
    f1,
    fault_labels,
    finite,
    per_name,
    share,
)

with as_if_missing("transformers", "scipy"):
    from torchmetrics.functional.classification import multiclass_stat_scores

log = logging.getLogger(__name__)


class Multiclass:
    """Multiclass task; satisfies ``Task``.

    Args:
        classes: ``all``: the classes of the data or, where it has labels only, every combination of labels
            that occurs; ``single``: fault-free and one class per fault, images with several faults left out.
        class_weights: ``none``, or ``balanced``: inversely proportional to the labelled count of each class.
    """

    kind: ClassVar[Kind] = "multiclass"
    primary: ClassVar[str] = "macro_f1"

    def __init__(self, classes: Literal["all", "single"] = "all", class_weights: Weighting = "none") -> None:
        self.classes = chosen("task.module.classes", classes, ("all", "single"))
        self.weighting = checked_weighting(class_weights)

    def targets(self, samples: Samples) -> Targets:
        """Return one class index per image, -1 where it has no label."""
        ensure_labelled(samples)
        if self.classes == "single":
            targets = _single_faults(samples)
        elif samples.classes is not None:
            targets = _own_classes(samples, samples.classes)
        else:
            targets = _combinations(samples)
        if len(set(targets.names)) != len(targets.names):
            raise UserError(f"two classes have the same name: {', '.join(targets.names)}. Rename the labels.")
        if len(targets.names) < 2:
            raise UserError(
                f"a multiclass task needs at least 2 classes, the data have {len(targets.names)}: "
                f"{', '.join(targets.names) or 'none'}."
            )
        return targets

    def class_weights(self, values: NDArray[np.int64], number: int) -> Tensor | None:
        """Return n / (present classes × count) per class (scikit-learn's ``balanced``).

        A class with no labelled image yet weighs 1: it has no image to weigh, and a weight of 0 would make
        the loss of a batch of that class 0/0.
        """
        if self.weighting == "none":
            return None
        counts = np.bincount(values, minlength=number)
        balanced = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return torch.tensor(np.where(counts > 0, balanced, 1.0), dtype=torch.float32)

    def loss(self, logits: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
        """Return the softmax cross-entropy of each of S runs (S,), with weights the weighted mean over its batch.

        Args:
            logits: float (S, B, K).
            values: int64 (S, B).
            weights: float (S, K), or None.
        """
        each = functional.cross_entropy(logits.flatten(0, 1), values.flatten(), reduction="none").view_as(values)
        if weights is None:
            return each.mean(-1)
        weight = weights.gather(-1, values)
        return (each * (weight / weight.sum(-1, keepdim=True))).sum(-1)

    def evaluate(self, logits: Tensor, values: Tensor, targets: Targets) -> dict[str, float]:
        """Return the metrics of all images of one part; an image belongs to the class of its largest logit.

        A class that neither occurs nor is predicted has F1 NaN and does not enter macro-F1; a class that is
        predicted but does not occur enters it with 0 (scikit-learn's and torchmetrics' default). Balanced
        accuracy is the mean recall of the classes that occur.

        Args:
            logits: float (n, K).
            values: int64 (n), class indices.
            targets: names and fault-free class of the data; its ``values`` are not used.

        Returns:
            macro_f1, accuracy, balanced_accuracy, recall/<class> and f1/<class>; where the fault-free class
            is known, escape_rate (faulty images predicted fault-free / faulty images) and overkill_rate
            (fault-free images predicted faulty / fault-free images); where the faults of each class are
            known, fault_recall/<fault> (images with the fault predicted as any class with it). NaN where
            the denominator is 0.
        """
        logits, values = finite(logits), values.cpu()
        predicted = logits.argmax(dim=1)
        counts = multiclass_stat_scores(predicted, values, num_classes=len(targets.names), average=None)
        tp, fp, _, fn, support = counts.double().T
        recall, scores = tp / support, f1(tp, fp, fn)
        metrics = {
            "macro_f1": float(scores.nanmean()),
            "accuracy": float(tp.sum() / support.sum()),
            "balanced_accuracy": float(recall.nanmean()),
            **per_name("recall", targets.names, recall),
            **per_name("f1", targets.names, scores),
        }
        if targets.good_class is not None:
            good, passed = values == targets.good_class, predicted == targets.good_class
            metrics |= {"escape_rate": share(passed, of=~good), "overkill_rate": share(~passed, of=good)}
        if targets.class_labels is not None:
            faults = torch.from_numpy(targets.class_labels).bool()
            for fault, name in enumerate(targets.label_names):
                has_fault = faults[:, fault]
                metrics[f"fault_recall/{name}"] = share(has_fault[predicted], of=has_fault[values])
        return metrics


def _own_classes(samples: Samples, classes: NDArray[np.int64]) -> Targets:
    return Targets(
        kind="multiclass",
        values=classes,
        names=samples.class_names,
        used=np.ones(len(samples), dtype=np.bool_),
        class_labels=samples.class_labels,
        label_names=samples.label_names if samples.class_labels is not None else (),
        good_class=samples.good_class,
    )


def _combinations(samples: Samples) -> Targets:
    """One class per combination of labels, by number of labels, then in label order: none, a, b, a+b."""
    if samples.labels is None:
        raise UserError("the data have neither classes nor labels; name the label columns (data.labels).")
    return _label_classes(samples, samples.labels, used=np.ones(len(samples), dtype=np.bool_))


def _single_faults(samples: Samples) -> Targets:
    labels = fault_labels(samples)
    if labels is None:
        raise UserError(
            "task.module.classes=single needs the faults of each image, but the data have classes only "
            f"({', '.join(samples.class_names) or 'none'}). Use task.module.classes=all."
        )
    used: BoolArray = labels.sum(axis=1) <= 1
    if not used.all():
        log.info("task: %d of %d images show several faults and are left out", (~used).sum(), len(used))
    alone = labels[used].sum(axis=0) > 0  # 0 where there is no label
    missing = [name for name, found in zip(samples.label_names, alone.tolist(), strict=True) if not found]
    if missing:
        log.warning("task: never seen alone, so without a class of its own: %s", ", ".join(missing))
    return _label_classes(samples, labels, used)


def _label_classes(samples: Samples, labels: NDArray[np.uint8], used: BoolArray) -> Targets:
    known = used & samples.is_labelled
    found = [tuple(np.flatnonzero(row).tolist()) for row in np.unique(labels[known], axis=0)]
    classes = sorted(found, key=lambda faults: (len(faults), faults))
    class_labels = np.zeros((len(classes), labels.shape[1]), dtype=np.uint8)
    for row, faults in zip(class_labels, classes, strict=True):
        row[list(faults)] = 1
    values = np.full(len(samples), -1, dtype=np.int64)
    for index, row in enumerate(class_labels):
        values[known & (labels == row).all(axis=1)] = index
    return Targets(
        kind="multiclass",
        values=values,
        names=tuple(joined(samples.label_names, row) for row in class_labels),
        used=used,
        class_labels=class_labels,
        label_names=samples.label_names,
        good_class=0 if classes and not classes[0] else None,
    )
