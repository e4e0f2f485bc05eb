from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid

from coilal.run_directory.aulc import aulc


def random_curve(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    number = int(generator.integers(2, 20))
    return np.cumsum(generator.integers(1, 50, number)), generator.random(number)


def test_a_curve_by_hand() -> None:
    # (10·(0.2+0.4)/2 + 30·(0.4+0.8)/2) / 40
    assert aulc([10, 20, 50], [0.2, 0.4, 0.8]) == pytest.approx((3 + 18) / 40)


@pytest.mark.parametrize("seed", range(20))
def test_properties(seed: int) -> None:
    labelled, metric = random_curve(seed)
    area = aulc(labelled, metric)
    assert area == pytest.approx(trapezoid(metric, labelled) / (labelled[-1] - labelled[0]))
    assert metric.min() <= area <= metric.max()
    assert aulc(7 * labelled + 3, metric) == pytest.approx(area)  # the unit of the counts does not matter
    assert aulc(labelled, 2 * metric + 1) == pytest.approx(2 * area + 1)
    assert aulc(labelled, np.full(len(metric), 0.37)) == pytest.approx(0.37)
    between, value = (labelled[0] + labelled[1]) / 2, (metric[0] + metric[1]) / 2
    finer = aulc(np.insert(labelled.astype(float), 1, between), np.insert(metric, 1, value))
    assert finer == pytest.approx(area)  # a point on the curve adds nothing


def test_one_point_is_its_value() -> None:
    assert aulc([20], [0.6]) == 0.6


@pytest.mark.parametrize(
    ("labelled", "metric", "message"),
    [
        ([], [], "one at least"),
        ([1, 2], [0.5], "as many"),
        ([20, 10], [0.1, 0.2], "grow"),
        ([10, 10], [0.1, 0.2], "grow"),
        ([10, 20], [0.1, float("nan")], "finite"),
        ([10, float("inf")], [0.1, 0.2], "finite"),
    ],
)
def test_what_is_no_curve_is_refused(labelled: list[float], metric: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        aulc(labelled, metric)
