from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from coilal.common.types import UserError
from coilal.labelling.page.app import build
from coilal.labelling.page.encoding import as_file_is, as_model_sees
from tests.unit.labelling.fake_desk import FakeDesk

RAMP = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def encoded(values: NDArray[Any], kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, kind, **options)
    return out.getvalue()


def decoded(content: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def client(desk: FakeDesk) -> TestClient:
    client = TestClient(build(desk, "secret", []), base_url="http://localhost:8571")
    client.get("/?token=secret")
    return client


@pytest.mark.parametrize("channels", [1, 3])
def test_the_image_of_the_model_is_shown_pixel_by_pixel(channels: int) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (channels, 30, 41), dtype=np.uint8)
    picture = as_model_sees(pixels)
    assert picture.kind == "image/png"
    back = decoded(picture.content)
    assert (back == (pixels[0] if channels == 1 else pixels.transpose(1, 2, 0))).all()


KINDS: Mapping[str, str] = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "BMP": "image/bmp"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_browsers_show_goes_as_it_is(client: TestClient, desk: FakeDesk, kind: str) -> None:
    desk.files[2] = encoded((RAMP % 251).astype(np.uint8), kind)
    reply = client.get("/full/2")
    assert reply.content == desk.files[2]
    assert reply.headers["content-type"] == KINDS[kind]
    assert reply.headers["cache-control"].startswith("private, max-age=")


def test_colours_of_a_tiff_become_png_pixel_by_pixel() -> None:
    values = np.random.default_rng(5).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = as_file_is(encoded(values, "TIFF"))
    assert picture.kind == "image/png"
    assert (decoded(picture.content) == values).all()


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_sixteen_bits_are_spread_over_the_range_of_the_file(kind: str) -> None:
    picture = as_file_is(encoded(RAMP + 300, kind))  # 12 of 16 bits: nearly black as a browser shows them
    values = decoded(picture.content)
    assert (picture.kind, values.dtype, values.shape) == ("image/png", np.uint8, (64, 64))
    assert (values.min(), values.max()) == (0, 255)
    assert (np.diff(values.astype(int).reshape(-1)) >= 0).all()
    assert abs(int(np.median(values)) - 127) <= 1


def test_float_tiffs_are_shown() -> None:
    values = decoded(
        as_file_is(encoded(np.linspace(-1, 1, 4096, dtype=np.float32).reshape(64, 64), "TIFF")).content
    )
    assert (values.min(), values.max()) == (0, 255)


@pytest.mark.parametrize("content", [b"", b"no image", encoded(RAMP, "TIFF")[:-3000]])
def test_a_damaged_file_is_said(client: TestClient, desk: FakeDesk, content: bytes) -> None:
    desk.files[1] = content
    reply = client.get("/full/1")
    assert (reply.status_code, "cannot be read" in reply.json()["error"]) == (503, True)
    with pytest.raises(UserError, match="cannot be read"):
        as_file_is(content)


@pytest.mark.parametrize("path", ["/image/99", "/full/99", "/image/-1", "/image/x", "/full/..%2f..%2fetc%2fpasswd"])
def test_images_are_had_by_their_number_alone(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_image_as_the_model_sees_it(client: TestClient, desk: FakeDesk) -> None:
    reply = client.get("/image/4")
    assert reply.headers["content-type"] == "image/png"
    assert (decoded(reply.content) == desk.pixels(4)[0]).all()
