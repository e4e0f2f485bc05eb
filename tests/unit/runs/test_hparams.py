from __future__ import annotations

import pytest

from coilal.common.types import UserError
from coilal.runs.hparams import ensure_found_on
from coilal.runs.settings import Hparams


@pytest.mark.parametrize(
    "hparams",
    [
        Hparams("own/x", "5e2f"),
        Hparams("default", None),
        Hparams("own/x", "other", any_data=True),
        Hparams("a file of the user's"),
    ],
)
def test_values_are_used_for_the_images_they_were_found_on_or_for_any(hparams: Hparams) -> None:
    ensure_found_on(hparams, "5e2f")


def test_values_of_other_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"own/x were found on other images(.|\n)*hparams\.any_data=true"):
        ensure_found_on(Hparams("own/x", "other"), "5e2f")
