"""Pretraining of ``model=tiny`` without labels, on renders of other coils than the data set's.

The pretext: of several windings of one coil, seen at the same moment by one camera, which is the one on this
photograph by another camera, once its faults are moved to other strands? The windings differ only in how the
winding went, often by a single fault, so that is what the features must tell apart, whatever place, light, camera,
vibration and noise (contrastive learning, InfoNCE: van den Oord et al. 2018; two views of one scene: Tian et al.,
ECCV 2020). No label is used: the network is told which photographs show the same faults, never what they are.
Same seed and same machine, same weights.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor, nn
from torch.nn import functional

from coilal.common.machine import writing
from coilal.common.signals import in_pool_process, pool_of_processes
from coilal.common.types import ImageFormat, UserError
from coilal.data.decode import fit_image
from coilal.demo.renderer import RENDERER_VERSION, CoilRenderer, Fault, Winding, another_history
from coilal.run_directory.files import write_atomically

FIRST_SEED = 1_000_000
"""Renderer seeds from here on are for pretraining; data sets use seeds below."""

MEAN, STD = 0.35, 0.2
"""Normalisation of grey values in [0, 1] that belongs to the weights (conf/model/tiny.yaml)."""

_MOMENTS, _HISTORIES, _ATTEMPTS = 20, 5, 60  # moments, histories and parts of them that are tried for a scene
_KEPT = 0.6  # chance of each fault of a history to be in a winding
_MARGIN = 5  # strands that are left free above and below faults that are moved
_JITTER = 8  # pixels by which a photograph is moved


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights.

    Attributes:
        architecture: name of the timm architecture.
        arguments: further arguments of ``timm.create_model``.
        image_size: height and width of the photographs.
        render_seed: seed of the rendered coils, FIRST_SEED or more.
        scenes: moments (a coil and an image number) that are photographed.
        windings: ways the winding may have gone, per scene.
        views: photographs of each winding, each by another camera and with its faults at other strands.
        seed: seed of initial weights, order and exposure.
        rounds: rounds of training, each with a one-cycle schedule of its own.
        steps: optimiser steps of a round.
        scenes_per_step: scenes in a step; each gives ``windings`` pairs.
        temperature: temperature of InfoNCE.
        learning_rate: highest rate of the one-cycle schedule of AdamW.
        weight_decay: weight decay of AdamW.
    """

    architecture: str = "resnet10t"
    arguments: dict[str, Any] = field(
        default_factory=lambda: {
            "in_chans": 1,
            "stem_width": 8,
            "channels": [16, 32, 64, 32],
            "output_stride": 16,
        }
    )
    image_size: tuple[int, int] = (476, 364)
    render_seed: int = FIRST_SEED
    scenes: int = 256
    windings: int = 8
    views: int = 3
    seed: int = 0
    rounds: int = 2
    steps: int = 700
    scenes_per_step: int = 3
    temperature: float = 0.15
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        """Refuse coils that could belong to a data set, and empty recipes."""
        if self.render_seed < FIRST_SEED:
            raise UserError(
                f"--render-seed={self.render_seed}: seeds below {FIRST_SEED} are for data sets, whose coils must "
                "not be seen in pretraining."
            )
        if self.steps < 1 or not 1 <= self.scenes_per_step <= self.scenes:
            raise UserError("--steps and --scenes must be 1 or more, --scenes at least the scenes of a step.")


def train_rounds(recipe: Recipe, path: Path, command: str) -> int:
    """Train the rounds that are left, writing the weights after each; return the exit code."""
    about = read_about(path)
    done = about.get("rounds_done", 0) if all(about.get(k) == v for k, v in _plain(recipe).items()) else 0
    spent = about["time_s"] if done else 0
    photographs = render(recipe) if done < recipe.rounds else None
    for number in range(done, recipe.rounds):
        assert photographs is not None
        start = time.perf_counter()
        net = pretrain(recipe, photographs, number, load_file(path) if number else None)
        spent += round(time.perf_counter() - start)
        save(net, recipe, {"command": command, "rounds_done": number + 1, "time_s": spent}, path)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, round {number + 1}, {spent} s in all", flush=True)
    return 0


