"""Makes the folder of a workload (see ``benchmarks.workload``): renders, splits, cuts the network.

A process of its own, so that the driver stays small: python -m benchmarks.data --spec W1 --work FOLDER

All of it happens before any clock runs. Images, split and starting sets are those of coilal, so that its
command line finds the same ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import timm
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.contestants.bound import extract, statistics
from benchmarks.network import Features, pooled
from benchmarks.specs import Spec, extraction, further, w1, w2
from benchmarks.workload import Contest, Network, Workload
from coilal.active.starting_set import draw
from coilal.common.cli import conf_folder
from coilal.features.fold import folded
from coilal.features.weights import resolve
from coilal.runs.plan import STARTING_SET, Plan
from coilal.runs.prepare import Prepared, prepare
from coilal.runs.settings import Settings


class Prefix(nn.Module):
    """uint8 images in, what the frozen part returns out, as one module to be traced."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.features = Features(network)
        cut = network.trained_blocks
        self.frozen = nn.Sequential(*self.features.frozen_parts(cut)) if cut else None

    def forward(self, images: Tensor) -> Tensor:
        """Return pooled features or, where the last blocks are trained, the activations that enter them."""
        if self.frozen is None:
            return self.features(images)
        activations: Tensor = self.frozen(self.features.normalised(images))
        return activations


def make_contest(spec: Spec, work: Path) -> Path:
    """Make the folder of a workload for all contestants, and return it."""
    folder, cfg, prepared = make_for_coilal(spec, work)
    for name, ids in prepared.split.parts():
        np.save(folder / f"{name}.npy", ids)
    np.save(folder / "labels.npy", prepared.targets.values)
    np.save(folder / "images.npy", prepared.images.pixels)
    for seed, ids in starting_sets(spec, prepared).items():
        np.save(folder / f"start_{seed}.npy", ids)
    network = network_of(cfg, spec.trained_blocks)
    classes = len(prepared.targets.names)
    Workload(spec.name, classes, [*spec.seeds], [*spec.counts], spec.training, network).save(folder)
    trace(network, np.array(prepared.images.pixels[:2]), folder)
    save_features(folder)
    return folder


def make_for_coilal(spec: Spec, work: Path) -> tuple[Path, DictConfig, Prepared]:
    """Render the images and write ``coilal.json``, all that coilal needs."""
    folder, images = work / spec.name, work / "images"
    folder.mkdir(parents=True, exist_ok=True)
    cfg = settings([*spec.overrides(), f"cache.dir={images}"])
    known = Settings.of(cfg)
    plan = Plan.of(known)
    prepared = prepare(known, plan.task, plan.budget)
    names = np.array(prepared.samples.names)
    start = {seed: names[ids].tolist() for seed, ids in starting_sets(spec, prepared).items()}
    given = {"overrides": spec.overrides(), "seeds": [*spec.seeds], "images": str(images), "start": start}
    (folder / "coilal.json").write_text(json.dumps(given, indent=1))
    steps = {"counts": [*spec.counts], "training": asdict(spec.training)}
    (folder / "steps.json").write_text(json.dumps(steps))
    return folder, cfg, prepared


def settings(overrides: list[str]) -> DictConfig:
    """Return the settings that the command line would see."""
    with initialize_config_dir(config_dir=conf_folder()):
        return compose("train", overrides=overrides)


def starting_sets(spec: Spec, prepared: Prepared) -> dict[int, np.ndarray]:
    """Return the starting set of each seed, as coilal draws it."""
    pool = prepared.split.pool
    values = prepared.targets.values[pool]
    return {
        seed: draw(pool, values, spec.counts[0], "random", np.random.default_rng([seed, STARTING_SET]))
        for seed in spec.seeds
    }


def network_of(cfg: DictConfig, trained_blocks: int) -> Network:
    """Return the timm network that the settings describe."""
    model = cfg.model
    return Network(
        architecture=model.trunk.architecture,
        arguments=OmegaConf.to_container(model.trunk.arguments),
        weights=str(resolve(model.weights, model.hub, model.name)),
        mean=list(model.normalisation.mean),
        std=list(model.normalisation.std),
        trained_blocks=trained_blocks,
    )


def trace(network: Network, images: np.ndarray, folder: Path) -> None:
    """Write the frozen part of the network as TorchScript, BatchNorm folded into the convolutions, channels-last.

    TorchScript is deprecated, but nothing else is loaded by torch alone, within milliseconds. BatchNorm is folded
    before the trace: freezing alone leaves that of timm, which is a class of its own, where it is.
    """
    prefix = Prefix(network).eval().to(memory_format=torch.channels_last)
    some = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
    net = prefix.features.net if prefix.frozen is None else prefix.frozen
    with torch.no_grad(), folded(net, lambda: prefix(some)):
        traced = torch.jit.trace(prefix, some, check_trace=False)
        torch.jit.freeze(traced).save(folder / "prefix.pt")


def save_features(folder: Path) -> None:
    """Write the standardised features of all images, and the statistics that standardise them."""
    contest = Contest(folder)
    boundary = extract(contest)
    network = contest.workload.network
    if network.trained_blocks:
        tail = nn.Sequential(*Features(network).trained_parts(network.trained_blocks))
        with torch.inference_mode():
            boundary = torch.cat([pooled(tail(rows)) for rows in boundary.split(64)])
    mean, deviation = statistics(boundary, contest.pool)
    np.save(folder / "mean.npy", mean.numpy())
    np.save(folder / "std.npy", deviation.numpy())
    np.save(folder / "features.npy", ((boundary - mean) / deviation).numpy())


def random_mobilenet(path: Path) -> Path:
    """Write random weights of MobileNetV2, for times that do not depend on what the weights know."""
    torch.manual_seed(0)
    save_file(timm.create_model("mobilenetv2_100", pad_type="same").state_dict(), path)
    return path


def random_dino(folder: Path) -> Path:
    """Write random weights of DINOv2-S, for the same reason; on disk, so that all seeds share them."""
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    config = OmegaConf.to_container(settings(["model=dino_s"]).model.trunk.config)
    AutoModel.from_config(AutoConfig.for_model(**config)).save_pretrained(folder)
    return folder


def make(name: str, work: Path, weights: Path | None, quick: bool) -> None:
    """Make the folder of a workload.

    Args:
        name: W1, W2, extraction or further.
        work: folder of all workloads.
        weights: of MobileNetV2; without them W1 takes coilal's tiny and the others random weights.
        quick: smaller.
    """
    work.mkdir(parents=True, exist_ok=True)
    if name == "W1":
        make_contest(w1(weights, quick), work)
    elif name == "further":
        make_for_coilal(further(random_dino(work / "dino"), quick), work)
    else:
        weights = weights or random_mobilenet(work / "mobilenet.safetensors")
        make_contest({"W2": w2, "extraction": extraction}[name](weights, quick), work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", choices=("W1", "W2", "extraction", "further"), required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    make(options.spec, options.work.absolute(), options.weights, options.quick)
