"""Which images found hyperparameters are for."""

from __future__ import annotations

from coilal.common.types import UserError
from coilal.runs.settings import Hparams


def ensure_found_on(hparams: Hparams, fingerprint: str) -> None:
    """Refuse hyperparameters that a search found on other images, or on these in another format.

    Args:
        hparams: where the values come from, and the fingerprint of the images that they were found on, if they are
            not for any.
        fingerprint: that of the images of this run.

    Raises:
        UserError: names the values and what can be done.
    """
    if hparams.data not in (None, fingerprint) and not hparams.any_data:
        raise UserError(
            f"the hyperparameters {hparams.source} were found on other images, or on these in another size; use "
            "them all the same with hparams.any_data=true, or the default ones with hparams=default"
        )
