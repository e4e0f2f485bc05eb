"""Whether the tensors of a file are those of a network: all that it needs, and nothing foreign."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from coilal.common.types import UserError
from coilal.features.weights_file import WeightsFile

log = logging.getLogger(__name__)

# Parts of a name by which a tensor may be left over: heads, what only training uses, and what is computed anyway.
_HARMLESS = re.compile(
    r"(^|\.)(head|heads|head_dist|classifier|classifier_dist|fc|last_linear|logits|aux_head|aux_classifier|pooler"
    r"|AuxLogits|projector|projection_head|proj_head|dino_head|ibot_head|mlp_head|fc_norm|attn_pool|mask_token"
    r"|num_batches_tracked|relative_position_index|relative_coords_table|attn_mask|position_ids|n_averaged"
    r"|logit_scale|logit_bias)(\.|$)"
)
# What no feature depends on, so that it may be absent.
_UNUSED = re.compile(r"(^|\.)(num_batches_tracked|mask_token|pooler)(\.|$)")

# Where training code keeps one network beside another: the averaged one is meant for use.
_PREFERRED = ("ema", "teacher", "model_ema")

_HINTS = (
    (
        re.compile(r"^features\.\d+\.\d"),
        "These are torchvision's names: save the network from timm, or fetch timm's file",
    ),
    (
        re.compile(r"(^|\.)embeddings\.patch_embeddings\."),
        "These are the names of the transformers library: use model=dino_s, dino_b or dino_l",
    ),
    (
        re.compile(r"(^|\.)blocks\.\d+\.attn\.qkv\."),
        "These are the names of timm and of DINOv2's authors: use timm's network, for example model=mobilenet "
        "model.name=dino_timm model.trunk.architecture=vit_small_patch14_dinov2 model.pooling=cls_mean",
    ),
)


def without_prefix(file: WeightsFile, needed: Mapping[str, Tensor]) -> WeightsFile:
    """Return the tensors without what stands before all names of the network, as ``module.`` or ``backbone.``.

    What stands elsewhere (a head beside the backbone, a loss) is left out and said. Names stay where no prefix
    gives more of the network's, and half of them.

    Args:
        file: what was read.
        needed: the network's tensors by name.

    Raises:
        UserError: the file holds several networks of this kind.
    """
    found = Counter(prefix for name in file.tensors for prefix in _prefixes(name, needed))
    most = max(found.values(), default=0)
    if most == found[""] or 2 * most < len(needed):
        return file
    best = [prefix for prefix, number in found.items() if number == most]
    named = {prefix: set(prefix.rstrip(".").split(".")) for prefix in best}
    preferred = [prefix for prefix in best if named[prefix] & set(_PREFERRED)]
    if len(best) > 1 and len(preferred) != 1:
        raise UserError(
            f"{file.path} holds {len(best)} networks of this kind, {', '.join(sorted(best))}; save the tensors of "
            "one of them alone and give that file."
        )
    (prefix,) = preferred if len(best) > 1 else best
    tensors = {name.removeprefix(prefix): t for name, t in file.tensors.items() if name.startswith(prefix)}
    note = f"names without '{prefix}'"
    beside = len(file.tensors) - len(tensors)
    note += f", {beside} tensors that stand elsewhere are not used" if beside else ""
    return file.renamed(tensors, note, reread=prefix not in ("module.", "_orig_mod."))  # timm knows these two


def _prefixes(name: str, needed: Mapping[str, Tensor]) -> list[str]:
    parts = name.split(".")
    ends = (".".join(parts[first:]) for first in range(len(parts)))
    return [name.removesuffix(end) for end in ends if end in needed]


@dataclass(frozen=True)
class Fit:
    """What of a file and of a network has no counterpart in the other.

    Attributes:
        missing: the network's names that are not in the file.
        misshapen: sentences about tensors that have another shape.
        left: the file's names that the network has no place for.
    """

    missing: Sequence[str]
    misshapen: Sequence[str]
    left: Sequence[str]

    @classmethod
    def by_name(cls, tensors: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> Self:
        """Compare the tensors of a file with those of a network."""
        return cls(
            [name for name in needed if name not in tensors],
            [
                f"{name} is {list(tensors[name].shape)} in the file and {list(tensor.shape)} in the network"
                for name, tensor in needed.items()
                if name in tensors and tensors[name].shape != tensor.shape
            ],
            [name for name in tensors if name not in needed],
        )


def ensure_fit(file: WeightsFile, fit: Fit, needed: Mapping[str, Tensor], network: str) -> str:
    """Return, and log, how the tensors of a file fit a network: what was found, and what is left over.

    Args:
        file: its tensors.
        fit: what has no counterpart.
        needed: the network's tensors by name.
        network: what the network is called, for messages.

    Raises:
        UserError: a tensor is missing, has another shape or is no number, or more is left over than a known set of
            extras.
    """
    missing = [name for name in fit.missing if not _UNUSED.search(name)]
    foreign = [name for name in fit.left if not _HARMLESS.search(name)]
    wrong = []
    if missing:
        wrong.append(f"{len(missing)} of its {len(needed)} tensors are missing, first {_first(missing)}")
    if fit.misshapen:
        wrong.append(f"{len(fit.misshapen)} have another shape: {'; '.join(fit.misshapen[:2])}")
    if foreign:
        wrong.append(f"the file has {len(foreign)} that it has no place for, first {_first(foreign)}")
    if wrong:
        raise UserError(f"the weights in {file.path} do not fit {network}: {', and '.join(wrong)}. {_hint(file)}")
    _ensure_numbers(file)
    kinds = sorted({str(t.dtype).removeprefix("torch.") for t in file.tensors.values() if t.is_floating_point()})
    found = len(needed) - len(fit.missing)
    told = f"weights: all {found} tensors of {network} are in {file.path.name} ({', '.join(kinds)})"
    told += "".join(f"; {note}" for note in file.notes)
    told += f"; {len(fit.left)} left over: {_first(fit.left)}" if fit.left else ""
    log.info("%s", told)
    return told


def _ensure_numbers(file: WeightsFile) -> None:
    for name, tensor in file.tensors.items():
        if _HARMLESS.search(name):
            continue
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UserError(f"{file.path}: {name} is {kind}, and quantised weights do not fit.")
        if tensor.is_meta or tensor.layout != torch.strided:
            raise UserError(
                f"{file.path}: {name} is no plain tensor; save {{name: value.to_dense(), …}} of real ones."
            )
        if not torch.isfinite(tensor).all():
            raise UserError(f"{file.path}: {name} holds NaN or infinity; these weights are of no use.")


def _hint(file: WeightsFile) -> str:
    for pattern, hint in _HINTS:
        if any(pattern.search(name) for name in file.tensors):
            return f"{hint}."
    return "Give the file of this very network (model.weights), or the network of this file (model=…)."


def _first(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
