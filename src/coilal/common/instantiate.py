"""Builds what the configuration names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import hydra.utils
from omegaconf import DictConfig, OmegaConf

from coilal.common.moved import current
from coilal.common.types import UserError

# Packages whose classes and functions a yaml may name. A strategy, model, task or logger of your own either
# lives in coilal, or its package is added here: settings are text, and text should not run just any code.
TRUSTED = ("coilal.*", "pytorch_lightning.*")
_PACKAGES = tuple(pattern.removesuffix("*") for pattern in TRUSTED)


def instantiate(node: Any, **arguments: Any) -> Any:
    """Return the object that a node with ``_target_`` describes, lists and mappings as plain Python.

    Raises:
        UserError: the node names nothing that can be built, or has a setting that its class or function does not
            know.
    """
    node = _with_current_targets(
        OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    )
    _refuse_unknown(node)
    return hydra.utils.instantiate(node, _convert_="all", _execution_whitelist_=TRUSTED, **arguments)


def _with_current_targets(node: Any) -> Any:
    """Return a node whose classes are named as this version has them; see ``common.moved``."""
    if isinstance(node, list):
        return [_with_current_targets(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {
        key: current(value) if key == "_target_" and isinstance(value, str) else _with_current_targets(value)
        for key, value in node.items()
    }


def _refuse_unknown(node: Any) -> None:
    """Refuse settings that would end in a TypeError, with ``_partial_`` after hours; what the node holds included.

    Raises:
        UserError: names the setting and those that there are, or a ``_target_`` that is nothing.
    """
    if isinstance(node, list):
        for item in node:
            _refuse_unknown(item)
    if not isinstance(node, Mapping):
        return
    target = str(node.get("_target_", ""))
    if "_target_" in node and not target.startswith(_PACKAGES):
        raise UserError(
            f"_target_={target}: settings run no other code than that of {', '.join(TRUSTED)} "
            "(TRUSTED in coilal/common/instantiate.py)"
        )
    if target.startswith(_PACKAGES):
        known = inspect.signature(_named(target)).parameters
        unknown = [str(key) for key in node if not str(key).startswith("_") and str(key) not in known]
        if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
            raise UserError(f"{target} has no setting {', '.join(unknown)}; it has {', '.join(known)}")
    for item in node.values():
        _refuse_unknown(item)


def _named(target: str) -> Callable[..., object]:
    """Return the class or function that a dotted path names; Hydra's own look-up would log a second message."""
    path, *rest = target.split(".")
    try:
        found: object = import_module(path)
        for part in rest:
            path += f".{part}"
            found = getattr(found, part) if hasattr(found, part) else import_module(path)
    except ImportError as error:
        raise UserError(f"_target_={target} cannot be found: {error}") from error
    if not callable(found):
        raise UserError(f"_target_={target} is no class or function, but {type(found).__name__}")
    return found
