"""Turns what the loop hands over (logits, module) into what the run directory keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor

from coilal.active.journal import Journal
from coilal.active.labels import Label, NoLabel, as_labels, as_text
from coilal.active.session import Session
from coilal.common.types import Kind
from coilal.run_directory.health import AUDIT_PREDICTIONS
from coilal.run_directory.store import Query, RunStore
from coilal.runs.prepare import Prepared


class Recorder(RunStore):
    """The store of one run, as the loop sees it.

    Where people label, the predictions of every cycle are kept by image, not those of the last one alone: what they
    have said of the test split may change later, and two cycles are compared in pairs.
    """

    def __init__(
        self,
        folder: Path,
        prepared: Prepared,
        kind: Kind,
        session: Session,
        by_people: bool = False,
        truth: Callable[[int], Label] | None = None,
    ) -> None:
        self.prepared, self.kind = prepared, kind
        self._each_cycle = Journal(folder / AUDIT_PREDICTIONS) if by_people else None
        super().__init__(folder, lambda: queries(session, prepared.samples.names, truth), by_people)

    def record(
        self, row: dict[str, float], logits: Mapping[str, Tensor], weights: Mapping[str, Tensor], last: bool
    ) -> None:
        """Record a finished cycle: its row, the predictions on the test split and, at the end, the weights."""
        test = self.prepared.split.test
        probabilities = logits["test"].softmax(1) if self.kind == "multiclass" else logits["test"].sigmoid()
        predictions: dict[str, Any] = {
            "ids": test,
            "images": np.array([self.prepared.samples.names[i] for i in test]),
            "targets": self.prepared.targets.values[test],
            "probabilities": probabilities.numpy(),
            "names": np.array(self.prepared.targets.names),
        }
        if self._each_cycle is not None and len(test):
            self._each_cycle.add({"cycle": row["cycle"], **self._by_image(predictions)})
        self.commit(row, predictions, (lambda: _weights(weights)) if last else None)

    def _by_image(self, predictions: Mapping[str, Any]) -> dict[str, Any]:
        """Return groups, labels and predictions of the images of the test split, as columns."""
        samples, names = self.prepared.samples, self.prepared.targets.names
        probabilities = predictions["probabilities"]
        best = probabilities.argmax(1) if self.kind == "multiclass" else (probabilities > 0.5).astype(np.int64)
        return {
            "images": predictions["images"].tolist(),
            "groups": [samples.groups[number] for number in predictions["ids"].tolist()],
            "told": as_labels(predictions["targets"], names),
            "predicted": as_labels(best, names),
        }


def queries(session: Session, names: tuple[str, ...], truth: Callable[[int], Label] | None = None) -> list[Query]:
    """Return all images that a session has asked for, batch by batch, with what was told of them.

    Args:
        session: its pending batch included.
        names: image names by id.
        truth: gives the true label of an image, where an oracle may tell another.
    """
    rows = [
        Query(
            cycle=batch.number,
            rank=rank,
            image=names[image],
            score=None if math.isnan(score) else score,
            label=label_text(session, image),
            prediction="" if said is None else as_text(said.label),
            confidence=None if said is None else said.confidence,
        )
        for batch in session.batches
        for rank, (image, score, said) in enumerate(
            zip_longest(batch.ids.tolist(), batch.scores.tolist(), batch.predictions)
        )
    ]
    if truth is not None:
        images = [image for batch in session.batches for image in batch.ids.tolist()]
        for row, image in zip(rows, images, strict=True):
            true = as_text(truth(image))
            row["true"] = true if row["label"] not in ("", true) else ""
    return rows


def label_text(session: Session, image: int) -> str:
    """Return the text of the label that was told, "" where none was."""
    answer = session.answer(image)
    return "" if answer is None or isinstance(answer, NoLabel) else as_text(answer)


def _weights(weights: Mapping[str, Tensor]) -> bytes:
    content: bytes = save({name: tensor.cpu().contiguous() for name, tensor in weights.items()})
    return content
