"""Images per second of a forward pass in bare torch, in every way that is common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.networks import Bare
from benchmarks.gpu.timing import seconds_of

Context = Callable[[], AbstractContextManager[Any]]

FLOAT32, TF32, AUTOCAST, HALF, COMPILED = (
    "float32",
    "TF32",
    "bf16 autocast",
    "bf16 weights",
    "bf16 weights, compiled",
)
CHANNELS_LAST = ", channels-last"


def forward_rates(
    bare: Bare, pixels: Tensor, full: bool, compiled: bool, repeats: int = 3, least_s: float = 0.5
) -> dict[str, float]:
    """Return the images/s of each way; afterwards the network's weights are bfloat16.

    Args:
        bare: the network, on the device.
        pixels: uint8 (B, 1, H, W), a batch on the device.
        full: whether in float32 and TF32, too, which take long.
        compiled: whether compiled, too, which takes long.
        repeats: of which the median is taken.
        least_s: time of a repeat.
    """
    device = pixels.device

    def rate(forward: Callable[[Tensor], Tensor], context: Context = nullcontext) -> float:
        with torch.no_grad(), context():
            return len(pixels) / seconds_of(lambda: forward(pixels), device, least_s, repeats)

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16)

    found = {}
    if full:
        found[FLOAT32] = rate(bare)
        with tf32():
            found[TF32] = rate(bare)
    found[AUTOCAST] = rate(bare, autocast)
    if not bare.transformer:
        bare.lay_out(torch.channels_last)
        found[AUTOCAST + CHANNELS_LAST] = rate(bare, autocast)
    bare.cast(torch.bfloat16)
    found[HALF + ("" if bare.transformer else CHANNELS_LAST)] = rate(bare)
    if compiled:
        found[COMPILED] = rate(torch.compile(bare.__call__, dynamic=False))
    return found


class tf32:  # noqa: N801 (a context, as torch's own)
    """Let float32 products and convolutions be rounded to TF32 within the context."""

    def __enter__(self) -> None:
        self._before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True

    def __exit__(self, *_: object) -> None:
        precision, convolutions = self._before
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = convolutions