def render(recipe: Recipe) -> NDArray[np.uint8]:
    """Return the photographs, uint8 (scenes, windings, views, H, W)."""
    work = partial(_scene, recipe)
    if recipe.scenes < 8:
        return np.stack([work(scene) for scene in range(recipe.scenes)])
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(mp_context=context, initializer=in_pool_process)
    with pool_of_processes(pool):
        return np.stack(list(pool.map(work, range(recipe.scenes))))


def _scene(recipe: Recipe, scene: int) -> NDArray[np.uint8]:
    """Return different windings of one coil at one moment, uint8 (windings, views, H, W)."""
    rng = np.random.default_rng([recipe.render_seed, scene])
    coil = 1 + scene % 999
    renderer = CoilRenderer(recipe.render_seed, coil, rigs_kept=recipe.views + 1)
    for number in rng.integers(60, 961, _MOMENTS):  # early moments may show too few different windings
        histories = _different(recipe, renderer, coil, int(number), rng)
        if len(histories) == recipe.windings:
            break
    else:
        raise UserError(f"coil {coil} shows fewer than {recipe.windings} different windings; take another seed.")
    winding = Winding.of(recipe.render_seed, coil)
    photographs = [
        fit_image(
            Image.fromarray(renderer.render(int(number), moved(faults, winding, rng), view)),
            ImageFormat(recipe.image_size),
        )
        for faults in histories
        for view in range(1, 1 + recipe.views)
    ]
    return np.concatenate(photographs).reshape(recipe.windings, recipe.views, *recipe.image_size)


def _different(
    recipe: Recipe, renderer: CoilRenderer, coil: int, number: int, rng: np.random.Generator
) -> list[tuple[Fault, ...]]:
    """Return at most ``windings`` sets of faults that look different at a moment, the empty one first.

    They are parts of a few histories, so that many differ by one fault only: the hardest to tell apart.
    """
    histories = _histories(recipe, coil, number, rng)
    seen: dict[bytes, tuple[Fault, ...]] = {renderer.render(number).tobytes(): ()}
    for _ in range(_ATTEMPTS if histories else 0):
        if len(seen) == recipe.windings:
            break
        history = histories[rng.integers(len(histories))]
        faults = tuple(fault for fault in history if rng.random() < _KEPT)
        seen.setdefault(renderer.render(number, faults).tobytes(), faults)
    return list(seen.values())


def _histories(recipe: Recipe, coil: int, number: int, rng: np.random.Generator) -> list[list[Fault]]:
    """Return the faults that some histories of a coil show at a moment, without those that show none."""
    shown: list[list[Fault]] = []
    for attempt in rng.permutation(40 * _HISTORIES):
        faults = another_history(recipe.render_seed, coil, int(attempt))
        seen = [fault for fault in faults if fault.seen_in(number)]
        if seen:
            shown.append(seen)
        if len(shown) == _HISTORIES:
            break
    return shown


def moved(faults: Sequence[Fault], winding: Winding, rng: np.random.Generator) -> tuple[Fault, ...]:
    """Return the faults at other strands, upside down every other time; their distances stay."""
    if not faults:
        return ()
    strands = np.array([fault.strand for fault in faults])
    if rng.random() < 0.5:
        strands = winding.strands - 1 - strands
    highest, lowest = _MARGIN - strands.min(), winding.strands - 1 - _MARGIN - strands.max()
    if highest <= lowest:  # else they fill the whole height
        strands += rng.integers(highest, lowest + 1)
    return tuple(replace(fault, strand=int(strand)) for fault, strand in zip(faults, strands, strict=True))


