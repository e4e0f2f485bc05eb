"""Turns what the loop hands over (logits, module) into what the run directory keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor

from coilal.active.labels import NoLabel, as_text
from coilal.active.session import Session
from coilal.common.types import Kind
from coilal.run_directory.store import Query, RunStore
from coilal.runs.prepare import Prepared


class Recorder(RunStore):
    """The store of one run, as the loop sees it."""

    def __init__(
        self, folder: Path, prepared: Prepared, kind: Kind, session: Session, by_people: bool = False
    ) -> None:
        self.prepared, self.kind = prepared, kind
        super().__init__(folder, lambda: queries(session, prepared.samples.names), by_people)

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
        self.commit(row, predictions, (lambda: _weights(weights)) if last else None)


def queries(session: Session, names: tuple[str, ...]) -> list[Query]:
    """Return all images that a session has asked for, batch by batch, with what was told of them.

    Args:
        session: its pending batch included.
        names: image names by id.
    """
    return [
        Query(
            cycle=batch.number,
            rank=rank,
            image=names[image],
            score=None if math.isnan(score) else score,
            label=label_text(session, image),
        )
        for batch in session.batches
        for rank, (image, score) in enumerate(zip(batch.ids.tolist(), batch.scores.tolist(), strict=True))
    ]


def label_text(session: Session, image: int) -> str:
    """Return the text of the label that was told, "" where none was."""
    answer = session.answer(image)
    return "" if answer is None or isinstance(answer, NoLabel) else as_text(answer)


def _weights(weights: Mapping[str, Tensor]) -> bytes:
    content: bytes = save({name: tensor.cpu().contiguous() for name, tensor in weights.items()})
    return content
