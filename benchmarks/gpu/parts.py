"""The parts of the benchmark: what is measured, and the goals of issue 17 that are read off it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from benchmarks.goals import Goal
from benchmarks.gpu import study
from benchmarks.gpu.extraction import extraction_rate
from benchmarks.gpu.forward import COMPILED, FLOAT32, TF32, forward_rates, tf32
from benchmarks.gpu.networks import SIZE, Bare, coilal_backbone
from benchmarks.gpu.pictures import pictures
from benchmarks.gpu.step import BATCH, step_seconds
from coilal.common.types import DecodedImages

CELLS = len(study.STRATEGIES) * study.SEEDS
HALF = torch.bfloat16

GRID = f"{CELLS} cells of frozen DINOv2-S, default budget, whole process"
STEP = f"{CELLS} heads, a step in the loop / the bare CUDA-graph step"
DEFAULT = "default run: seconds of fit, trainer=gpu / trainer.accelerator=cpu"


@dataclass
class Found:
    """What a part has measured.

    Attributes:
        figures: by name, with unit.
        goals: what must be reached.
    """

    figures: dict[str, str] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)


@dataclass
class Bench:
    """What the parts share.

    Attributes:
        work: folder for caches and outputs.
        device: the GPU.
        repeats: of which the median is taken.
        counts: images that are extracted, by model.
        batch: images of a bare forward pass.
        size: height and width of the images.
    """

    work: Path
    device: torch.device
    repeats: int = 3
    counts: Mapping[str, int] = field(default_factory=lambda: {"dino_s": 12_800, "dino_l": 2_560, "effnet": 6_400})
    batch: int = 256
    size: tuple[int, int] = SIZE

    @cached_property
    def images(self) -> DecodedImages:
        """As many images as the largest part wants."""
        return pictures(max(self.counts.values()), self.size, self.work)

    def some(self, count: int) -> DecodedImages:
        """Return the first images."""
        return DecodedImages(self.images.pixels[:count], "", self.images.digests[:count])

    def bare_rates(self, model: str, full: bool, compiled: bool) -> dict[str, float]:
        """Return the images/s of the ways of bare torch; see ``forward_rates``."""
        bare = Bare.of(coilal_backbone(model, "head", self.size).to(self.device))
        pixels = torch.from_numpy(self.images.pixels[: self.batch]).to(self.device)
        return forward_rates(bare, pixels, full, compiled, self.repeats)

    def coilal_rate(self, model: str, trainable: str | int, weights: torch.dtype | None, **how: int) -> float:
        """Return the images/s of coilal's extraction; see ``extraction_rate``."""
        backbone = coilal_backbone(model, trainable, self.size)
        images = self.some(how.pop("count", self.counts[model]))
        compiled = bool(how.pop("compiled", False))
        return extraction_rate(backbone, images, self.work, self.device, weights, compiled, self.repeats)


def dino_s(bench: Bench) -> Found:
    """Extraction of DINOv2-S in each precision, compiled, and of the activations before its last two blocks."""
    bare = bench.bare_rates("dino_s", full=True, compiled=True)
    few = bench.counts["dino_s"] // 8
    rates = {
        "bf16": bench.coilal_rate("dino_s", "head", HALF),
        "bf16, compiled": bench.coilal_rate("dino_s", "head", HALF, compiled=True),
        FLOAT32: bench.coilal_rate("dino_s", "head", None, count=few),
        "activations": bench.coilal_rate("dino_s", 2, HALF, count=few * 2),
    }
    with tf32():
        rates[TF32] = bench.coilal_rate("dino_s", "head", None, count=few)
    eager = best(bare, compiled=False)
    return Found(
        figures("DINOv2-S", bare, rates),
        [
            at_least("extraction of DINOv2-S, bf16 / best bare forward that is not compiled", rates["bf16"], eager),
            at_least(
                "extraction of DINOv2-S, bf16, compiled / best bare forward", rates["bf16, compiled"], best(bare)
            ),
            at_least("extraction of DINOv2-S, float32 / bare forward", rates[FLOAT32], bare[FLOAT32]),
            at_least("extraction of DINOv2-S, TF32 / bare forward", rates[TF32], bare[TF32]),
            at_least(
                "activations before the last two blocks of DINOv2-S / that forward",
                rates["activations"],
                eager,
                0.6,
            ),
        ],
    )


