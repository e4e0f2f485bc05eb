from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from coilal.evidence.comparison import Pairs
from coilal.evidence.cost import Demand, break_even, costs, feature_seconds
from coilal.evidence.reading import Run, read_runs, run_folders
from coilal.evidence.report_settings import Prices, ReportSettings
from coilal.evidence.units import Repeat, Units
from coilal.evidence.words import break_even_text
from tests.studies import POOL, TEST, VALIDATION, write_run

LABELLED = [20, 40, 60, 80]
PRICES = Prices(
    annotator_hour=36, label_seconds=10, kappa=1.5, compute_hour=3600, idle=2, setup=7, search_hours=0.1
)
SETTINGS = ReportSettings(resamples=200, prices=PRICES)


def pairs(folder: Path, active: list[float], baseline: list[float], seeds: int = 6) -> Pairs:
    for seed in range(seeds):
        write_run(folder / f"s/multiclass/tiny/margin/seed{seed}", LABELLED, np.array(active))
        write_run(folder / f"s/multiclass/tiny/random/seed{seed}", LABELLED, np.array(baseline))
    found = list(read_runs(run_folders(folder / "s"), "test/macro_f1"))
    runs = {
        name: tuple(r for r in found if isinstance(r, Run) and r.strategy == name) for name in ("margin", "random")
    }
    return Pairs(tuple(Repeat(0, s) for s in range(seeds)), runs["margin"], runs["random"], Units.seeds(seeds))


def test_cost_agrees_with_the_formula_by_hand(tmp_path: Path) -> None:
    both = pairs(tmp_path, [0.2, 0.6, 0.7, 0.8], [0.2, 0.4, 0.6, 0.8])
    found = {
        c.training: c for c in costs(both, "test/macro_f1", 0.6, features_s=9.0, settings=SETTINGS, prices=[0.1])
    }
    # margin reaches 0.6 at 40 labels after 2 trainings and 1 query; fit takes 1 + n / 100 s, a query 0.6 s
    search, a_second = 0.1 * 3600, 1.0  # money
    features = 9.0 / (POOL + VALIDATION + TEST)
    active = (1.2 + 1.4 + 0.6) * a_second + 2 * 2 + 7 + search + features * POOL * a_second
    assert found["once"].overhead == pytest.approx(active)
    assert found["once"].strategy.value == pytest.approx((1.5 * 40 + VALIDATION) * 0.1 + active)
    # random reaches it at 60
    every = (1.2 + 1.4 + 1.6) + 3 * 2 + search + features * 60
    once = 1.6 + 2 + search + features * 60
    assert found["every cycle"].baseline_overhead == pytest.approx(every)
    assert found["once"].baseline.value == pytest.approx((60 + VALIDATION) * 0.1 + once)
    # 1.5 × 40 labels are no fewer than 60: by the definition it never pays
    assert found["once"].break_even.value == math.inf


def test_break_even_price_makes_both_cost_the_same(tmp_path: Path) -> None:
    both = pairs(tmp_path, [0.2, 0.6, 0.7, 0.8], [0.2, 0.3, 0.5, 0.8])
    (_, first) = costs(both, "test/macro_f1", 0.6, 9.0, SETTINGS, [0.1])
    price = first.break_even.value
    assert price > 0
    (_, there) = costs(both, "test/macro_f1", 0.6, 9.0, SETTINGS, [price])
    assert there.strategy.value == pytest.approx(there.baseline.value)
    (_, above) = costs(both, "test/macro_f1", 0.6, 9.0, SETTINGS, [1.1 * price])
    assert above.strategy.value < above.baseline.value
    assert there.break_even.low <= price <= there.break_even.high


def demand(labels: float, overhead: float, censored: bool = False) -> Demand:
    return Demand(np.array([labels]), np.array([censored]), np.array([overhead]))


@pytest.mark.parametrize(
    ("active", "baseline", "least", "most"),
    [
        (demand(50, 30), demand(100, 10), 0.4, 0.4),
        (demand(50, 10), demand(100, 30), 0.0, 0.0),
        (demand(100, 30), demand(100, 10), math.inf, math.inf),
        (demand(120, 30), demand(100, 10), math.inf, math.inf),
        (demand(50, 30), demand(100, 10, censored=True), 0.0, 0.4),
        (demand(100, 30, censored=True), demand(80, 10), math.inf, math.inf),
        (demand(100, 30, censored=True), demand(100, 10, censored=True), 0.0, math.inf),
    ],
)
def test_break_even(active: Demand, baseline: Demand, least: float, most: float) -> None:
    found = break_even(active, baseline, kappa=1)
    assert (found[0][0], found[1][0]) == (pytest.approx(least), pytest.approx(most))


def test_a_target_that_is_not_reached_is_said_to_be(tmp_path: Path) -> None:
    both = pairs(tmp_path, [0.2, 0.3, 0.4, 0.5], [0.2, 0.4, 0.6, 0.8])
    (found, _) = costs(both, "test/macro_f1", 0.6, 0.0, SETTINGS, [0.1])
    assert not found.reached
    assert found.strategy.censored
    assert found.strategy.high == math.inf
    assert break_even_text(found.break_even, found.reached) == "target not reached"


def test_never_pays_is_not_said_where_the_baseline_never_gets_there(tmp_path: Path) -> None:
    # 75 labels, 1.5-fold, are more than the 80 that were not enough for the baseline, which may need 200
    both = pairs(tmp_path, [0.2, 0.3, 0.5, 0.8], [0.2, 0.3, 0.4, 0.5])
    for found in costs(both, "test/macro_f1", 0.725, 0.0, SETTINGS, [0.1]):
        assert found.reached
        assert (found.break_even.low, found.break_even.high) == (0, math.inf)
        assert break_even_text(found.break_even, found.reached) == "unknown [0, ∞]"


def test_fewer_than_six_seeds_get_no_interval(tmp_path: Path) -> None:
    both = pairs(tmp_path, [0.2, 0.6, 0.7, 0.8], [0.2, 0.3, 0.5, 0.8], seeds=5)
    (found, _) = costs(both, "test/macro_f1", 0.6, 0.0, SETTINGS, [0.1])
    assert np.isnan([found.strategy.low, found.break_even.high]).all()


def test_features_are_paid_for_as_the_run_measured_that_made_them(tmp_path: Path) -> None:
    runs = pairs(tmp_path, [0.2, 0.6, 0.7, 0.8], [0.2, 0.3, 0.5, 0.8]).first
    assert feature_seconds(runs) == 0
    runs[1].cycles["extract_s"] = [4.0, 0, 0, 0]
    runs[1].cycles["decode_s"] = [1.5, 0, 0, 0]
    runs[2].cycles["extract_s"] = [0.1, 0, 0, 0]
    assert feature_seconds(runs) == 5.5


@pytest.mark.parametrize("wrong", [{"kappa": 0.5}, {"annotator_hour": 0}, {"idle": -1}])
def test_impossible_prices_are_refused(wrong: dict[str, float]) -> None:
    from coilal.common.types import UserError

    with pytest.raises(UserError, match=next(iter(wrong))):
        Prices(**wrong)
