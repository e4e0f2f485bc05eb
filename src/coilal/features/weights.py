"""Where a backbone's weights come from: the hub, a local file or folder, the package, or nowhere.

Imports nothing heavy: a run asks for its weights before it imports torch, so that a missing network
is reported within seconds.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from pathlib import Path

from coilal.common.machine import expanded
from coilal.common.types import UserError

HUB_TIMEOUT_S = 6.0
WANTED = ["*.safetensors", "config.json", "preprocessor_config.json"]
PACKAGED = Path(__file__).parent / "weights"


def resolve(weights: str | None, hub: str | None, model: str) -> Path | None:
    """Return the file or folder that holds the weights, or None for random weights.

    Args:
        weights: ``hub``, ``packaged``, ``none``, or a local file or folder.
        hub: repository of the weights on the hub, ``owner/name``.
        model: name of the model, for error messages.

    Raises:
        UserError: the weights cannot be had; the message says how to get and pass them.
    """
    if weights is None or weights == "none":
        return None
    if weights == "hub":
        return _from_hub(hub, model)
    if weights == "packaged":
        path = PACKAGED / f"{model}.safetensors"
        if not path.exists():
            raise UserError(f"model={model} has no packaged weights; set model.weights to hub, a path or none.")
        return path
    path = expanded(weights, "model.weights")
    if not path.exists():
        raise UserError(
            f"model.weights={weights}: there is no such file or folder. Give hub, packaged, none, "
            "or the path of a .safetensors/.pth file or of a folder in the hub's format."
        )
    return path


def are_at_hand(weights: str | None, hub: str | None) -> bool:
    """Return whether ``resolve`` would find the weights on this machine, without asking the hub."""
    return weights != "hub" or (bool(hub) and _cached(str(hub)) is not None)


def ensure_reachable(weights: str | None, hub: str | None, model: str) -> None:
    """Refuse weights that would have to come from a hub that does not answer; downloads nothing.

    Raises:
        UserError: says how to get the weights and pass them.
    """
    if weights == "hub" and _cached(_repository(hub, model)) is None:
        _reach(_repository(hub, model), model)


def fingerprint(path: Path | None) -> str:
    """Return a hex digest of the weights' content; ``random`` without weights."""
    if path is None:
        return "random"
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(_content(file, status.st_ino, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()[:16]


@functools.lru_cache(maxsize=64)
def _content(file: Path, _inode: int, _size: int, _changed: int) -> bytes:
    """Return the digest of a file, read once per process while it is unchanged."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _from_hub(hub: str | None, model: str) -> Path:
    from huggingface_hub import snapshot_download

    repository = _repository(hub, model)
    cached = _cached(repository)
    if cached is not None:
        return cached
    _reach(repository, model)
    return Path(snapshot_download(repository, allow_patterns=WANTED))


def _repository(hub: str | None, model: str) -> str:
    if not hub:
        raise UserError(f"model={model} names no hub repository (model.hub); pass weights with model.weights=…")
    return hub


def _cached(repository: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        local = Path(snapshot_download(repository, allow_patterns=WANTED, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return local if any(local.glob("*.safetensors")) else None


def _reach(hub: str, model: str) -> None:
    """Ask the hub for the repository once, in a thread: name resolution has no time limit of its own."""
    from huggingface_hub import HfApi

    failure: list[Exception] = [TimeoutError(f"no answer within {HUB_TIMEOUT_S:.0f} s")]

    def ask() -> None:
        try:
            HfApi().model_info(hub, timeout=HUB_TIMEOUT_S)
            failure.clear()
        except Exception as error:
            failure[:] = [error]

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_TIMEOUT_S)
    if failure:
        reason = str(failure[0]).strip().splitlines()[0]
        raise UserError(
            f"the weights of model={model} cannot be fetched from the hub ({hub}): {reason}\n"
            f"On a machine with network:  hf download {hub} --local-dir {model}\n"
            f"then copy the folder here and run with  model.weights=PATH/{model}\n"
            "(or model.weights=none for random weights, to try things out; such runs are marked)."
        )
