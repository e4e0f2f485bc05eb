"""Pretrain ``model=tiny`` without labels, on renders of other coils than the data set's.

``python -m coilal.pretrain --out src/coilal/models/weights/tiny.safetensors`` makes the packaged weights; what it
took is stored in the file (``time_s``) and in tiny.json beside it.

The pretext is a search for self-made irregularities (``coilal.models.edits``): strands of rendered photographs
are displaced at known places, and the network learns where, and in which of three ways. Neither labels nor
fault parameters of the renderer are used; faults that the photographs show of themselves stay unmarked.
Same seed and same machine, same weights.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from coilal.data.decode import fit_image
from coilal.data.renderer import RENDERER_VERSION, photographs, plan
from coilal.models.edits import KINDS, edit
from coilal.types import ImageFormat, UserError

FIRST_SEED = 1_000_000
"""Renderer seeds from here on are for pretraining; data sets use seeds below."""

MEAN, STD = 0.35, 0.2
"""Normalisation of grey values in [0, 1] that belongs to the weights (conf/model/tiny.yaml)."""

IMAGE = ImageFormat((476, 364))

_JITTER = (40, 20)  # rows and columns by which a window may lie off the middle of the photograph
_PRESENCE_WEIGHT, _PLACE_WEIGHT = 1.0, 2.0
_EDITED_CELL_WEIGHT = 3.0  # edited cells are few


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights.

    Attributes:
        architecture: name of the timm architecture.
        arguments: further arguments of ``timm.create_model``.
        render_seed: seed of the rendered coils, FIRST_SEED or more.
        coils: number of coils.
        images_per_coil: photographs of each, a multiple of 4.
        seed: seed of initial weights, edits and order.
        steps: optimiser steps.
        batch: photographs per step.
        window: height and width of the part of a photograph that is seen in a step.
        learning_rate: highest rate of the one-cycle schedule of AdamW.
        weight_decay: weight decay of AdamW.
    """

    architecture: str = "resnet10t"
    arguments: dict[str, Any] = field(
        default_factory=lambda: {
            "in_chans": 1,
            "stem_width": 8,
            "channels": [16, 32, 64, 128],
            "output_stride": 16,
        }
    )
    render_seed: int = FIRST_SEED
    coils: int = 96
    images_per_coil: int = 16
    seed: int = 0
    steps: int = 800
    batch: int = 32
    window: tuple[int, int] = (288, 224)
    learning_rate: float = 4e-3
    weight_decay: float = 2e-2

    def __post_init__(self) -> None:
        """Refuse coils that could belong to a data set, and empty recipes."""
        if self.render_seed < FIRST_SEED:
            raise UserError(
                f"--render-seed={self.render_seed}: seeds below {FIRST_SEED} are for data sets, whose coils must "
                "not be seen in pretraining."
            )
        if min(self.coils, self.steps, self.batch) < 1:
            raise UserError("--coils, --steps and --batch must be 1 or more.")


