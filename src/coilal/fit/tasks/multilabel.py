"""Any number of labels per image: one sigmoid each and binary cross-entropy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from coilal.common.lean_imports import as_if_missing
from coilal.common.types import Kind, Samples, Targets, UserError
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
    from torchmetrics.functional.classification import binary_average_precision, binary_stat_scores

THRESHOLD = 0.5


class Multilabel:
    """Multilabel task; satisfies ``Task``.

    Args:
        class_weights: ``none``, or ``balanced``: the positives of each label weigh as much as its negatives.
    """

    kind: ClassVar[Kind] = "multilabel"
    primary: ClassVar[str] = "macro_f1"

    def __init__(self, class_weights: Weighting = "none") -> None:
        self.weighting = checked_weighting(class_weights)

    def targets(self, samples: Samples) -> Targets:
        """Return 0/1 per image and label, -1 where an image has no label."""
        ensure_labelled(samples)
        labels = fault_labels(samples)
        if labels is None:
            raise UserError(
                "the data have classes only, of which an image has exactly one "
                f"({', '.join(samples.class_names) or 'none'}), and no labels that occur together. "
                "Use task=multiclass."
            )
        if not samples.label_names:
            raise UserError("a multilabel task needs at least 1 label; name the label columns (data.labels).")
        return Targets(
            kind="multilabel",
            values=np.where(samples.is_labelled[:, None], labels.astype(np.int64), -1),
            names=samples.label_names,
            used=np.ones(len(samples), dtype=np.bool_),
        )

    def class_weights(self, values: NDArray[np.int64], number: int) -> Tensor | None:
        """Return negatives / positives per label, or 1 where only one of the two is labelled yet.

        Args:
            values: 0/1 (n, L) of the labelled images.
            number: L.
        """
        if self.weighting == "none":
            return None
        positive = values.reshape(-1, number).sum(axis=0)
        negative = len(values) - positive
        both = (positive > 0) & (negative > 0)
        return torch.tensor(np.where(both, negative / np.maximum(positive, 1), 1.0), dtype=torch.float32)

    def loss(self, logits: Tensor, values: Tensor, weights: Tensor | None) -> Tensor:
        """Return the binary cross-entropy of each of S runs (S,), mean over its images and labels.

        Args:
            logits: float (S, B, L).
            values: 0/1 (S, B, L).
            weights: float (S, L), which multiply the positives, or None.
        """
        # A sigmoid is the softmax of its logit and 0: rows of two, each of which is computed by itself, where torch
        # computes the last elements of a whole tensor by other instructions, which a run's neighbours would decide.
        both = functional.pad(logits.unsqueeze(-1), (1, 0)).log_softmax(-1)
        wanted = both.gather(-1, values.unsqueeze(-1)).squeeze(-1)
        if weights is not None:
            wanted = torch.where(values > 0, weights.unsqueeze(1), 1.0) * wanted
        return -wanted.flatten(1).mean(-1)

    def evaluate(self, logits: Tensor, values: Tensor, targets: Targets) -> dict[str, float]:
        """Return the metrics of all images of one part; a label is predicted above probability 0.5.

        A label that neither occurs nor is predicted has F1 NaN and does not enter macro-F1; a label that is
        predicted but does not occur enters it with 0. A label that does not occur has no average precision
        and does not enter the mean.

        Args:
            logits: float (n, L).
            values: 0/1 (n, L).
            targets: names of the labels; its ``values`` are not used.

        Returns:
            macro_f1, micro_f1, map (mean average precision over labels), exact_match, recall/<label>,
            f1/<label>, escape_rate (images with a fault and no predicted label / images with a fault) and
            overkill_rate (images without a fault and with a predicted label / images without a fault). NaN
            where the denominator is 0.
        """
        # torchmetrics takes scores within [0, 1] for probabilities, so it must never be given logits.
        probabilities, values = finite(logits).sigmoid(), values.cpu().long()
        predicted = probabilities > THRESHOLD
        tp, fp, _, fn, support = _counts(predicted, values)
        recall, scores = tp / support, f1(tp, fp, fn)
        faulty, rejected = values.any(dim=1), predicted.any(dim=1)
        return {
            "macro_f1": float(scores.nanmean()),
            "micro_f1": float(f1(tp.sum(), fp.sum(), fn.sum())),
            "map": _mean_average_precision(probabilities, values),
            "exact_match": float((predicted == values).all(dim=1).double().mean()),
            **per_name("recall", targets.names, recall),
            **per_name("f1", targets.names, scores),
            "escape_rate": share(~rejected, of=faulty),
            "overkill_rate": share(rejected, of=~faulty),
        }


def _counts(predicted: Tensor, values: Tensor) -> Tensor:
    """Return true positives, false positives, true negatives, false negatives and support (5, L)."""
    # Label by label, because torchmetrics' multilabel functions refuse a single label.
    columns = zip(predicted.int().T, values.T, strict=True)
    return torch.stack([binary_stat_scores(*column) for column in columns], dim=1).double()


def _mean_average_precision(probabilities: Tensor, values: Tensor) -> float:
    # Labels without a positive image are left out first: torchmetrics would warn of each of them.
    columns = zip(probabilities.T, values.T, strict=True)
    precisions = [binary_average_precision(*column) for column in columns if bool(column[1].any())]
    return float(torch.stack(precisions).mean()) if precisions else float("nan")
