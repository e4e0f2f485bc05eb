"""Wrong labels that oracles have told, and what they cost each strategy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray
from coilal.evidence.comparison import Comparison
from coilal.evidence.paired import compare_with_baseline, paired_t
from coilal.evidence.reading import Run
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.units import Repeat

MOST_NAMED = 3
"""Kinds of error that are named of each strategy."""
SUFFERS = {"surpasses": "less", "falls below": "more", "undecided": "undecided", "untested": "untested"}


def wrong_labels(comparison: Comparison) -> pd.DataFrame:
    """Return how many wrong labels each strategy was told; empty where no oracle erred.

    Returns:
        One row a strategy: ``strategy``, ``told`` and ``wrong`` (labels of a run, means over seeds), ``share``, and
        ``errors``, the most frequent ones (true → told: number in all runs).
    """
    rows = []
    for strategy, runs in comparison.runs.items():
        if not any("true" in run.asked for run in runs.values()):
            continue
        told = pd.concat([run.queries for run in runs.values()])
        wrong = told[told["true"].fillna("") != ""]
        kinds = (wrong["true"] + " → " + wrong["label"]).value_counts().head(MOST_NAMED)
        rows.append(
            {
                "strategy": strategy,
                "told": len(told) / len(runs),
                "wrong": len(wrong) / len(runs),
                "share": len(wrong) / len(told),
                "errors": "; ".join(f"{kind}: {count}" for kind, count in kinds.items()),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Loss:
    """What wrong labels cost a strategy, against the same strategy where fewer were wrong.

    Attributes:
        study: where more labels are wrong.
        against: the study where the fewest are.
        task: name of the task.
        model: name of the model.
        strategy: name of the strategy.
        share: of the labels that are wrong, in all runs of ``study``.
        pairs: pairs of runs with and without these errors.
        aulc: mean AULC with them.
        loss: mean AULC without them − AULC with them, by seed.
        low: lower end of the t interval of the loss.
        high: upper end.
        beyond: loss − loss of the baseline, by seed; NaN for the baseline, and without one.
        beyond_low: lower end of its t interval.
        beyond_high: upper end.
        p_holm: two-sided paired t-test of «as much as the baseline», Holm-corrected over the strategies.
        suffers: ``more`` or ``less`` than the baseline, ``undecided`` or ``untested``; "" for the baseline.
    """

    study: str
    against: str
    task: str
    model: str
    strategy: str
    share: float
    pairs: int
    aulc: float
    loss: float
    low: float
    high: float
    beyond: float
    beyond_low: float
    beyond_high: float
    p_holm: float
    suffers: str


def losses(comparisons: Sequence[Comparison], settings: ReportSettings) -> list[Loss]:
    """Return what wrong labels cost each strategy, over studies that differ in their oracle alone.

    Args:
        comparisons: of one or several studies.
        settings: metric, baseline and confidence.
    """
    found = []
    for _, group in groupby(sorted(comparisons, key=_besides_the_oracle), key=_besides_the_oracle):
        members = sorted(group, key=wrong_share)
        for member in members[1:]:
            if _oracle(member.any_run) != _oracle(members[0].any_run):
                found += _losses(members[0], member, settings)
    return found


def _losses(clean: Comparison, noisy: Comparison, settings: ReportSettings) -> list[Loss]:
    lost = {name: _lost(clean, noisy, name, settings.column) for name in noisy.strategies if name in clean.runs}
    lost = {name: by_repeat for name, by_repeat in lost.items() if by_repeat}
    common = lost.get(settings.baseline, {})
    beyond = {name: _beyond(by_repeat, common) for name, by_repeat in lost.items() if name != settings.baseline}
    tested = {name: -noisy.units(values).means(_array(values)) for name, values in beyond.items() if values}
    decisions = compare_with_baseline(tested, settings, noisy.overlap) if tested else {}
    rows = []
    for name, by_repeat in lost.items():
        values = noisy.units(by_repeat).means(_array(by_repeat))
        own = paired_t(values, settings.margin, settings.confidence, noisy.overlap)
        more, decision = (math.nan,) * 3, decisions.get(name)
        if decision is not None:  # of −beyond
            more = -float(decision.test.mean), -float(decision.test.high), -float(decision.test.low)
        rows.append(
            Loss(
                study=noisy.study,
                against=clean.study,
                task=noisy.task,
                model=noisy.model,
                strategy=name,
                share=wrong_share(noisy),
                pairs=len(by_repeat),
                aulc=float(np.mean([noisy.runs[name][repeat].aulc(settings.column) for repeat in by_repeat])),
                loss=float(own.mean),
                low=float(own.low),
                high=float(own.high),
                beyond=more[0],
                beyond_low=more[1],
                beyond_high=more[2],
                p_holm=decision.p_holm if decision else math.nan,
                suffers=SUFFERS[decision.superiority] if decision else "",
            )
        )
    return rows


def _lost(clean: Comparison, noisy: Comparison, strategy: str, column: str) -> dict[Repeat, float]:
    """Return AULC without errors − AULC with them, of runs that share split, seed and starting set."""
    both = replace(clean, runs={"clean": clean.runs[strategy], "noisy": noisy.runs[strategy]})
    pairs = both.pairs("clean", "noisy")
    return dict(zip(pairs.repeats, pairs.aulc_differences(column).tolist(), strict=True))


def _beyond(own: Mapping[Repeat, float], baseline: Mapping[Repeat, float]) -> dict[Repeat, float]:
    return {repeat: value - baseline[repeat] for repeat, value in own.items() if repeat in baseline}


def _array(values: Mapping[Repeat, float]) -> FloatArray:
    return np.array(list(values.values()))


def wrong_share(comparison: Comparison) -> float:
    """Return the share of the labels that were told wrongly, of all runs; 0 where none was."""
    table = wrong_labels(comparison)
    return float(table["wrong"].sum() / table["told"].sum()) if len(table) else 0.0


def _oracle(run: Run) -> dict[str, object]:
    return {key: value for key, value in run.determining().items() if key.startswith("oracle.")}


def _besides_the_oracle(comparison: Comparison) -> str:
    """Return what two comparisons must have in common for their oracles to be what differs."""
    run = comparison.any_run
    settings = {key: value for key, value in run.determining().items() if not key.startswith("oracle.")}
    return json.dumps([comparison.task, comparison.model, settings], sort_keys=True, default=str)
