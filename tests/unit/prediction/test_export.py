"""The model of a run as one file: the run's own probabilities, from the images as they are stored."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coilal.common.types import UserError
from coilal.data.decode import fit_image
from coilal.prediction import export as module
from coilal.prediction.export import INPUT, METADATA, OUTPUT, checked, export
from coilal.prediction.request import SUFFIX, Request
from coilal.run_directory.files import study_of
from coilal.runs.shared import forget
from tests.unit.prediction.trained import train

pytestmark = pytest.mark.slow

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in module.NEEDED),
    reason="the extra export is not installed",
)
BOTH = [pytest.param("onnx", marks=needs_onnx), "torchscript"]

DINO = "{model_type: dinov2, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, patch_size: 14}"
NETWORKS = {
    "mobilenet": ["model=mobilenet", "model.trunk.architecture=mobilenetv2_050", "model.trainable=1"],
    "dinov2": ["model=dino_s", f"model.trunk.config={DINO}", "task=multilabel", "model.head.hidden=[16]"],
}


def exported(run: Path, out: Path, kind: str, **given: str) -> Path:
    return export(Request.of({"run": str(run), "export": kind, "out": str(out / f"model{SUFFIX[kind]}"), **given}))


def loaded(file: Path) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]:
    """Return the model and its metadata, read as somebody without coilal would."""
    if file.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        found = session.get_modelmeta().custom_metadata_map
        about = {key: json.loads(value) for key, value in found.items() if value[0] in "[{"}
        return lambda images: session.run([OUTPUT], {INPUT: images})[0], about | {"kind": found["kind"]}
    extra = {METADATA: ""}
    model = torch.jit.load(str(file), _extra_files=extra)  # type: ignore[no-untyped-call]
    return lambda images: model(torch.from_numpy(images)).numpy(), json.loads(extra[METADATA])


def stored_images(coils: Path, names: np.ndarray) -> np.ndarray:
    """Return images as coilal stores them, decoded without its cache."""
    from PIL import Image

    from coilal.common.types import ImageFormat

    return np.stack([fit_image(Image.open(coils / name), ImageFormat((56, 42))) for name in names.tolist()])


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("kind", BOTH)
def test_the_file_gives_the_probabilities_of_the_run(
    multiclass: Path, coils: Path, tmp_path: Path, kind: str
) -> None:
    model, about = loaded(exported(multiclass, tmp_path, kind))
    stored = np.load(multiclass / "predictions.npz")
    images = stored_images(coils, stored["images"])
    assert images.dtype == np.uint8
    for some in (slice(0, 1), slice(0, 5), slice(0, len(images))):  # batches of any size
        np.testing.assert_allclose(model(images[some]), stored["probabilities"][some], atol=1e-5)
    assert about["classes"] == stored["names"].tolist()
    assert about["kind"] == "multiclass"
    assert about["image"] == {"size": [56, 42], "mode": "L", "fit": "squash", "range": "auto"}
    assert len(about["operating_point"]["thresholds"]) == 1


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_networks_of_timm_and_transformers_are_exported_with_what_is_trained_of_them(
    coils: Path, cache: Path, tmp_path: Path, network: str, kind: str
) -> None:
    forget()
    settings = ["data=coils", f"data.root={coils}", f"study={network}", "model.weights=none", *NETWORKS[network]]
    run = train(coils.parent / "outputs", cache, *settings, "hparams=default", "trainer.max_epochs=2")
    model, about = loaded(exported(run, tmp_path, kind))
    stored = np.load(run / "predictions.npz")
    found = model(stored_images(coils, stored["images"]))
    np.testing.assert_allclose(found, stored["probabilities"], atol=1e-4)
    assert np.ptp(stored["probabilities"], axis=0).max() > 1e-3, "images differ"
    assert about["kind"] == ("multilabel" if network == "dinov2" else "multiclass")


def test_a_file_that_gives_something_else_is_refused_and_not_left(multiclass: Path, tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "a" / "b" / "c" / "d" / "split0" / "seed0"
    shutil.copytree(multiclass, run)
    shutil.copytree(study_of(multiclass) / ".data", tmp_path / "outputs" / "a" / ".data")
    stored = dict(np.load(run / "predictions.npz"))
    stored["probabilities"] = stored["probabilities"][::-1]
    np.savez(run / "predictions.npz", **stored)
    with pytest.raises(UserError, match="differs from the run's own predictions of test images"):
        exported(run, tmp_path, "torchscript")
    assert not list(tmp_path.glob("*.pt*")) + list(tmp_path.glob(".*.pt*"))


def test_without_the_test_images_it_is_checked_on_noise(
    multiclass: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(multiclass, run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("/photos", "/gone"))
    with caplog.at_level("INFO"):
        exported(run, tmp_path, "torchscript")
    assert "checked on noise" in caplog.text
    assert "17 images checked against the model in memory" in caplog.text


def test_a_file_that_is_there_is_replaced_with_force_only(multiclass: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("mine")
    with pytest.raises(UserError, match="is there"):
        exported(multiclass, tmp_path, "torchscript")
    assert (tmp_path / "model.pt").read_text() == "mine"
    exported(multiclass, tmp_path, "torchscript", force="true")
    assert (tmp_path / "model.pt").stat().st_size > 1000


def test_without_the_libraries_it_says_how_to_get_them(
    multiclass: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name.startswith("onnx") else find(name))
    with pytest.raises(UserError, match=r"pip install 'coilal\[export\]'"):
        exported(multiclass, tmp_path, "onnx")


def test_the_largest_difference_counts_and_nan_is_no_agreement() -> None:
    expected = np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2)
    images = np.zeros((20, 1, 2, 2), dtype=np.uint8)
    given = iter([expected[:16], expected[16:] + np.float32(0.25)])
    assert checked(lambda _: next(given), images, expected) == pytest.approx(0.25)
    assert checked(lambda block: np.full((len(block), 2), np.nan), images, expected) == np.inf
