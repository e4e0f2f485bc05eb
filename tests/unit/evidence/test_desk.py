from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np

from coilal.evidence import plots
from coilal.evidence.desk import Picture, left_out, small_image, telling
from coilal.evidence.plots import Curve


def test_a_figure_in_the_page_is_the_svg_without_what_breaks_an_attribute(tmp_path: Path) -> None:
    curve = Curve(
        np.array([1, 2]), np.array([0.123456, 0.9]), np.full(2, np.nan), np.full(2, np.nan), 'a "b" & <c> 0.12345'
    )
    with plots.style():
        figure = plots.curves_figure({"a": curve}, plots.looks_of("a", []), "F1", "", None)
        source = str(Picture("x", "", plots.save(figure, tmp_path / "x"), "").source)
    assert not set('"&<>#%') - set("%") & set(source)
    start = "data:image/svg+xml,"
    assert source.startswith(start)
    root = ET.fromstring(unquote(source.removeprefix(start)))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert 'a "b" & <c> 0.12345' in texts, "coordinates are rounded, texts are not"


def test_small_images_are_inside_the_address() -> None:
    assert small_image(np.zeros((8, 6), np.uint8)).startswith("data:image/webp;base64,")
    assert small_image(np.zeros((8, 6, 3), np.uint8)).startswith("data:image/webp;base64,")


def test_what_is_left_out_for_one_reason_is_said_once() -> None:
    assert left_out({}) == ""
    assert left_out({"a": "for x", "b": "for x", "c": "for y"}) == " Left out: a and b, for x. Left out: c, for y."


def panel(*means: float) -> dict[str, Curve]:
    nothing = np.full(len(means), np.nan)
    return {name: Curve(np.arange(len(means)), np.array(means), nothing, nothing, name) for name in ("a", "b")}


def test_panels_that_say_nothing_are_left_out_with_the_reason() -> None:
    nan = np.nan
    panels = {
        "moves": panel(0.1, 0.2, 0.3),
        "still": panel(0.25, 0.25 + 1e-12, 0.25),
        "zero": panel(0.0, 0.0, 0.0),
        "none": panel(nan, nan, nan),
        "few": panel(0.1, 0.2, nan),
    }
    kept, note = telling(panels)
    assert list(kept) == ["moves"]
    assert note == (
        " Left out: still, at 0.25 in every cycle of every strategy. Left out: zero, at 0 in every cycle of every "
        "strategy. Left out: none, which no cycle has: no test image is of its kind. Left out: few, for so few "
        "cycles (2) are no curve: see the table."
    )


def test_one_strategy_that_differs_keeps_a_panel() -> None:
    curves = {"a": panel(0.0, 0.0, 0.0)["a"], "b": panel(0.0, 0.1, 0.0)["b"]}
    assert list(telling({"escapes": curves})[0]) == ["escapes"]
