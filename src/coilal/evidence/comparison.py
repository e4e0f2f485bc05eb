"""Brings together the runs that may be compared, and says which may not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.reading import DATA_KEYS, LEFT_OUT, Finding, Run, place
from coilal.evidence.units import Repeat, Units
from coilal.run_directory.chosen_on import CHOSEN_ON, Seen, described
from coilal.run_directory.data_record import read_rows
from coilal.run_directory.earlier import contradictions, known_labels

MOST_NAMED = 6
"""Settings that are named where configurations differ."""


@dataclass(frozen=True)
class Pairs:
    """Runs of two strategies that share split and seed.

    Attributes:
        repeats: the common splits and seeds (R), ascending.
        first: runs of the first strategy, in that order (R).
        second: runs of the second strategy, in that order (R).
        units: what a mean over the pairs is taken over.
    """

    repeats: tuple[Repeat, ...]
    first: tuple[Run, ...]
    second: tuple[Run, ...]
    units: Units

    def curves(self, column: str) -> tuple[FloatArray, FloatArray]:
        """Return a column of the runs of the first and of the second strategy, each (R, T)."""
        return stack(self.first, column), stack(self.second, column)

    def differences(self, column: str) -> FloatArray:
        """Return first − second of each unit in each cycle (U, T)."""
        if not self.repeats:
            return np.empty((0, 0))
        first, second = self.curves(column)
        return self.units.means(first - second)

    def aulc_differences(self, column: str) -> FloatArray:
        """Return AULC(first) − AULC(second) of each pair (R)."""
        pairs = zip(self.first, self.second, strict=True)
        return np.array([one.aulc(column) - other.aulc(column) for one, other in pairs])


@dataclass(frozen=True)
class Comparison:
    """The runs of one study, task and model, all with the same settings but strategy, split and seed.

    Attributes:
        study: name of the study (a data set and the settings that go with it).
        task: name of the task.
        model: name of the model.
        runs: strategy → split and seed → run; strategies in alphabetical order, the baseline first.
        full_pool: runs trained on the whole pool, the reference line.
        bounds: upper bounds, as ``runs``: drawn, and compared with nothing.
        baseline: the strategy that the others are compared with.
        left_out: strategy → what its runs differ in, of each of which all are left out for that.
    """

    study: str
    task: str
    model: str
    runs: Mapping[str, Mapping[Repeat, Run]]
    full_pool: tuple[Run, ...]
    bounds: Mapping[str, Mapping[Repeat, Run]]
    baseline: str
    left_out: Mapping[str, str] = field(default_factory=dict)

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

    @cached_property
    def repeats(self) -> tuple[Repeat, ...]:
        """The splits and seeds that any strategy has, ascending."""
        return tuple(sorted({repeat for runs in self.runs.values() for repeat in runs}))

    @cached_property
    def splits(self) -> tuple[int, ...]:
        """The splits that any strategy has, ascending."""
        return tuple(sorted({repeat.split for repeat in self.repeats}))

    @cached_property
    def overlap(self) -> float:
        """How far splits overlap, n_test/n_train, mean over the splits; 0 with one split.

        The training part of random splits is the pool: what the test and the validation part leave. Where each
        image is tested once (folds, or one value left out at a time) it is, as usual, all that is not tested: such
        splits share fewer images. See docs/evaluation.md for what that comes to.
        """
        if len(self.splits) < 2:
            return 0.0
        runs = {run.split: run for of_strategy in self.runs.values() for run in of_strategy.values()}
        return float(np.mean([_overlap(run) for run in runs.values()]))

    def units(self, repeats: Iterable[Repeat]) -> Units:
        """Return what a mean over runs is taken over: seeds or, in a comparison of several splits, splits."""
        splits = [repeat.split for repeat in repeats]
        return Units.seeds(len(splits)) if len(self.splits) < 2 else Units.splits(splits, self.overlap)

    def curves(self, strategy: str, column: str) -> FloatArray:
        """Return a column of all runs of a strategy (R, T), splits and seeds ascending."""
        return stack(self.runs[strategy].values(), column)

    def unit_curves(self, strategy: str, column: str) -> FloatArray:
        """Return a column of a strategy, the mean over the runs of each unit (U, T)."""
        return self.units(self.runs[strategy]).means(self.curves(strategy, column))

    def pairs(self, first: str, second: str) -> Pairs:
        """Return the runs of two strategies joined by split and seed; what does not fit together is left out.

        A pair fits if all seeds (split, starting set, training) and the starting sets themselves are equal.
        """
        common = sorted(set(self.runs[first]) & set(self.runs[second]))
        fit = tuple(repeat for repeat in common if _fit(self.runs[first][repeat], self.runs[second][repeat]))
        return Pairs(
            fit,
            tuple(self.runs[first][repeat] for repeat in fit),
            tuple(self.runs[second][repeat] for repeat in fit),
            self.units(fit),
        )


def stack(runs: Iterable[Run], column: str) -> FloatArray:
    """Return a column of each run (R, T)."""
    return np.stack([run.values(column) for run in runs])


def _overlap(run: Run) -> float:
    parts = run.status["data"]["split"]
    is_each_tested_once = any(run.config.get(f"data.split.{key}") is not None for key in ("folds", "by"))
    trained = parts["pool"] + (parts["validation"] if is_each_tested_once else 0)
    return float(parts["test"] / trained)


def compare(runs: Iterable[Run], baseline: str) -> tuple[list[Comparison], list[Finding]]:
    """Group runs into comparisons, and list what is missing, unequal or mixed in them."""
    comparisons, findings = [], []

    def cell(run: Run) -> tuple[str, str, str]:
        return run.study, run.task, run.model

    for key, group in groupby(sorted(runs, key=lambda run: (*cell(run), run.strategy, run.repeat)), key=cell):
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
    kept, found = _of_divisions(kept)
    findings += found
    by_strategy: dict[str, dict[Repeat, Run]] = {}
    for strategy in sorted({run.strategy for run in kept}, key=lambda name: (name != baseline, name)):
        same, found = _alike([run for run in kept if run.strategy == strategy], Run.strategy_settings)
        findings += found
        by_strategy[strategy], found = _by_repeat(same)
        findings += found
    bounds: dict[str, dict[Repeat, Run]] = {}
    for run in (run for run in runs if run.is_bound and run not in compared):
        if run.determining() == kept[0].determining():
            bounds.setdefault(run.strategy, {})[run.repeat] = run
        else:
            what = f"an upper bound of {_difference(kept[0], run, Run.determining)}"
            findings.append(Finding(place(run.folder), what, LEFT_OUT))
    gone = {run.strategy: _kind_of_difference(kept[0], run) for run in compared if run.strategy not in by_strategy}
    comparison = Comparison(study, task, model, by_strategy, full_pool, bounds, baseline, gone)
    return comparison, [
        *findings,
        *_unrecorded(comparison),
        *_versions(comparison),
        *_chosen_on(comparison),
        *_seeds(comparison),
    ]


def _of_divisions(runs: Sequence[Run]) -> tuple[list[Run], list[Finding]]:
    """Return the runs whose split is that of the others with its number, and no repetition of another number's."""
    kept: list[Run] = []
    findings: list[Finding] = []
    seen: dict[Any, int] = {}
    for split in sorted({run.split for run in runs}):
        same, found = _alike([run for run in runs if run.split == split], Run.division)
        findings += found
        division = json.dumps(dict(same[0].division())) if same[0].records_its_data else split
        if (first := seen.setdefault(division, split)) == split:
            kept += same
        else:
            what = f"split {split} divides the images just as split {first} does, and would count twice"
            findings.append(Finding(f"{same[0].study}/{same[0].task}/{same[0].model}", what, LEFT_OUT))
    return kept, findings


