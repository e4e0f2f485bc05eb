from __future__ import annotations

import gc
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from coilal.lean_imports import as_if_missing, uncollected


def test_a_package_is_missing_in_the_context_and_there_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with as_if_missing("colorsys", "filelock"):
        with pytest.raises(ModuleNotFoundError):
            import colorsys
        assert version("numpy")
        assert version("filelock"), "imported already, so that hiding it would help nobody"
    import colorsys

    assert colorsys.rgb_to_hls(0, 0, 0) == (0, 0, 0)


def test_its_metadata_are_missing_too() -> None:
    name = next(name for name in ("wandb_workspaces", "tensorboard") if name not in sys.modules)
    with as_if_missing(name), pytest.raises(PackageNotFoundError):
        version(name)
    assert version(name)


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
        "import sys, coilal.tasks.multilabel, coilal.tasks.multiclass, coilal.models.timm_trunk, coilal.loop;"
        "found = {'transformers', 'scipy.signal', 'wandb'} & set(sys.modules); assert not found, found;"
        "import transformers, scipy.signal"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
