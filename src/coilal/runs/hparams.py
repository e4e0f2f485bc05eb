"""Which images found hyperparameters are for."""

from __future__ import annotations

from omegaconf import DictConfig

from coilal.common.types import UserError


def ensure_found_on(hparams: DictConfig, fingerprint: str) -> None:
    """Refuse hyperparameters that a search found on other images, or on these in another format.

    Args:
        hparams: where the values come from, and the fingerprint of the images that they were found on, if they are
            not for any.
        fingerprint: that of the images of this run.

    Raises:
        UserError: names the values and what can be done.
    """
    found_on = hparams.get("data")
    if found_on is not None and found_on != fingerprint and not hparams.get("any_data"):
        raise UserError(
            f"the hyperparameters {hparams.source} were found on other images, or on these in another size; use "
            "them all the same with hparams.any_data=true, or the default ones with hparams=default"
        )
