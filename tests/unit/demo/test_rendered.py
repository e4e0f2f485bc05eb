"""The data source of rendered coils."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coilal.common.types import ImageFormat, UserError
from coilal.data.decode import fit_image
from coilal.demo import rendered
from coilal.demo.rendered import RenderedCoils
from coilal.demo.renderer import catalogue, photographs

SMALL = ImageFormat((60, 46))


def test_classes_and_labels_agree() -> None:
    samples = RenderedCoils(coils=8, images_per_coil=16, seed=1).read()
    assert len(samples) == 128
    assert samples.labels is not None
    assert samples.classes is not None
    assert samples.class_labels is not None
    np.testing.assert_array_equal(samples.class_labels[samples.classes], samples.labels)
    assert samples.class_names[0] == "none"
    assert samples.good_class == 0
    assert samples.class_names[4] == "double_winding+gap"
    assert samples.groups[0] == "Spule001"
    assert len(set(samples.groups)) == 8


def test_pixels_are_the_fitted_photographs_of_the_asked_images(tmp_path: Path) -> None:
    source = RenderedCoils(coils=2, images_per_coil=4, seed=1)
    samples = source.read()
    part = dataclasses.replace(samples, names=samples.names[5:2:-1])
    images = source.decode(part, SMALL, tmp_path)
    expected = [fit_image(Image.fromarray(p), SMALL) for p in photographs(catalogue(2, 4, 1), [5, 4, 3])]
    np.testing.assert_array_equal(images.pixels[:], expected)


def test_second_decode_comes_from_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    source = RenderedCoils(coils=1, images_per_coil=4, seed=0)
    first = source.decode(source.read(), SMALL, tmp_path)
    assert "rendered 4 images" in caplog.text
    monkeypatch.setattr(rendered, "photographs", None)  # would fail if it were called again
    second = RenderedCoils(coils=1, images_per_coil=4, seed=0).decode(source.read(), SMALL, tmp_path)
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.pixels[:], second.pixels[:])


def test_fingerprint_stands_for_settings_and_format(tmp_path: Path) -> None:
    prints = {
        RenderedCoils(1, 4, seed)
        .decode(RenderedCoils(1, 4, seed).read(), ImageFormat(size, mode=mode), tmp_path)  # type: ignore[arg-type]
        .fingerprint
        for seed, size, mode in (
            (0, (20, 20), "L"),
            (1, (20, 20), "L"),
            (0, (20, 24), "L"),
            (0, (20, 20), "RGB"),
        )
    }
    assert len(prints) == 4


@pytest.mark.slow
def test_workers_write_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = RenderedCoils(coils=2, images_per_coil=4, seed=2)
    here = source.decode(source.read(), SMALL, tmp_path / "here").pixels[:]
    monkeypatch.setattr(rendered, "_FEW", 0)
    monkeypatch.setattr(rendered, "_CHUNK", 3)
    monkeypatch.setattr(rendered, "cpu_count", lambda: 2)
    there = source.decode(source.read(), SMALL, tmp_path / "there").pixels[:]
    np.testing.assert_array_equal(here, there)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(UserError, match="images_per_coil"):
        RenderedCoils(images_per_coil=5)


def test_types_of_bobbin_and_light_are_dealt_to_the_coils_and_seen(tmp_path: Path) -> None:
    usual, varied = RenderedCoils(6, 4, 1), RenderedCoils(6, 4, 1, bobbins=3, lightings=2)
    samples = varied.read()
    of_coil = {group: place for place, group in enumerate(samples.groups)}
    kinds = [(samples.attributes["bobbin"][at], samples.attributes["lighting"][at]) for at in of_coil.values()]
    assert sorted(bobbin for bobbin, _ in kinds) == sorted(("standard", "narrow", "wide") * 2)
    assert sorted(light for _, light in kinds) == sorted(("standard", "side") * 3)
    assert set(usual.read().attributes["bobbin"]) == {"standard"}
    np.testing.assert_array_equal(samples.labels, usual.read().labels)
    plain, other = (source.decode(samples, SMALL, tmp_path).pixels for source in (usual, varied))
    changed = [(plain[place] != other[place]).any() for place in of_coil.values()]
    assert changed == [kind != ("standard", "standard") for kind in kinds]


@pytest.mark.parametrize("wrong", [{"bobbins": 0}, {"lightings": 4}])
def test_types_that_there_are_not(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"choose 1 … 3"):
        RenderedCoils(6, 4, 1, **wrong)
