from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from coilal.models import timm_trunk
from coilal.models.backbone import Backbone
from coilal.models.features import boundary_outputs
from coilal.types import DecodedImages

CPU = torch.device("cpu")


@pytest.fixture
def images() -> DecodedImages:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 1, 32, 48), dtype=np.uint8)
    return DecodedImages(pixels, "abc")


def backbone(trainable: str | int) -> Backbone:
    torch.manual_seed(0)
    return Backbone(timm_trunk.build("mobilenetv2_035"), "mean_max", trainable, (32, 48))


@pytest.mark.parametrize("trainable", ["head", 2])
def test_stored_outputs_are_the_prefix_outputs(trainable: str | int, images: DecodedImages, tmp_path: Path) -> None:
    net = backbone(trainable)
    stored = boundary_outputs(net, images, {"boundary": trainable}, tmp_path, CPU, nullcontext)
    with torch.inference_mode():
        expected = net.prefix(torch.from_numpy(images.pixels)).numpy()
    np.testing.assert_allclose(stored[:], expected, rtol=1e-4, atol=1e-5)


def test_computed_once_and_again_only_for_another_identity(images: DecodedImages, tmp_path: Path) -> None:
    def files() -> int:
        return len(list((tmp_path / "features").glob("*.npy")))

    net = backbone("head")
    boundary_outputs(net, images, {"weights": 1}, tmp_path, CPU, nullcontext)
    first = next((tmp_path / "features").glob("*.npy")).stat().st_mtime_ns
    boundary_outputs(net, images, {"weights": 1}, tmp_path, CPU, nullcontext)
    assert files() == 1
    assert next((tmp_path / "features").glob("*.npy")).stat().st_mtime_ns == first
    boundary_outputs(net, images, {"weights": 2}, tmp_path, CPU, nullcontext)
    boundary_outputs(net, DecodedImages(images.pixels, "other"), {"weights": 1}, tmp_path, CPU, nullcontext)
    assert files() == 3


def test_everything_trainable_passes_the_images_through(images: DecodedImages, tmp_path: Path) -> None:
    assert boundary_outputs(backbone("all"), images, {}, tmp_path, CPU, nullcontext) is images.pixels