def pretrain(
    recipe: Recipe, photographs: NDArray[np.uint8], number: int = 0, start: dict[str, Tensor] | None = None
) -> nn.Module:
    """Return the network after one round.

    The pooled features themselves are compared, without a projection that is thrown away afterwards: what the
    pretext makes them forget (coil, camera, place) is of no use later either. Few channels in the last stage make
    them few enough for a head that learns from a handful of images.

    Args:
        recipe: how to train.
        photographs: uint8 (scenes, windings, views, H, W).
        number: number of the round, from 0.
        start: weights that the round before has left, None for the first.
    """
    torch.manual_seed(recipe.seed + number)
    rng = np.random.default_rng(recipe.seed + number)
    net: Any = timm.create_model(recipe.architecture, num_classes=0, **recipe.arguments)
    if start is not None:
        net.load_state_dict(start)
    net = net.to(memory_format=torch.channels_last).train()
    standardise = nn.BatchNorm1d(2 * int(net.num_features), affine=False)
    parameters = list(net.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, recipe.steps, pct_start=0.15)
    found: list[float] = []
    for step in range(recipe.steps):
        features = net.forward_features(_exposed(_pairs(photographs, recipe.scenes_per_step, rng)))
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        first, second = functional.normalize(standardise(pooled), dim=1).chunk(2)
        similarity = first @ second.T / recipe.temperature
        same = torch.arange(len(first))
        loss = (functional.cross_entropy(similarity, same) + functional.cross_entropy(similarity.T, same)) / 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        found.append((similarity.argmax(1) == same).float().mean().item())
        if step % 25 == 0 or step == recipe.steps - 1:
            print(f"step {step}: loss {loss.item():.3f}, found {np.mean(found[-25:]):.2f}", flush=True)
    trained: nn.Module = net.eval()
    return trained


def _pairs(photographs: NDArray[np.uint8], scenes: int, rng: np.random.Generator) -> Tensor:
    """Return all windings of some scenes by one camera each, then by another, float (2B, 1, H, W) in [0, 1]."""
    chosen = rng.choice(len(photographs), scenes, replace=False)
    cameras = [rng.permutation(photographs.shape[2])[:2] for _ in chosen]
    moved = [
        np.roll(photographs[scene, :, camera[side]], rng.integers(-_JITTER, _JITTER + 1, 2), (1, 2))
        for side in (0, 1)
        for scene, camera in zip(chosen, cameras, strict=True)
    ]
    return torch.from_numpy(np.concatenate(moved))[:, None].float().div_(255)


def _exposed(images: Tensor) -> Tensor:
    """Vary contrast, brightness and noise of each image, and normalise."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(len(images), 1, 1, 1).uniform_(low, high)

    images = images * uniform(0.8, 1.25) + uniform(-0.05, 0.05)
    images = images + torch.randn(images.shape) * 0.01
    return ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def read_about(path: Path) -> dict[str, Any]:
    """Return what the json beside a weights file says of it, {} where there is none."""
    beside = path.with_suffix(".json")
    about: dict[str, Any] = (
        json.loads(beside.read_text(encoding="utf-8")) if beside.exists() and path.exists() else {}
    )
    return about


def _plain(recipe: Recipe) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return values


def save(net: nn.Module, recipe: Recipe, made: dict[str, Any], path: Path) -> None:
    """Write the weights as float16 safetensors, and what they are both into the file and beside it as json."""
    about = {
        **_plain(recipe),
        "renderer_version": RENDERER_VERSION,
        "normalisation": {"mean": [MEAN], "std": [STD]},
        "labels_used": "none",
        "threads": torch.get_num_threads(),
        **made,
        "libraries": {"torch": torch.__version__, "timm": timm.__version__, "numpy": np.__version__},
    }
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }
    write_atomically(path, as_bytes(weights, metadata={"coilal": json.dumps(about)}))
    write_atomically(path.with_suffix(".json"), json.dumps(about, indent=2) + "\n")
