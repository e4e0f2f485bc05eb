"""How numbers are computed: Lightning's precision, and TF32 on a GPU.

In each of the precisions that are offered the trained weights, the head, the loss and the logits are float32; under
mixed precision the backbone computes in half precision.
"""

from __future__ import annotations

from typing import Any

import torch

from coilal.common.types import UserError


def ensure_as_asked(asked: str | int, plugin: Any) -> None:
    """Refuse a precision that this machine computes as another one.

    Args:
        asked: the setting ``trainer.precision``.
        plugin: Lightning's precision plugin.

    Raises:
        UserError: half precision with 16 bits was asked for, on a CPU.
    """
    if str(asked) in ("16", "16-mixed") and plugin.precision != "16-mixed":
        raise UserError(
            f"trainer.precision={asked} needs a GPU, and this run is to use the CPU: "
            "use trainer.precision=bf16-mixed, or 32-true."
        )


def set_tf32(allowed: bool, device: torch.device) -> None:
    """Let a GPU round the inputs of float32 products and convolutions to TF32, or not; a CPU is left as it is.

    torch itself allows it for convolutions. These two switches, not the newer ``fp32_precision``: Lightning 2.6
    asks ``get_float32_matmul_precision`` when it sets up a GPU, an error once the newer ones allow TF32.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed


def frozen_weights(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the type of the frozen part's weights where autocast is not to cast them; None where it does.

    On a GPU with bfloat16 it is more than the casts that autocast costs: what it adds and normalises in float32
    is most of the memory traffic. With float16, whose range sums can leave, and on a CPU, whose stored outputs keep
    their key, autocast stays.

    Args:
        precision: Lightning's name of it.
        device: where the frozen part is computed.
    """
    return torch.bfloat16 if device.type == "cuda" and precision == "bf16-mixed" else None


def words(precision: str, tf32: bool, device: torch.device) -> str:
    """Return how is computed, for the log."""
    if device.type != "cuda":
        return f"precision {precision}"
    return f"precision {precision}, float32 {'rounded to TF32' if tf32 else 'without TF32'}"
