"""Brings together the runs that may be compared, and says which may not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.reading import DATA_KEYS, LEFT_OUT, Finding, Run, place
from coilal.run_directory.data_record import read_rows
from coilal.run_directory.earlier import contradictions, known_labels

MOST_NAMED = 6
"""Settings that are named where configurations differ."""


@dataclass(frozen=True)
class Pairs:
    """Runs of two strategies that share a seed.

    Attributes:
        seeds: the common seeds (S), ascending.
        first: runs of the first strategy, by seed (S).
        second: runs of the second strategy, in the same order (S).
    """

    seeds: tuple[int, ...]
    first: tuple[Run, ...]
    second: tuple[Run, ...]

    def curves(self, column: str) -> tuple[FloatArray, FloatArray]:
        """Return a column of the runs of the first and of the second strategy, each (S, T)."""
        return stack(self.first, column), stack(self.second, column)

    def differences(self, column: str) -> FloatArray:
        """Return first − second in each cycle (S, T)."""
        if not self.seeds:
            return np.empty((0, 0))
        first, second = self.curves(column)
        return first - second

    def aulc_differences(self, column: str) -> FloatArray:
        """Return AULC(first) − AULC(second) of each seed (S)."""
        pairs = zip(self.first, self.second, strict=True)
        return np.array([one.aulc(column) - other.aulc(column) for one, other in pairs])


@dataclass(frozen=True)
class Comparison:
    """The runs of one study, task and model, all with the same settings but strategy and seed.

    Attributes:
        study: name of the study (a data set and the settings that go with it).
        task: name of the task.
        model: name of the model.
        runs: strategy → seed → run; strategies in alphabetical order, the baseline first.
        full_pool: runs trained on the whole pool, the reference line.
        bounds: upper bounds, as ``runs``: drawn, and compared with nothing.
        baseline: the strategy that the others are compared with.
    """

    study: str
    task: str
    model: str
    runs: Mapping[str, Mapping[int, Run]]
    full_pool: tuple[Run, ...]
    bounds: Mapping[str, Mapping[int, Run]]
    baseline: str

    @property
    def name(self) -> str:
        """Return ``<study>/<task>/<model>``."""
        return f"{self.study}/{self.task}/{self.model}"

    @property
    def strategies(self) -> tuple[str, ...]:
        """Return the strategies, the baseline first where it is there."""
        return tuple(self.runs)

    @property
    def active(self) -> tuple[str, ...]:
        """Return the strategies that are compared with the baseline."""
        return tuple(name for name in self.runs if name != self.baseline)

    @property
    def has_baseline(self) -> bool:
        """Return whether there are runs of the baseline."""
        return self.baseline in self.runs

    @property
    def labelled(self) -> IntArray:
        """Return the labelled images after each cycle (T), the same for all runs."""
        return self.any_run.labelled

    @property
    def any_run(self) -> Run:
        """Return one of the runs, for what they have in common."""
        return next(iter(next(iter(self.runs.values())).values()))

    def curves(self, strategy: str, column: str) -> FloatArray:
        """Return a column of all runs of a strategy (S, T), seeds ascending."""
        return stack(self.runs[strategy].values(), column)

    def pairs(self, first: str, second: str) -> Pairs:
        """Return the runs of two strategies joined by seed; what does not fit together is left out.

        A pair fits if all seeds (split, starting set, training) and the starting sets themselves are equal.
        """
        common = sorted(set(self.runs[first]) & set(self.runs[second]))
        seeds = [seed for seed in common if _fit(self.runs[first][seed], self.runs[second][seed])]
        return Pairs(
            tuple(seeds),
            tuple(self.runs[first][seed] for seed in seeds),
            tuple(self.runs[second][seed] for seed in seeds),
        )


def stack(runs: Iterable[Run], column: str) -> FloatArray:
    """Return a column of each run (S, T)."""
    return np.stack([run.values(column) for run in runs])


def compare(runs: Iterable[Run], baseline: str) -> tuple[list[Comparison], list[Finding]]:
    """Group runs into comparisons, and list what is missing, unequal or mixed in them."""
    comparisons, findings = [], []

    def cell(run: Run) -> tuple[str, str, str]:
        return run.study, run.task, run.model

    for key, group in groupby(sorted(runs, key=lambda run: (*cell(run), run.strategy, run.seed)), key=cell):
        comparison, found = _comparison(*key, list(group), baseline)
        comparisons.append(comparison)
        findings += found
    return comparisons, findings


def _comparison(
    study: str, task: str, model: str, runs: list[Run], baseline: str
) -> tuple[Comparison, list[Finding]]:
    compared = [run for run in runs if not (run.is_full_pool or run.is_bound)] or runs
    kept, findings = _alike(compared, Run.determining)
    full_pool, found = _references([run for run in runs if run.is_full_pool], kept[0])
    findings += found
    by_strategy: dict[str, dict[int, Run]] = {}
    for strategy in sorted({run.strategy for run in kept}, key=lambda name: (name != baseline, name)):
        same, found = _alike([run for run in kept if run.strategy == strategy], Run.strategy_settings)
        findings += found
        by_strategy[strategy] = {run.seed: run for run in same}
    bounds: dict[str, dict[int, Run]] = {}
    for run in (run for run in runs if run.is_bound and run not in kept):
        if run.determining() == kept[0].determining():
            bounds.setdefault(run.strategy, {})[run.seed] = run
        else:
            what = f"an upper bound of {_difference(kept[0], run, Run.determining)}"
            findings.append(Finding(place(run.folder), what, LEFT_OUT))
    comparison = Comparison(study, task, model, by_strategy, full_pool, bounds, baseline)
    return comparison, [*findings, *_unrecorded(comparison), *_versions(comparison), *_seeds(comparison)]


def _alike(runs: Sequence[Run], settings: Callable[[Run], dict[str, Any]]) -> tuple[list[Run], list[Finding]]:
    """Return the largest group of runs with equal settings, and what is wrong with the rest."""
    texts = _with_what_is_known(runs, [settings(run) for run in runs])
    usual = Counter(texts).most_common(1)[0][0]
    kept = [run for run, text in zip(runs, texts, strict=True) if text == usual]
    findings = [
        Finding(place(run.folder), _difference(kept[0], run, settings), LEFT_OUT)
        for run, text in zip(runs, texts, strict=True)
        if text != usual
    ]
    return kept, findings


def _with_what_is_known(runs: Sequence[Run], settings: Sequence[dict[str, Any]]) -> list[str]:
    """Return the settings as text; what an earlier version has not recorded of its data is taken to be as usual.

    Unless the labels that such a run has kept contradict that.
    """
    recorded = [(run, own) for run, own in zip(runs, settings, strict=True) if run.records_its_data]
    if not recorded or len(recorded) == len(runs):
        return [json.dumps(own, sort_keys=True) for own in settings]
    counted = Counter(json.dumps({key: own.get(key) for key in DATA_KEYS}) for _, own in recorded)
    usual: dict[str, Any] = json.loads(counted.most_common(1)[0][0])
    rows = read_rows(next(run for run, own in recorded if {k: own.get(k) for k in DATA_KEYS} == usual).data_record)
    filled = []
    for run, own in zip(runs, settings, strict=True):
        fits = not run.records_its_data and not (rows and contradictions(known_labels(run.folder), rows))
        unknown = {key: usual[key] for key in DATA_KEYS if key in own and own[key] is None} if fits else {}
        filled.append(json.dumps(own | unknown, sort_keys=True))
    return filled


def _difference(usual: Run, run: Run, settings: Callable[[Run], dict[str, Any]]) -> str:
    """Return what differs between two runs; of their data, which images."""
    expected, found = settings(usual), settings(run)
    images = " ".join("; ".join(problem.describe(MOST_NAMED) for problem in usual.data_changes(run)).split())
    if images:  # says more than the digests
        expected, found = ({k: v for k, v in side.items() if k not in DATA_KEYS} for side in (expected, found))
    of_settings = _differing(expected, found)
    said = [of_settings and f"other settings than the rest: {of_settings}", images and f"other data: {images}"]
    return "; ".join(filter(None, said))


def _references(runs: Sequence[Run], member: Run) -> tuple[tuple[Run, ...], list[Finding]]:
    """Return the runs on the whole pool that differ from a comparison in the budget only, and what others are."""

    def settings(run: Run) -> dict[str, Any]:
        return {
            key: value
            for key, value in run.determining().items()
            if key != "labelled counts" and not key.startswith("budget.")
        }

    expected = settings(member)
    findings = [
        Finding(
            place(run.folder),
            f"a run on the whole pool of {_difference(member, run, settings)}",
            LEFT_OUT,
        )
        for run in runs
        if settings(run) != expected
    ]
    return tuple(run for run in runs if settings(run) == expected), findings


def _differing(expected: dict[str, Any], found: dict[str, Any]) -> str:
    keys = sorted(key for key in {*expected, *found} if expected.get(key) != found.get(key))
    named = [f"{key} {found.get(key)} instead of {expected.get(key)}" for key in keys[:MOST_NAMED]]
    return "; ".join(named) + (f"; and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else "")


def _unrecorded(comparison: Comparison) -> list[Finding]:
    """Return that some runs, and not all, were made by a version that did not record their data; they are kept."""
    runs = [run for of_strategy in comparison.runs.values() for run in of_strategy.values()]
    earlier = [run for run in runs if not run.records_its_data]
    if not earlier or len(earlier) == len(runs):
        return []
    what = f"{len(earlier)} of {len(runs)} runs, of an earlier version, kept the labels of queried and test images"
    return [Finding(comparison.name, what, "kept: these agree, and so does what the images show")]


def _versions(comparison: Comparison) -> list[Finding]:
    """Return the versions that differ within a comparison, or within a run that went on; such runs are kept."""
    seen: dict[str, set[str]] = {}
    runs = [run for of_strategy in comparison.runs.values() for run in of_strategy.values()]
    for part in (part for run in runs for part in run.versions()):
        for library, version in part.items():
            seen.setdefault(library, set()).add(str(version))
    mixed = [
        f"{name} {', '.join(sorted(versions))}" for name, versions in sorted(seen.items()) if len(versions) > 1
    ]
    if not mixed:
        return []
    return [
        Finding(comparison.name, f"mixed versions: {'; '.join(mixed)}", "kept; repeat the older runs to be sure")
    ]


def _seeds(comparison: Comparison) -> list[Finding]:
    findings = []
    if not comparison.has_baseline:
        what = f"no run to compare of the baseline, strategy={comparison.baseline}"
        findings.append(Finding(comparison.name, what, "curves only: no strategy can be compared with it"))
    every = sorted({seed for runs in comparison.runs.values() for seed in runs})
    for strategy, runs in comparison.runs.items():
        missing = [seed for seed in every if seed not in runs]
        if missing:
            what = f"no run to compare of {strategy} with seed {', '.join(map(str, missing))}"
            findings.append(Finding(comparison.name, what, "these pairs are left out"))
    if comparison.has_baseline:
        for strategy in comparison.active:
            findings += _unfit(comparison, strategy)
    if len(every) == 1:
        findings.append(Finding(comparison.name, "one seed only", "curves only, no tests and no intervals"))
    return findings


def _unfit(comparison: Comparison, strategy: str) -> list[Finding]:
    own, other = comparison.runs[strategy], comparison.runs[comparison.baseline]
    unfit = [seed for seed in sorted(set(own) & set(other)) if not _fit(own[seed], other[seed])]
    if not unfit:
        return []
    what = (
        f"seed {', '.join(map(str, unfit))} of {strategy} does not pair with {comparison.baseline}: "
        "other seeds of split, start or training, or another starting set"
    )
    return [Finding(comparison.name, what, "these pairs are left out")]


def _fit(one: Run, other: Run) -> bool:
    return one.seeds_used == other.seeds_used and one.starting_set == other.starting_set
