"""The backbone of a run: loaded once for all runs of a process, refused early if its weights do not fit."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coilal.common.instantiate import instantiate
from coilal.common.lean_imports import uncollected
from coilal.common.machine import cache_folder
from coilal.features import key
from coilal.features.backbone import Backbone
from coilal.features.build import build_backbone
from coilal.runs import shared
from coilal.runs.settings import Settings

log = logging.getLogger(__name__)


def backbone_loader(settings: Settings, weights: Path | None, fingerprint: str) -> Callable[[], Backbone]:
    """Return what gives the backbone with its initial weights, loaded once for all runs of this process."""
    model, image = settings.model, settings.data.image

    def load() -> shared.Loaded:
        with uncollected():  # the library of the backbone
            return shared.Loaded(
                build_backbone(
                    instantiate(model.trunk),
                    weights,
                    image.size,
                    model.pooling,
                    model.trainable,
                    (model.mean, model.std),
                    settings.seeds.train,
                    image.channels,
                )
            )

    determined_by = built_for(settings, fingerprint)
    return lambda: shared.BACKBONES.get(determined_by, load).untrained()


def built_for(settings: Settings, fingerprint: str) -> dict[str, Any]:
    """Return what determines the backbone as it is built for images of this size and mode.

    Args:
        settings: those of a run.
        fingerprint: that of the weights.
    """
    backbone = key.of_backbone(settings.model.given, fingerprint, settings.seeds.train)
    return {"backbone": backbone, "size": settings.data.image.size, "mode": settings.data.image.mode}


def ensure_weights_fit(
    settings: Settings, weights: Path | None, fingerprint: str, load: Callable[[], Backbone]
) -> bool:
    """Load the backbone unless its weights are known to fit it: they are refused before images are decoded.

    That they fit, and how, is noted in the cache, and said again where it is known; features stored by earlier
    versions may be those of weights that do not.

    Returns:
        Whether earlier versions computed other features with these weights; see ``Trunk.reread``.
    """
    if weights is None:
        return False
    backbone = key.of_backbone(settings.model.given, fingerprint, settings.seeds.train)
    facts = [backbone, version("timm"), version("transformers")]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    note = cache_folder(settings.cache.dir) / "weights" / f"{digest}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(note.read_text(encoding="utf-8"))
        reread, told = bool(noted["reread"]), str(noted["told"])
        log.info("%s", told)
        return reread
    fitted = load().trunk
    with contextlib.suppress(OSError):  # without the note they are looked at again next time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"reread": fitted.reread, "told": fitted.told}), encoding="utf-8")
    return fitted.reread
