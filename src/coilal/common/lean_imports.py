"""Imports without what nobody asked for: seconds that every process of a study would pay.

By hand: torchmetrics and timm import what they find installed, with no setting against it, and Python's lazy loader
(importlib.util.LazyLoader) is of no help where a name is imported from a module.
"""

from __future__ import annotations

import atexit
import functools
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, PackageNotFoundError


@contextmanager
def as_if_missing(*packages: str) -> Iterator[None]:
    """Let a library be imported as where these optional packages of it are not installed.

    torchmetrics imports transformers and scipy.signal for metrics of text and sound, timm imports W&B for its
    training script. After the context everything is as before.

    Args:
        packages: names under which they are installed and imported.
    """
    imported = {name: sys.modules[name] for name in packages if name in sys.modules}
    original = Distribution.__dict__["from_name"]

    def from_name(cls: type[Distribution], name: str) -> Distribution:
        if name in packages:
            raise PackageNotFoundError(name)
        found: Distribution = original.__get__(None, cls)(name)
        return found

    Distribution.from_name = classmethod(from_name)  # type: ignore[method-assign, assignment]
    for name in packages:
        sys.modules[name] = None  # type: ignore[assignment]  # what makes ``import name`` fail
    try:
        yield
    finally:
        Distribution.from_name = original  # type: ignore[method-assign]
        for name in packages:
            del sys.modules[name]
        sys.modules.update(imported)


@contextmanager
def uncollected() -> Iterator[None]:
    """Import without looking for garbage, of which imports leave none.

    What there is after the first time is not looked at again until the process ends: libraries stay.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        _freeze()
        if enabled:
            gc.enable()


@functools.cache  # once a process: freezing again would keep what has become garbage since
def _freeze() -> None:
    gc.freeze()
    atexit.register(gc.unfreeze)
