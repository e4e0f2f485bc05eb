"""What a model is worth on a type of part, line or lighting that it has never seen (``data.split.by``)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from coilal.evidence.analysis import mean_interval
from coilal.evidence.comparison import Comparison
from coilal.evidence.reading import Run

TOGETHER = "all together"
"""Name of the row that is of all types that are left out."""


def left_out(run: Run) -> str | None:
    """Return what the split of a run leaves out, ``attribute=value``, or None."""
    found = run.status["data"].get("left_out")
    return str(found) if found else None


def last(run: Run, part: str, metric: str) -> float:
    """Return a metric of a part after the last cycle; macro-F1 of the classes (labels) that both parts show.

    A type that is left out may lack classes, and a class that is predicted and does not occur counts 0 in macro-F1.
    """
    names = [name.removeprefix("test/f1/") for name in map(str, run.cycles) if name.startswith("test/f1/")]
    shown = [name for name in names if all(f"{p}/recall/{name}" in run.cycles for p in ("val", "test"))]
    shown = [n for n in shown if all(np.isfinite(run.values(f"{p}/recall/{n}")[-1]) for p in ("val", "test"))]
    if metric != "macro_f1" or not shown:
        return float(run.values(f"{part}/{metric}")[-1])
    return float(np.mean([run.values(f"{part}/f1/{name}")[-1] for name in shown]))


def drops(comparison: Comparison, metric: str, confidence: float) -> pd.DataFrame:
    """Return the metric on what is seen in training and on what is not, after the last cycle.

    Seen is the validation part, whose groups are others than those of the pool, of the same types; unseen is the
    test part. The drop is the difference in each run, averaged over the seeds of what is left out; its interval for
    all together is Student's over what is left out, corrected as that of Δ is (``mean_interval``): models of two
    types left out share much of their training. Part of a drop may be that a type is harder, seen or not.

    Args:
        comparison: the runs.
        metric: name without the part, e.g. ``macro_f1``.
        confidence: of the interval.

    Returns:
        A row for each strategy and thing left out (``left_out``, ``seen``, ``unseen``, ``drop``, ``seeds``), and
        one for all together, with ``low`` and ``high`` (NaN for fewer than three things left out); empty where
        splits leave nothing out or validation was not scored.
    """
    rows = []
    for strategy, runs in comparison.runs.items():
        found = pd.DataFrame(
            {
                "left_out": left_out(run),
                "seen": last(run, "val", metric),
                "unseen": last(run, "test", metric),
            }
            for run in runs.values()
            if left_out(run) and f"val/{metric}" in run.cycles
        )
        if found.empty:
            continue
        each = found.groupby("left_out").mean()
        each["seeds"] = found.groupby("left_out").size()
        each["drop"] = each["seen"] - each["unseen"]
        _, low, high = mean_interval(each[["drop"]].to_numpy(), confidence, comparison.overlap)
        together = {"left_out": TOGETHER, **each.mean().to_dict(), "seeds": int(each["seeds"].sum())}
        of_strategy = pd.concat([each.reset_index(), pd.DataFrame([together | {"low": low[0], "high": high[0]}])])
        rows.append(of_strategy.assign(strategy=strategy))
    if not rows:
        return pd.DataFrame()
    columns = ["strategy", "left_out", "seeds", "seen", "unseen", "drop", "low", "high"]
    return pd.concat(rows, ignore_index=True).reindex(columns=columns).replace({None: np.nan})
