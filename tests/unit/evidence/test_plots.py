from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from coilal.evidence import plots
from coilal.evidence.savings import Saving
from coilal.evidence.units import Units
from coilal.inspection.calibration import Reliability

pytestmark = pytest.mark.slow


X = np.array([10, 20, 30])


def curve(label: str = "a") -> plots.Curve:
    return plots.Curve(X, np.array([0.2, 0.5, 0.6]), np.array([0.1, 0.4, 0.5]), np.array([0.3, 0.6, 0.7]), label)


def test_the_baseline_alone_is_black_and_solid() -> None:
    looks = plots.looks_of("random", [f"s{k:02}" for k in range(20)])
    assert looks["random"][:2] == ("#000000", "-")
    assert not [name for name, look in looks.items() if name != "random" and look[0] == "#000000"]
    assert len({look for name, look in looks.items() if name in [f"s{k:02}" for k in range(6)]}) == 6


def test_twenty_strategies_look_different_in_grey_print() -> None:
    looks = plots.looks_of("random", [f"s{k:02}" for k in range(20)])
    assert len({look[1:] for look in looks.values()}) == 21


def test_curves_bands_and_reference_line_show_the_data() -> None:
    with plots.style():
        looks = plots.looks_of("a", [])
        figure = plots.curves_figure({"a": curve()}, looks, "macro F1", "95%", (0.9, "whole pool"))
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), np.column_stack([X, [0.2, 0.5, 0.6]]))
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [0.9, 0.9])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("labelled images", "macro F1")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "whole pool"]
    assert axes.get_ylim()[1] > 0.9


@pytest.mark.parametrize("figure", ["curves", "headline"])
def test_the_axis_is_where_the_curves_are_however_wide_the_bands(figure: str) -> None:
    wide = plots.Curve(X, np.array([0.91, 0.95, 0.97]), np.zeros(3), np.ones(3), "a")
    looks = plots.looks_of("a", [])
    with plots.style():
        if figure == "curves":
            drawn = plots.curves_figure({"a": wide}, looks, "macro F1", "", None)
        else:
            drawn = plots.headline_figure({"a": wide}, [], looks, "macro F1", None)
    low, high = drawn.axes[0].get_ylim()
    assert 0.8 < low < 0.91
    assert 0.97 < high < 1.02


def test_what_never_moves_is_not_drawn_as_if_it_did() -> None:
    still = plots.Curve(X, np.full(3, 0.5), np.full(3, 0.499), np.full(3, 0.501), "a")
    with plots.style():
        figure = plots.curves_figure({"a": still}, plots.looks_of("a", []), "macro F1", "", None)
    low, high = figure.axes[0].get_ylim()
    assert high - low >= plots.LEAST_SPAN - 1e-9


@pytest.mark.parametrize("name", ["margin", "a_strategy_with_a_long_name_indeed"])
def test_no_text_of_the_intervals_is_cut(name: str) -> None:
    test = SimpleNamespace(low=-0.1, high=0.05, mean=-0.02)
    result: Any = SimpleNamespace(
        strategy=name, units=Units.splits([0, 0, 1, 1, 2, 2], 0.4), noninferiority="not shown", **vars(test)
    )
    with plots.style():
        figure = plots.forest_figure([result], 0.02, 0.95, "random")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    texts = [*figure.texts, *figure.axes[0].get_yticklabels()]
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in (*texts, figure._supxlabel)]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def test_every_panel_with_an_axis_has_its_numbers() -> None:
    found = Reliability(np.array([5, 5]), np.array([0.2, 0.8]), np.array([0.1, 0.9]))
    with plots.style():
        figure = plots.reliability_figure({name: {"as trained": found} for name in ("a", "b", "c")})
    for axes in figure.axes:
        if axes.get_xlabel():
            assert [text.get_text() for text in axes.get_xticklabels() if text.get_visible()] == ["0", "0.5", "1"]


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    names = ["_hidden", "$x_1$", r"\frac$1$"]
    with plots.style():
        looks = plots.looks_of("_hidden", names)
        curves = {name: curve(name) for name in names}
        figure = plots.curves_figure(curves, looks, "macro F1", "95%", None)
        panels = plots.panels_figure({name: {"_hidden": curve("_hidden")} for name in names}, looks, "", {})
        plots.save(figure, tmp_path / "curves")  # a formula that matplotlib cannot read would raise
        plots.save(panels, tmp_path / "panels")
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == names
    assert not any(text.get_parse_math() for text in legend.get_texts() if "$" in text.get_text())
    assert [text.get_text() for text in panels.legends[0].get_texts()] == ["_hidden"]
    assert not panels.axes[1].title.get_parse_math()


def test_files_hold_no_date_and_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with plots.style():
            panels = {"gap": {"a": curve()}, "crossover": {"a": curve()}}
            figure = plots.panels_figure(panels, plots.looks_of("a", []), "recall", {"gap": 0.3}, "pool")
            plots.save(figure, tmp_path / name)
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert "<dc:date>" not in (tmp_path / "one.svg").read_text()
    with Image.open(tmp_path / "one.png") as image:
        assert "Software" not in image.info


def test_censored_labels_are_shown_as_more_than_were_bought() -> None:
    nan = math.nan
    saving = Saving(0.7, math.inf, nan, nan, 60.0, nan, nan, -0.3, nan, nan, 80, 20, 3)
    with plots.style():
        figure = plots.savings_figure({"margin": [saving]}, plots.looks_of("random", ["margin"]), "macro F1")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["> 80"]
    assert axes.lines[0].get_marker() == ">"
