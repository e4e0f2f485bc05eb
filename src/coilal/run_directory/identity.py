"""What makes two runs the same: the settings that determine a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from coilal.common.moved import current

# Settings that change where things lie or how they are shown, not what comes out. Where the data lie is among them:
# their content counts, and is compared image by image (``coilal.run_directory.data_record``).
NOT_IDENTITY = (
    *("force", "cache.dir", "cache.max_gb", "cache.memory_gb", "logger", "outputs", "records", "experiment"),
    *("data.root", "data.labels", "data.source.root", "data.source.labels"),
    *("hparams.data", "hparams.any_data", "hparams.chosen_on"),
    "label",
    "split",  # the same as seeds.split
    # Whether the data give the split: the part of each image is compared, too.
    *("data.source.split_column", "data.source.split_folders"),
)

OF_A_DRAWN_SPLIT = ("data.split.validation", "data.split.test", "data.split.folds", "data.split.by", "seeds.split")
"""Settings that determine nothing where the data give the split."""

ADDED: Mapping[str, Any] = {
    "tf32": False,
    "data.split.folds": None,
    "data.split.by": None,
    "data.source.attribute_column": None,
    "data.source.bobbins": 1,
    "data.source.lightings": 1,
    "data.image.range": "auto",
    "data.image.page": None,
    "data.source.similar_names": "error",
    "data.source.no_value": ["nan", "na", "n/a", "#n/a", "<na>", "null", "-"],
    "data.source.unlabelled": "drop",
    "strategy.per_group": None,
    "budget.ahead": 0,
    "inspection.overkill": 5,
    "inspection.top": 1,
    "strategy.groups": None,
    "strategy.ranks": True,
    "oracle.error_rate": 0,
    "oracle.confusion": None,
}
"""Settings that runs stored by earlier versions do not have, and the value that is what those versions did; with it
a setting does not count, so that such runs go on. On a GPU those versions had TF32 where torch has it by itself, in
convolutions: ``coilal.runs.run`` says so when such a run goes on."""

_PREFIXES = tuple(f"{name}." for name in NOT_IDENTITY)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def identifying(config: Mapping[str, Any], split_is_given: bool = False) -> dict[str, Any]:
    """Return the flattened settings that determine a run's result.

    Args:
        config: its settings.
        split_is_given: whether its data give the split, so that none is drawn.
    """
    without = OF_A_DRAWN_SPLIT if split_is_given else ()
    return {
        key: current(value) if key.endswith("_target_") and isinstance(value, str) else value
        for key, value in flatten(config).items()
        if not f"{key}.".startswith(_PREFIXES) and key not in without and not (key in ADDED and value == ADDED[key])
    }


def identity_hash(config: Mapping[str, Any], content: Mapping[str, str] | None = None) -> str:
    """Return a short hash of what determines a run's result.

    Args:
        config: its settings.
        content: digests of its data and weights.
    """
    text = json.dumps([identifying(config), dict(content or {})], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], split_is_given: bool = False) -> list[str]:
    """Return ``key: old → new`` for each setting that determines a result and differs.

    Args:
        old: settings of a run.
        new: settings of another one.
        split_is_given: whether the data of the first give the split.
    """
    before, after = (identifying(config, split_is_given) for config in (old, new))
    absent = "(not set)"
    return [
        f"{key}: {before.get(key, absent)} → {after.get(key, absent)}"
        for key in sorted({*before, *after})
        if before.get(key, absent) != after.get(key, absent)
    ]
