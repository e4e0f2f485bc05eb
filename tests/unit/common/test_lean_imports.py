from __future__ import annotations

import gc
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from coilal.common.lean_imports import as_if_missing, uncollected


def test_a_package_is_missing_in_the_context_and_there_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with as_if_missing("colorsys"), pytest.raises(ModuleNotFoundError):
        import colorsys
    import colorsys

    assert colorsys.rgb_to_hls(0, 0, 0) == (0, 0, 0)


def test_its_metadata_are_missing_too_and_what_was_imported_is_the_same_afterwards() -> None:
    import filelock as before

    with as_if_missing("filelock"):
        with pytest.raises(PackageNotFoundError):
            version("filelock")
        assert version("numpy")
    import filelock as after

    assert version("filelock")
    assert after is before


def test_after_an_error_everything_is_visible_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ZeroDivisionError), as_if_missing("colorsys"):
        raise ZeroDivisionError
    import colorsys

    assert colorsys


def test_garbage_is_collected_again_after_the_imports() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.slow
def test_torchmetrics_brings_no_transformers_and_timm_no_wandb() -> None:
    code = (
        "import sys, coilal.fit.tasks.multilabel, coilal.fit.tasks.multiclass, coilal.features.timm_trunk;"
        "import coilal.fit.loop;"
        "found = {'transformers', 'scipy.signal', 'wandb'} & set(sys.modules); assert not found, found;"
        "import transformers, scipy.signal"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
