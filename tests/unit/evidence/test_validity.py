"""Whether the report's statements are right as often as they claim, over 1,000 simulated studies each.

The table of docs/evaluation.md is printed by ``python -m pytest -s -m slow tests/unit/evidence/test_validity.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pytest

from coilal.evidence.crossing import first_crossing
from coilal.evidence.paired import (
    Decision,
    PairedT,
    bootstrap_interval,
    compare_with_baseline,
    decide,
    detectable_effect,
    paired_t,
)
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.savings import label_saving
from coilal.evidence.units import Units
from coilal.run_directory.aulc import aulc

STUDIES = 1000
SEEDS = (3, 5, 10, 20)
BOOTSTRAPPED = (6, 10, 20)  # fewer seeds get no bootstrap interval
LABELLED = np.arange(20, 141, 20)
SETTINGS = ReportSettings(margin=0.02)
# binomial: a true rate of 5 % gives more than 7 % in 1,000 studies once in 400 times
MOST = 0.07
SD = 0.02  # of Δ AULC between seeds, that of small studies on rendered coils


def simulated_curves(studies: int, seeds: int, effect: float, generator: np.random.Generator) -> np.ndarray:
    """Return curves (studies, seeds, T) that rise from 0.3 to 0.8.

    Runs of one seed differ in level (half of it shared by the whole curve) and from cycle to cycle.
    """
    x = (LABELLED - LABELLED[0]) / (LABELLED[-1] - LABELLED[0])
    rise = 0.3 + 0.5 * (1 - np.exp(-3 * x)) / (1 - np.exp(-3))
    level = generator.normal(0, SD / np.sqrt(2), (studies, seeds, 1))
    noise = generator.normal(0, 0.01, (studies, seeds, len(x)))
    return rise + np.where(x > 0, effect + level + noise, 0)


def differences(studies: int, seeds: int, effects: tuple[float, ...], number: int) -> np.ndarray:
    """Return Δ AULC (studies, strategies, seeds) of strategies against the same runs of random."""
    generator = np.random.default_rng([seeds, number])
    weights = np.array([aulc(LABELLED, unit) for unit in np.eye(len(LABELLED))])  # the AULC is linear
    seeds_of_random = simulated_curves(studies, seeds, 0.0, generator) @ weights
    own = [simulated_curves(studies, seeds, effect, generator) @ weights - seeds_of_random for effect in effects]
    return np.stack(own, axis=1)


def decisions(deltas: np.ndarray) -> list[dict[str, tuple[str, str]]]:
    """Return the answers of each study (RQ1, RQ2) by strategy, those of the report; tested all at once."""
    tests = paired_t(deltas, SETTINGS.margin, SETTINGS.confidence)
    found = [answers(decide(family(tests, study), SETTINGS)) for study in range(len(deltas))]
    for study in range(0, len(deltas), 100):
        own = {str(strategy): row for strategy, row in enumerate(deltas[study])}
        assert found[study] == answers(compare_with_baseline(own, SETTINGS))
    return found


def family(tests: PairedT, study: int) -> dict[str, PairedT]:
    """Return the tests of one study by strategy."""
    columns = {field.name: getattr(tests, field.name)[study] for field in fields(tests)}
    return {
        str(strategy): PairedT(**{name: column[strategy] for name, column in columns.items()})
        for strategy in range(len(tests.p[study]))
    }


def answers(decided: Mapping[str, Decision]) -> dict[str, tuple[str, str]]:
    return {name: (found.superiority, found.noninferiority) for name, found in decided.items()}


def rate(found: list[dict[str, tuple[str, str]]], answer: str) -> float:
    """Return the share of studies that give an answer for any strategy."""
    return float(np.mean([any(answer in pair for pair in study.values()) for study in found]))


@pytest.mark.slow
@pytest.mark.parametrize("strategies", [1, 4])
@pytest.mark.parametrize("seeds", SEEDS)
def test_random_against_random_is_seldom_told_apart(seeds: int, strategies: int) -> None:
    found = decisions(differences(STUDIES, seeds, (0.0,) * strategies, 0))
    surpasses, below = rate(found, "surpasses"), rate(found, "falls below")
    print(f"random × {strategies}, {seeds} seeds: surpasses {surpasses:.3f}, falls below {below:.3f}")
    assert surpasses + below <= MOST
    assert surpasses <= MOST / 2 + 0.01
    assert below <= MOST / 2 + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
def test_a_known_effect_is_found_at_the_stated_power(seeds: int) -> None:
    spread = float(differences(4000, seeds, (0.0,), 1).std())
    area = aulc(LABELLED, np.where(LABELLED[0] < LABELLED, 1.0, 0.0))  # AULC of a metric that is 1 higher
    effect = detectable_effect(seeds, SETTINGS.alpha) * spread / area
    found = rate(decisions(differences(STUDIES, seeds, (effect,), 2)), "surpasses")
    print(f"effect of {effect:.3f}, {seeds} seeds: found {found:.3f}")
    assert found == pytest.approx(0.8, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("times", [1, 2])
def test_non_inferiority_is_not_claimed_for_what_is_worse(seeds: int, times: int) -> None:
    area = aulc(LABELLED, np.where(LABELLED[0] < LABELLED, 1.0, 0.0))
    worse = -times * SETTINGS.margin / area
    found = rate(decisions(differences(STUDIES, seeds, (worse,) * 3, 3)), "not worse")
    print(f"three strategies worse by {times} δ, {seeds} seeds: «not worse» {found:.3f}")
    assert found <= (0.04 if times == 1 else 0.025)


@pytest.mark.parametrize("seeds", SEEDS)
def test_t_intervals_cover_at_their_nominal_rate(seeds: int) -> None:
    found = paired_t(differences(STUDIES, seeds, (0.0,), 4)[:, 0], 0.02, 0.95)
    covered = float(((found.low <= 0) & (found.high >= 0)).mean())
    print(f"t interval, {seeds} seeds: {covered:.3f}")
    assert covered == pytest.approx(0.95, abs=0.022)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", BOOTSTRAPPED)
def test_bootstrap_intervals_cover_nearly_at_their_nominal_rate(seeds: int) -> None:
    deltas = differences(STUDIES, seeds, (0.0,), 5)[:, 0]
    ends = np.array([bootstrap_interval(values, ReportSettings(resamples=1000)) for values in deltas])
    covered = float(((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean())
    print(f"bootstrap interval, {seeds} seeds: {covered:.3f}")
    assert covered == pytest.approx(0.95, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", BOOTSTRAPPED)
def test_intervals_of_savings_cover_nearly_at_their_nominal_rate(seeds: int) -> None:
    generator = np.random.default_rng([seeds, 6])
    own = simulated_curves(STUDIES, seeds, 0.03, generator)
    other = simulated_curves(STUDIES, seeds, 0.0, generator)
    expected = [simulated_curves(1, 200_000, effect, generator)[0].mean(axis=0) for effect in (0.03, 0.0)]
    needed = first_crossing(LABELLED, np.array(expected), 0.7).labels
    truth = 1 - needed[0] / needed[1]
    found = [
        label_saving(LABELLED, *pair, 0.7, Units.seeds(seeds), ReportSettings(resamples=500))
        for pair in zip(own, other, strict=True)
    ]
    covered = float(np.mean([saving.low <= truth <= saving.high for saving in found]))
    print(f"interval of label savings, {seeds} seeds: {covered:.3f}")
    assert covered == pytest.approx(0.95, abs=0.03)
