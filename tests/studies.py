"""Simulated studies: learning curves with known effects, and run directories as a run leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

GROUPS = 20
POOL, VALIDATION, TEST = 600, 100, 200
CLASSES = {"none": 400, "gap": 150, "crossover": 50}


@dataclass(frozen=True)
class Simulated:
    """Runs of one model and task.

    Attributes:
        effects: strategy → what it adds to the metric after the starting set, at every labelled count.
        seeds: the seeds.
        labelled: labelled counts.
        noise: sd of the metric between runs of one seed; seeds themselves differ by four times that.
        overrides: settings that differ from the usual ones (dotted keys).
    """

    effects: Mapping[str, float]
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    labelled: Sequence[int] = (20, 40, 60, 80, 100)
    noise: float = 0.01
    task: str = "multiclass"
    model: str = "tiny"
    overrides: Mapping[str, Any] = field(default_factory=dict)


def curves(effect: float, labelled: Sequence[int], noise: float, seeds: Sequence[int], strategy: str) -> np.ndarray:
    """Return learning curves (S, T) that rise from 0.3 to 0.8; equal starting points for all strategies."""
    x = (np.asarray(labelled) - labelled[0]) / max(labelled[-1] - labelled[0], 1)
    rise = 0.3 + 0.5 * (1 - np.exp(-3 * x)) / (1 - np.exp(-3))
    rows = []
    for seed in seeds:
        common = np.random.default_rng([seed]).normal(0, 4 * noise)
        own = np.random.default_rng([seed, *strategy.encode()]).normal(0, noise, len(x))
        rows.append(rise + common + np.where(x > 0, effect + own, 0.0))
    return np.clip(np.array(rows), 0, 1)


def write_study(study: Path, simulated: Simulated) -> None:
    """Write the run directories of a simulated study."""
    for strategy, effect in simulated.effects.items():
        values = curves(effect, simulated.labelled, simulated.noise, simulated.seeds, strategy)
        for seed, curve in zip(simulated.seeds, values, strict=True):
            folder = study / simulated.task / simulated.model / strategy / f"seed{seed}"
            write_run(folder, simulated.labelled, curve, simulated.overrides)


def write_run(
    folder: Path, labelled: Sequence[int], curve: np.ndarray, overrides: Mapping[str, Any] | None = None
) -> None:
    """Write one finished run, in the format of a run directory."""
    study, task, model, strategy, seed = folder.parts[-5:]
    number = int(seed.removeprefix("seed"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        yaml.safe_dump(_config(study, task, model, strategy, number, overrides or {}))
    )
    (folder / "status.json").write_text(json.dumps(_status(task, model, strategy, number)))
    _cycles(labelled, curve, number, strategy).to_csv(folder / "cycles.csv", index=False)
    _queries(labelled, number, strategy).to_csv(folder / "queries.csv", index=False)
    pool = {"part": "pool", "images": POOL, "groups": GROUPS, **CLASSES}
    pd.DataFrame([pool]).to_csv(folder / "splits.csv", index=False)


def _config(
    study: str, task: str, model: str, strategy: str, seed: int, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "study": study,
        "seed": seed,
        "seeds": {"split": 0, "start": seed, "train": seed},
        "data": {
            "split": {"validation": 0.1, "test": 0.2},
            "source": {"_target_": "coilal.data.folder.ImageFolder", "root": "/nowhere"},
            "image": {"size": [56, 42], "fit": "squash", "mode": "L"},
        },
        "model": {"name": model, "optimizer": {"lr_head": 0.003}},
        "task": {"name": task},
        "strategy": {"name": strategy, "needs": []},
        "trainer": {"max_epochs": 50},
        "outputs": "outputs",
        "force": False,
    }
    for key, value in overrides.items():
        *path, last = key.split(".")
        node = config
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def _status(task: str, model: str, strategy: str, seed: int) -> dict[str, Any]:
    return {
        "state": "done",
        "host": "here",
        "start": "2026-11-20T10:00:00+00:00",
        "task": task,
        "model": model,
        "strategy": strategy,
        "seeds": {"seed": seed, "split": 0, "start": seed, "train": seed},
        "weights": "0391b30f20c311a0",
        "data": {
            "images": POOL + VALIDATION + TEST,
            "fingerprint": "04c0297b",
            "split": {"pool": POOL, "validation": VALIDATION, "test": TEST},
        },
        "versions": {"python": "3.11.7", "coilal": "0.1.0"},
        "git_commit": "61b700741b6faa6207306d2130d3e01353c1ad61",
    }


def _cycles(labelled: Sequence[int], curve: np.ndarray, seed: int, strategy: str) -> pd.DataFrame:
    table = pd.DataFrame({"cycle": range(len(labelled)), "labelled": labelled, "test/macro_f1": curve})
    table["test/accuracy"] = 1 - (1 - curve) / 2
    for place, name in enumerate(CLASSES):
        table[f"test/recall/{name}"] = curve ** (place + 1)
    table["test/escape_rate"], table["test/overkill_rate"] = (1 - curve) / 2, (1 - curve) / 3
    table["val/macro_f1"] = curve
    active = strategy != "random"
    table["fit_s"] = 1.0 + 0.01 * np.asarray(labelled)
    table["infer_s"], table["select_s"], table["evaluate_s"] = 0.5 * active, 0.1 * active, 0.2
    return table


def _queries(labelled: Sequence[int], seed: int, strategy: str) -> pd.DataFrame:
    start = np.random.default_rng([seed, 1]).permutation(POOL)
    rest = start[labelled[0] :]
    order = [*start[: labelled[0]], *np.random.default_rng([seed, *strategy.encode()]).permutation(rest)]
    names = [name for name, count in CLASSES.items() for _ in range(count)]
    rows = []
    for cycle, (first, last) in enumerate(zip([0, *labelled], labelled, strict=False)):
        for rank, image in enumerate(order[first:last]):
            name = f"Spule{image % GROUPS:03}_Image{image // GROUPS:04}.jpg"
            rows.append({"cycle": cycle, "rank": rank, "image": name, "score": None, "label": names[image]})
    return pd.DataFrame(rows)
