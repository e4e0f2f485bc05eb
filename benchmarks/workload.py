"""What all contestants of a workload are given: settings and arrays in one folder.

The folder is made by ``benchmarks.data`` before any clock runs. It holds ``workload.json`` and

- ``images.npy``: uint8 (N, C, H, W), decoded and resized,
- ``labels.npy``: int64 (N,), class indices,
- ``pool.npy``, ``validation.npy``, ``test.npy``: int64 ids,
- ``start_<seed>.npy``: int64 ids of the starting set,
- ``mean.npy``, ``std.npy``: float32 (D,), statistics of the pooled features of the pool,
- ``features.npy``: float32 (N, D), standardised, for contestants that start from extracted features,
- ``prefix.pt``: the frozen part of the network as TorchScript, which needs no model library.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Network:
    """A timm network with pooled mean and maximum as features.

    Attributes:
        architecture: timm's name.
        arguments: further arguments of ``timm.create_model``.
        weights: a .safetensors file.
        mean: per channel, for values in [0, 1].
        std: per channel.
        trained_blocks: how many of the last blocks are trained with the head; 0: the head alone.
    """

    architecture: str
    arguments: dict[str, Any]
    weights: str
    mean: list[float]
    std: list[float]
    trained_blocks: int = 0


@dataclass(frozen=True)
class Training:
    """Training of one cycle: AdamW, from the same initial weights each time."""

    epochs: int
    batch_size: int = 64
    lr_head: float = 3e-3
    lr_backbone: float = 1e-5
    weight_decay: float = 1e-2


@dataclass(frozen=True)
class Workload:
    """Settings of a workload.

    Attributes:
        name: W1 or W2.
        classes: number of classes.
        seeds: one active-learning run each.
        counts: labelled images of each cycle, the starting set first.
        training: how each cycle trains.
        network: the backbone.
        overrides: the same data and model as settings of ``coilal.train``.
    """

    name: str
    classes: int
    seeds: list[int]
    counts: list[int]
    training: Training
    network: Network
    overrides: list[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write ``workload.json``."""
        (folder / "workload.json").write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``workload.json``."""
        values = json.loads((folder / "workload.json").read_text())
        values["training"] = Training(**values["training"])
        values["network"] = Network(**values["network"])
        return cls(**values)

    def batches(self) -> list[int]:
        """Return how many images are queried after each cycle but the last."""
        return np.diff(self.counts).tolist()


class Contest:
    """The folder of a workload, opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workload = Workload.load(folder)
        self.labels = self.array("labels")
        self.pool = self.array("pool")
        self.validation = self.array("validation")
        self.test = self.array("test")

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """Return the images, uint8 (N, C, H, W), memory-mapped."""
        return self.array("images", mmap_mode="r")

    def start(self, seed: int) -> NDArray[np.int64]:
        """Return the ids of the starting set."""
        return self.array(f"start_{seed}")

    def array(self, name: str, **how: Any) -> NDArray[Any]:
        """Return an array of the folder."""
        found: NDArray[Any] = np.load(self.folder / f"{name}.npy", **how)
        return found


def arguments(description: str) -> argparse.Namespace:
    """Parse what the driver gives every contestant of W1 and W2."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--contest", type=Path, required=True, help="folder made by benchmarks.data")
    parser.add_argument("--out", type=Path, required=True, help="where the report is written (json)")
    parser.add_argument("--scratch", type=Path, required=True, help="folder for what the contestant leaves")
    parser.add_argument("--variant", default="", help="a way of running that the contestant names")
    parser.add_argument("--seeds", type=int, help="run only so many seeds, the rest is extrapolated")
    parser.add_argument("--cycles", type=int, help="run only so many cycles, the rest is extrapolated")
    return parser.parse_args()