def dino_l(bench: Bench) -> Found:
    """Extraction of DINOv2-L in bf16."""
    return in_half_precision(bench, "dino_l", "DINOv2-L")


def effnet(bench: Bench) -> Found:
    """Extraction of EfficientNetV2-S in bf16."""
    return in_half_precision(bench, "effnet", "EfficientNetV2-S")


def in_half_precision(bench: Bench, model: str, name: str) -> Found:
    """Return the extraction of a model in bf16; compiling these takes too long for this benchmark."""
    bare = bench.bare_rates(model, full=False, compiled=False)
    rate = bench.coilal_rate(model, "head", HALF)
    goal = at_least(f"extraction of {name}, bf16 / best bare forward that is not compiled", rate, best(bare))
    return Found(figures(name, bare, {"bf16": rate}), [goal])


def heads(bench: Bench) -> Found:
    """A grid of 64 cells on stored features as a whole process, and what a step of it takes."""
    weights = bench.work / "dino_s"
    coilal_backbone("dino_s", "head", bench.size).net.save_pretrained(weights)  # type: ignore[operator]
    study.train("features", bench.work, *study.DINO, f"model.weights={weights}", "budget=small")
    whole = study.train("grid", bench.work, *study.grid(weights))
    runs = study.cycles("grid", bench.work)
    step = study.fit_seconds(runs) / study.steps(runs[0], BATCH)
    bare = step_seconds(CELLS, bench.device)
    return Found(
        {
            "64 cells, whole process": f"{whole:.1f} s",
            "64 heads, a step in coilal's loop": f"{1000 * step:.3f} ms",
            "64 heads, a bare step in a CUDA graph": f"{1000 * bare:.3f} ms",
        },
        [Goal(GRID, whole, 25, True, "s"), Goal(STEP, step / bare, 2, True)],
    )


def default_run(bench: Bench) -> Found:
    """The default run with and without the GPU."""
    fits = {}
    for accelerator, override in (("gpu", "trainer=gpu"), ("cpu", "trainer.accelerator=cpu")):
        study.train(f"default_{accelerator}", bench.work, override)
        fits[accelerator] = study.fit_seconds(study.cycles(f"default_{accelerator}", bench.work))
    return Found(
        {f"default run, seconds of fit, {name}": f"{seconds:.2f} s" for name, seconds in fits.items()},
        [Goal(DEFAULT, fits["gpu"] / fits["cpu"], 1, True)],
    )


PARTS: Mapping[str, Callable[[Bench], Found]] = {
    "dino_s": dino_s,
    "dino_l": dino_l,
    "effnet": effnet,
    "heads": heads,
    "default_run": default_run,
}


def best(bare: Mapping[str, float], compiled: bool = True) -> float:
    """Return the images/s of the fastest way of bare torch."""
    return max(rate for way, rate in bare.items() if compiled or way != COMPILED)


def at_least(text: str, rate: float, reference: float, limit: float = 0.9) -> Goal:
    """Return the goal that a rate is at least a share of another one."""
    return Goal(text, rate / reference, limit, False)


def figures(name: str, bare: Mapping[str, float], coilal: Mapping[str, float]) -> dict[str, str]:
    """Return the images/s of all ways, by name."""
    found = {f"{name}, bare, {way}": f"{rate:,.0f} images/s" for way, rate in bare.items()}
    return found | {f"{name}, coilal, {way}": f"{rate:,.0f} images/s" for way, rate in coilal.items()}
