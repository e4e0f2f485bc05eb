"""Turns what the loop hands over (logits, module) into what the run directory keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor, nn

from coilal.common.types import IntArray, Kind, Targets, joined
from coilal.run_directory.store import RunStore
from coilal.runs.prepare import Prepared


class Recorder(RunStore):
    """The store of one run, as the loop sees it."""

    def __init__(self, folder: Path, prepared: Prepared, kind: Kind) -> None:
        self.prepared, self.kind = prepared, kind
        super().__init__(folder, prepared.samples.names, lambda ids: label_texts(prepared.targets, ids))

    def record(self, row: dict[str, float], logits: Mapping[str, Tensor], module: nn.Module, last: bool) -> None:
        """Record a finished cycle: its row, the predictions on the test split and, at the end, the weights."""
        test = self.prepared.split.test
        probabilities = logits["test"].softmax(1) if self.kind == "multiclass" else logits["test"].sigmoid()
        predictions: dict[str, Any] = {
            "ids": test,
            "images": np.array([self.names[i] for i in test]),
            "targets": self.prepared.targets.values[test],
            "probabilities": probabilities.numpy(),
            "names": np.array(self.prepared.targets.names),
        }
        self.commit(row, predictions, (lambda: _weights(module)) if last else None)


def label_texts(targets: Targets, ids: IntArray) -> list[str]:
    """Return the class name of each image, or its label names joined by ``+`` (``none`` without labels)."""
    if targets.kind == "multiclass":
        return [targets.names[value] for value in targets.values[ids]]
    return [joined(targets.names, row == 1) for row in targets.values[ids]]


def _weights(module: nn.Module) -> bytes:
    content: bytes = save({name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()})
    return content
