"""Reading a file of weights: safely, whatever is wrapped around the tensors, as tensors by name."""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from coilal.common.types import UserError

PICKLED = (".pth", ".pt", ".bin", ".ckpt", ".tar")
USUAL = ("model.safetensors", "pytorch_model.bin")  # what libraries call them in a folder of the hub's

TIMM_LOOKS_INSIDE = ("state_dict_ema", "model_ema", "state_dict", "model")

# Where training scripts keep the network among other things; averaged weights first, as those are meant for use.
INSIDE = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "ema", "teacher"),
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net", "backbone", "encoder", "weights"),
)


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        path: where it lies; the first file of weights in several parts.
        tensors: by the names that they have there.
        notes: how they were found, for the log; () where the file holds nothing else.
        reread: whether timm by itself would have found other tensors, or none.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    reread: bool = False

    def renamed(self, tensors: Mapping[str, Tensor], *notes: str, reread: bool = False) -> WeightsFile:
        """Return the file with its tensors by other names, or fewer of them, and what to say of that."""
        return WeightsFile(self.path, tensors, (*self.notes, *notes), self.reread or reread)


def read(weights: Path) -> WeightsFile:
    """Return the tensors of a file, or of the one file (or the parts of it) that a folder holds.

    Pickled files are read without running code of theirs.

    Raises:
        UserError: no such file, one that cannot be read, or several of which none has the usual name.
    """
    if weights.is_dir():
        return _of_folder(weights)
    if weights.suffix == ".safetensors":
        return WeightsFile(weights, _safetensors(weights))
    if weights.suffix in PICKLED:
        return _unwrapped(weights, _unpickled(weights))
    raise UserError(f"model.weights={weights}: give a .safetensors file, or one of {', '.join(PICKLED)}.")


def _of_folder(folder: Path) -> WeightsFile:
    parts = folder / "model.safetensors.index.json"
    if parts.exists():
        return _of_parts(parts)
    found = sorted(folder.glob("*.safetensors")) or sorted(p for p in folder.iterdir() if p.suffix in PICKLED)
    if not found:
        raise UserError(f"model.weights={folder}: the folder holds no .safetensors, .pth, .pt or .bin file.")
    usual = [file for file in found if file.name in USUAL]
    if len(found) > 1 and not usual:
        raise UserError(
            f"model.weights={folder}: the folder holds several files of weights ({_some(f.name for f in found)}); "
            f"name one, for example model.weights={found[0]}"
        )
    file = read((usual or found)[0])
    others = [other.name for other in found if other != file.path]
    beside = (f"{file.path.name} of the folder is used, not {_some(others)}",) if others else ()
    return file.renamed(file.tensors, *beside, reread=file.path != found[0])


def _of_parts(index: Path) -> WeightsFile:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{index} is no list of the parts of weights; is the download complete?") from error
    missing = [name for name in names if not (index.parent / name).exists()]
    if missing:
        raise UserError(f"model.weights={index.parent}: the download is not complete, {_some(missing)} is missing.")
    tensors: dict[str, Tensor] = {}
    for name in names:
        tensors |= _safetensors(index.parent / name)
    return WeightsFile(index.parent / names[0], tensors, (f"read from {len(names)} files",))


def _safetensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error
    return tensors


def _unpickled(file: Path) -> Any:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # timm's training script stores its arguments
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{file} holds other things than tensors, which would run code when read, or is no file of torch's. "
            "Where it was made, save the weights alone: torch.save(model.state_dict(), FILE), and give that file."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return UserError(
        f"{file} ({file.stat().st_size:,} bytes) cannot be read as weights: {reason}. Is the download complete? "
        "A file of about 130 bytes is Git LFS's note instead of the file (git lfs pull)."
    )


def _unwrapped(file: Path, content: Any) -> WeightsFile:
    """Return the tensors by name, wherever among the content they are."""
    path: list[str] = []
    while not _is_state(content):
        inside = {str(key): value for key, value in content.items()} if isinstance(content, Mapping) else {}
        states = [key for key, value in inside.items() if _is_state(value)]
        chosen = next((key for key in INSIDE if isinstance(inside.get(key), Mapping)), None)
        if chosen is None and len(states) == 1:
            chosen = states[0]
        if chosen is None:
            held = f"{_some(inside)} side by side" if inside else f"a {type(content).__name__}"
            raise UserError(
                f"{file} holds {held}, and not the tensors of one network. Save them alone, as they come from "
                "model.state_dict(), and give that file."
            )
        path.append(chosen)
        content = inside[chosen]
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    notes = (f"found inside '{'.'.join(path)}'",) if path else ()
    return WeightsFile(file, tensors, notes, reread=len(path) > 1 or not set(path) <= set(TIMM_LOOKS_INSIDE))


def _is_state(content: Any) -> bool:
    """Return whether this is a state dictionary: tensors by dotted names, perhaps a version number besides."""
    if not isinstance(content, Mapping) or any(isinstance(value, Mapping) for value in content.values()):
        return False
    return any(isinstance(value, Tensor) and "." in str(key) for key, value in content.items())


def _some(names: Any, most: int = 5) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
