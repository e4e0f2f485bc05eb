"""The workloads: what is learnt from which images, how often, with which network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workload import Training


@dataclass(frozen=True)
class Spec:
    """A workload before its data are made.

    Attributes:
        name: of the workload, and of its folder.
        seeds: one active-learning run each.
        counts: labelled images of each cycle.
        training: how each cycle trains.
        model: settings of coilal that choose the network.
        data: settings of coilal that choose the images.
        trained_blocks: how many of the last blocks are trained; 0: the head alone.
    """

    name: str
    seeds: Sequence[int]
    counts: Sequence[int]
    training: Training
    model: Sequence[str]
    data: Sequence[str]
    trained_blocks: int = 0

    def overrides(self) -> list[str]:
        """Return the settings of coilal, all but the seed and where things lie."""
        training = self.training
        return [
            *self.data,
            *self.model,
            f"model.trainable={self.trained_blocks or 'head'}",
            "task=multiclass",
            "strategy=margin",
            "study=benchmark",
            "budget=counts",
            f"budget.labelled=[{','.join(map(str, self.counts))}]",
            "hparams=default",
            "model.head.hidden=[]",
            "model.head.dropout=0.0",
            f"model.batch_size={training.batch_size}",
            f"model.optimizer.lr_head={training.lr_head}",
            f"model.optimizer.lr_backbone={training.lr_backbone}",
            f"model.optimizer.weight_decay={training.weight_decay}",
            f"trainer.max_epochs={training.epochs}",
            "trainer.accelerator=cpu",
        ]


def w1(weights: Path | None, quick: bool) -> Spec:
    """Frozen backbone, linear head, 10 cycles, 50 epochs, 10 seeds (as many as a study should have).

    4,032 images are a tenth of the 40 coils that the project is made for. The backbone is tiny with its packaged
    weights or, where weights are given, MobileNetV2.
    """
    model = mobilenet(weights) if weights else ["model=tiny"]
    size = 224 if weights else None
    if quick:
        return Spec("W1", (0, 1), (16, 32, 48), Training(5, 16), model, data(quick, size))
    return Spec("W1", range(10), range(64, 641, 64), Training(50), model, data(quick, size, 96))


def w2(weights: Path, quick: bool) -> Spec:
    """Last stage of MobileNetV2 trainable, 5 cycles, 20 epochs, 10 seeds: the macro-F1 of a few says little."""
    if quick:
        return Spec("W2", (0,), (16, 32, 48), Training(3, 16), mobilenet(weights), data(quick, 224), 1)
    return Spec("W2", range(10), range(64, 321, 64), Training(20), mobilenet(weights), data(quick, 224), 1)


def extraction(weights: Path, quick: bool) -> Spec:
    """One pass of MobileNetV2 over all images, and next to no training."""
    return Spec("extraction", (0,), (16,), Training(1), mobilenet(weights), data(quick, 224))


def further(weights: Path, quick: bool) -> Spec:
    """Further seeds on cached features of a DINOv2-S: 384-wide class tokens."""
    model = ["model=dino_s", "model.pooling=cls", f"model.weights={weights}"]
    if quick:
        return Spec("further", (0, 1, 2), (16, 32, 48), Training(5, 16), model, data(quick, 224))
    return Spec("further", range(33), range(64, 641, 64), Training(50), model, data(quick, 224))


def mobilenet(weights: Path) -> list[str]:
    """Return the settings of MobileNetV2 for weights ported from TensorFlow."""
    return [
        "model=mobilenet",
        f"model.weights={weights.absolute()}",
        "+model.trunk.arguments.pad_type=same",
        "model.normalisation.mean=[0.5,0.5,0.5]",
        "model.normalisation.std=[0.5,0.5,0.5]",
    ]


def data(quick: bool, size: int | None, images_per_coil: int = 32) -> list[str]:
    """Return the settings of 42 rendered coils (16 small ones if quick), images squares of ``size`` pixels."""
    coils, images, side = (16, 16, 112) if quick else (42, images_per_coil, size)
    shape = f"[{side},{side}]" if side else "[476,364]"
    return [
        "data=coils_rendered",
        f"data.source.coils={coils}",
        f"data.source.images_per_coil={images}",
        f"data.image.size={shape}",
    ]
