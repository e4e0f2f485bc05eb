"""The API key of W&B: whether there is one, and keeping it out of messages. Quick to import."""

from __future__ import annotations

import os

KEY_VARIABLE = "WANDB_API_KEY"


def has_key() -> bool:
    """Return whether W&B finds a key, without asking for one."""
    import wandb
    from wandb.sdk.lib import wbauth

    host = wandb.setup().settings.base_url
    return wbauth.authenticate_session(host=host, source="coilal", prompt=False) is not None


def without_key(error: BaseException) -> str:
    """Return the message of an error without the API key."""
    key = os.environ.get(KEY_VARIABLE)
    return str(error).replace(key, "***") if key else str(error)