def _by_repeat(runs: Sequence[Run]) -> tuple[dict[Repeat, Run], list[Finding]]:
    """Return the runs of a strategy by split and seed; of two that have the same, the first."""
    kept: dict[Repeat, Run] = {}
    findings = []
    for run in runs:
        if (first := kept.setdefault(run.repeat, run)) is not run:
            what = f"the split and the seed of {place(first.folder)}"
            findings.append(Finding(place(run.folder), what, LEFT_OUT))
    return kept, findings


def _alike(runs: Sequence[Run], settings: Callable[[Run], Mapping[str, Any]]) -> tuple[list[Run], list[Finding]]:
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


def _with_what_is_known(runs: Sequence[Run], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings as text; what an earlier version has not recorded of its data is taken to be as usual.

    Unless the labels that such a run has kept contradict that.
    """
    recorded = [(run, own) for run, own in zip(runs, settings, strict=True) if run.records_its_data]
    if not recorded or len(recorded) == len(runs):
        return [json.dumps(dict(own), sort_keys=True) for own in settings]
    counted = Counter(json.dumps({key: own.get(key) for key in DATA_KEYS}) for _, own in recorded)
    usual: dict[str, Any] = json.loads(counted.most_common(1)[0][0])
    rows = read_rows(next(run for run, own in recorded if {k: own.get(k) for k in DATA_KEYS} == usual).data_record)
    filled = []
    for run, own in zip(runs, settings, strict=True):
        fits = not run.records_its_data and not (rows and contradictions(known_labels(run.folder), rows))
        unknown = {key: usual[key] for key in DATA_KEYS if key in own and own[key] is None} if fits else {}
        filled.append(json.dumps({**own, **unknown}, sort_keys=True))
    return filled


def _difference(usual: Run, run: Run, settings: Callable[[Run], Mapping[str, Any]]) -> str:
    """Return what differs between two runs; of their data, which images."""
    expected, found = settings(usual), settings(run)
    images = " ".join("; ".join(problem.describe(MOST_NAMED) for problem in usual.data_changes(run)).split())
    if images:  # says more than the digests
        expected, found = ({k: v for k, v in side.items() if k not in DATA_KEYS} for side in (expected, found))
    of_settings = _differing(expected, found)
    said = [of_settings and f"other settings than the rest: {of_settings}", images and f"other data: {images}"]
    return "; ".join(filter(None, said))


def _kind_of_difference(usual: Run, run: Run) -> str:
    """Return what two runs differ in, in two words: labels, other data, or settings."""
    expected, found = usual.determining(), run.determining()
    keys = {key for key in {*expected, *found} if expected.get(key) != found.get(key)}
    if keys & DATA_KEYS.keys() or not keys:  # without any it is the division of the images
        return "other labels" if keys == {"data labels"} else "other data"
    return "other settings"


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


def _differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
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


def _chosen_on(comparison: Comparison) -> list[Finding]:
    """Return that hyperparameters were chosen with images that are tested, once for each search; runs are kept."""
    searches: dict[tuple[str, int], dict[int, Seen]] = {}
    for run in (run for of_strategy in comparison.runs.values() for run in of_strategy.values()):
        if seen := run.status.get(CHOSEN_ON):
            searches.setdefault((seen["source"], seen["split"]), {})[run.split] = seen
    kept = "kept: strategies share the values, so that differences are hardly touched; levels may be too good"
    return [Finding(comparison.name, described(by_split), kept) for by_split in searches.values()]


def _seeds(comparison: Comparison) -> list[Finding]:
    findings = []
    if not comparison.has_baseline:
        what = f"no run to compare of the baseline, strategy={comparison.baseline}"
        findings.append(Finding(comparison.name, what, "curves only: no strategy can be compared with it"))
    for strategy, runs in comparison.runs.items():
        missing = [repeat for repeat in comparison.repeats if repeat not in runs]
        if missing:
            what = f"no run to compare of {strategy} with {_shown(comparison, missing)}"
            findings.append(Finding(comparison.name, what, "these pairs are left out"))
    if comparison.has_baseline:
        for strategy in comparison.active:
            findings += _unfit(comparison, strategy)
    if len(comparison.repeats) == 1:
        findings.append(Finding(comparison.name, "one seed only", "curves only, no tests and no intervals"))
    return findings


def _unfit(comparison: Comparison, strategy: str) -> list[Finding]:
    own, other = comparison.runs[strategy], comparison.runs[comparison.baseline]
    unfit = [repeat for repeat in sorted(set(own) & set(other)) if not _fit(own[repeat], other[repeat])]
    if not unfit:
        return []
    do = "does" if len(unfit) == 1 else "do"
    what = (
        f"{_shown(comparison, unfit)} of {strategy} {do} not pair with {comparison.baseline}: "
        "other seeds of split, start or training, or another starting set"
    )
    return [Finding(comparison.name, what, "these pairs are left out")]


def _shown(comparison: Comparison, repeats: Sequence[Repeat]) -> str:
    """Return ``seeds 0, 3``, by split where the comparison has several."""

    def seeds(some: Iterable[Repeat]) -> str:
        numbers = [str(repeat.seed) for repeat in some]
        return f"seed{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"

    if len(comparison.splits) < 2:
        return seeds(repeats)
    grouped = groupby(repeats, key=lambda repeat: repeat.split)
    return ", ".join(f"{seeds(group)} of split {split}" for split, group in grouped)


def _fit(one: Run, other: Run) -> bool:
    return one.seeds_used == other.seeds_used and one.starting_set == other.starting_set
