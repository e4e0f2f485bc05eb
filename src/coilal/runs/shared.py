"""What the runs of one process share: the data, the loaded backbone and the inputs of training.

A process of a multirun runs its cells one after the other, mostly with the same backbone on
the same images. Nothing that a run has trained reaches the next one.
"""

from __future__ import annotations

import gc
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from coilal.common.types import IntArray
    from coilal.features.backbone import Backbone
    from coilal.fit.standardise import Inputs
    from coilal.runs.prepare import Prepared

T = TypeVar("T")


class Recent(Generic[T]):
    """The objects that were used last, found by everything that determines them.

    Args:
        most: objects that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, T] = OrderedDict()

    def get(self, determined_by: Mapping[str, Any], make: Callable[[], T]) -> T:
        """Return the object that is determined by these settings, made now unless it is kept."""
        key = json.dumps(determined_by, sort_keys=True, default=str)
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            if len(self._kept) >= self._most:  # before the new one needs the memory
                self._kept.popitem(last=False)
                gc.collect()  # a finished run's trainer and loop refer to each other, and to its inputs
            self._kept[key] = make()
        return self._kept[key]

    def forget(self) -> None:
        """Keep nothing."""
        self._kept.clear()


class Loaded:
    """A backbone and the weights that training starts from."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._initial: dict[str, Tensor] = {
            name: tensor.clone() for name, tensor in backbone.trained.state_dict().items()
        }

    def untrained(self) -> Backbone:
        """Return the backbone as it was loaded: initial weights, no gradients, in eval mode."""
        self._backbone.trained.load_state_dict(self._initial)
        self._backbone.zero_grad(set_to_none=True)
        self._backbone.eval()
        return self._backbone


PREPARED: Recent[Prepared] = Recent(most=2)
BACKBONES: Recent[Loaded] = Recent(most=2)
INPUTS: Recent[Inputs] = Recent(most=1)  # may hold gigabytes
DRAWN: Recent[IntArray] = Recent(most=2)  # parts of the images in a search, see runs.chosen_on


def forget() -> None:
    """Keep nothing of earlier runs."""
    PREPARED.forget()
    BACKBONES.forget()
    INPUTS.forget()
    DRAWN.forget()
