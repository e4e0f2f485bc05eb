"""Builds what the configuration names."""

from __future__ import annotations

from typing import Any

import hydra.utils

# Packages whose classes and functions a yaml may name. A strategy, model, task or logger of your own either
# lives in coilal, or its package is added here: settings are text, and text should not run just any code.
TRUSTED = ("coilal.*", "pytorch_lightning.*")


def instantiate(node: Any, **arguments: Any) -> Any:
    """Return the object that a node with ``_target_`` describes, lists and mappings as plain Python."""
    return hydra.utils.instantiate(node, _convert_="all", _execution_whitelist_=TRUSTED, **arguments)