class _Pretext(nn.Module):
    """The network with two throw-away heads: where an edit is, and which kinds the picture holds."""

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        self.net = net
        self.place = nn.Conv2d(channels, len(KINDS), 1)
        self.presence = nn.Linear(2 * channels, len(KINDS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of place (B, 3, rows, columns) and presence (B, 3) for images (B, 1, H, W)."""
        features: Tensor = self.net.forward_features(images)  # type: ignore[operator]
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return self.place(features), self.presence(pooled)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, pretrain and write the weights; return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        recipe = Recipe(
            render_seed=options.render_seed,
            coils=options.coils,
            images_per_coil=options.images_per_coil,
            seed=options.seed,
            steps=options.steps,
            batch=options.batch,
        )
        torch.set_num_threads(options.threads)
        _keep_freed_memory()
        start, cpu = time.perf_counter(), time.process_time()
        net = pretrain(recipe, render(recipe))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    made = {
        "command": " ".join(["python -m coilal.pretrain", *given]),
        "time_s": round(time.perf_counter() - start),
        "cpu_time_s": round(time.process_time() - cpu),
        "threads": options.threads,
    }
    save(net, recipe, made, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, made in {made['time_s']} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="python -m coilal.pretrain", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write, ending in .safetensors")
    parser.add_argument("--render-seed", type=int, default=recipe.render_seed, help=f"{FIRST_SEED} or more")
    parser.add_argument("--coils", type=int, default=recipe.coils)
    parser.add_argument("--images-per-coil", type=int, default=recipe.images_per_coil, help="a multiple of 4")
    parser.add_argument("--seed", type=int, default=recipe.seed, help="initial weights, edits and order")
    parser.add_argument("--steps", type=int, default=recipe.steps)
    parser.add_argument("--batch", type=int, default=recipe.batch)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def _keep_freed_memory() -> None:
    """Make glibc reuse large freed blocks: returning and faulting in every activation doubles the time."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: keep the top of the heap


def render(recipe: Recipe) -> NDArray[np.uint8]:
    """Return photographs of the recipe's coils, uint8 (N, H, W)."""
    pictures = plan(recipe.coils, recipe.images_per_coil, recipe.render_seed)
    images = np.empty((len(pictures), *IMAGE.size), np.uint8)
    for row, photo in enumerate(photographs(pictures, range(len(pictures)))):
        images[row] = fit_image(Image.fromarray(photo), IMAGE).reshape(IMAGE.size)
    return images


def pretrain(recipe: Recipe, images: NDArray[np.uint8]) -> nn.Module:
    """Return the pretrained network, without the heads of the pretext.

    Args:
        recipe: how to train.
        images: photographs without labels, uint8 (N, H, W).
    """
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    order = np.random.default_rng(recipe.seed)
    net: nn.Module = timm.create_model(recipe.architecture, num_classes=0, **recipe.arguments)
    pretext = _Pretext(net, int(net.num_features)).to(memory_format=torch.channels_last)  # type: ignore[arg-type]
    pretext.train()
    optimizer = torch.optim.AdamW(pretext.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
    )
    cells = _cells(net, recipe.window)
    for step in range(recipe.steps):
        edited = edit(_windows(images, recipe, order), cells, generator)
        present = (edited.where.amax((2, 3)) > 0.5).float()
        place, presence = pretext(_photographed(edited.images, generator))
        place_loss = functional.binary_cross_entropy_with_logits(
            place, edited.where, pos_weight=torch.tensor(_EDITED_CELL_WEIGHT)
        )
        presence_loss = functional.binary_cross_entropy_with_logits(presence, present)
        optimizer.zero_grad()
        (_PLACE_WEIGHT * place_loss + _PRESENCE_WEIGHT * presence_loss).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(pretext.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step == recipe.steps - 1:
            print(f"step {step}: place {place_loss.item():.3f}, presence {presence_loss.item():.3f}", flush=True)
    return net.eval()


def _cells(net: nn.Module, window: tuple[int, int]) -> tuple[int, int]:
    net.eval()
    with torch.inference_mode():
        shape = net.forward_features(torch.zeros(1, 1, *window)).shape  # type: ignore[operator]
    net.train()
    return int(shape[2]), int(shape[3])


def _windows(images: NDArray[np.uint8], recipe: Recipe, order: np.random.Generator) -> Tensor:
    """Return random windows near the middle of random photographs, float (B, 1, h, w) in [0, 1]."""
    room = [whole - part for whole, part in zip(images.shape[1:], recipe.window, strict=True)]
    windows = np.empty((recipe.batch, 1, *recipe.window), np.uint8)
    for row, image in enumerate(order.integers(0, len(images), recipe.batch)):
        top, left = (
            int(np.clip(free // 2 + order.integers(-jitter, jitter + 1), 0, free))
            for free, jitter in zip(room, _JITTER, strict=True)
        )
        windows[row, 0] = images[image, top : top + recipe.window[0], left : left + recipe.window[1]]
    return torch.from_numpy(windows).float().div_(255)


def _photographed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Vary gamma, contrast, brightness and noise as light and camera would, and normalise."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(len(images), 1, 1, 1).uniform_(low, high, generator=generator)

    images = images.clamp_min(1e-3) ** torch.exp(uniform(-0.2, 0.2))
    images = images * uniform(0.8, 1.2) + uniform(-0.05, 0.05)
    images = images + torch.randn(images.shape, generator=generator) * uniform(0, 0.02)
    return ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def save(net: nn.Module, recipe: Recipe, made: dict[str, Any], path: Path) -> None:
    """Write the weights as float16 safetensors, and what they are both into the file and beside it as json."""
    about = {
        **asdict(recipe),
        "renderer_version": RENDERER_VERSION,
        "normalisation": {"mean": [MEAN], "std": [STD]},
        "image_size": list(IMAGE.size),
        "labels_used": "none",
        **made,
        "libraries": {"torch": torch.__version__, "timm": timm.__version__, "numpy": np.__version__},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.half().contiguous() if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }
    save_file(weights, path, metadata={"coilal": json.dumps(about)})
    path.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
