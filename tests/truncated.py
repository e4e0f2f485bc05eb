"""docs/evaluation.md: our published learning curves cut short, what was said of them, and what came.

python -m tests.truncated
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy import stats

from coilal.common.types import FloatArray, IntArray
from coilal.evidence import extrapolation
from coilal.evidence.extrapolation import FARTHEST, Extrapolation, LearningCurve, Refusal, labels_needed
from coilal.evidence.outlook import LAST, Brought, outlook

RESULTS = Path(__file__).parents[1] / "docs" / "results"
DATA = {"deep_pcb": "circuit boards", "magnetic_tile": "magnetic tiles", "rendered": "rendered coils"}
"""Part of the path of a table of curves → what its images show."""
CUTS = (7, 10)
"""Cycles after which a curve is followed, and asked for the labels that a target needs."""
ADVISED = (6, 7, 8, 9, 10)
"""Cycles after which there is advice on stopping."""
REACHES = (1.0, 1.25, 1.5, FARTHEST)
RISES = (0.005, 0.01, 0.02, 0.03, 0.05)
"""Targets, above the highest mean before the cut: chosen without a look at what came."""
GAINS = (0.05, 0.02, 0.01)
BATCH = 24
"""Labels between two cycles of each published curve."""


@dataclass(frozen=True)
class Published:
    """A published mean learning curve.

    Attributes:
        data: what the images show, a value of ``DATA``.
        curve: of all cycles.
    """

    data: str
    curve: LearningCurve


def published() -> Iterator[Published]:
    """Yield the curves of each ``curves.csv`` of docs/results."""
    for path in sorted(RESULTS.rglob("curves.csv")):
        data = next(shown for part, shown in DATA.items() if part in path.parts)
        for _, rows in pd.read_csv(path).groupby("strategy", sort=False):
            half = (rows["high"] - rows["low"]).to_numpy() / 2
            error = half / stats.t.ppf(0.975, rows["seeds"].iloc[0] - 1)
            yield Published(data, LearningCurve(rows["labelled"].to_numpy(), rows["mean"].to_numpy(), error))


@contextmanager
def each_fitted_once() -> Iterator[None]:
    """Remember fits: a curve cut at one place is fitted to the same first cycles as cut at another."""
    fitted = extrapolation.fitted

    @cache
    def remembered(name: str, *columns: bytes) -> Callable[[FloatArray | IntArray], FloatArray]:
        labelled, mean, error = (
            np.frombuffer(column, kind) for column, kind in zip(columns, (int, float, float), strict=True)
        )
        return fitted(name, LearningCurve(labelled, mean, error))

    def once(name: str, curve: LearningCurve) -> Callable[[FloatArray | IntArray], FloatArray]:
        return remembered(name, curve.labelled.tobytes(), curve.mean.tobytes(), curve.error.tobytes())

    with patch.object(extrapolation, "fitted", once):
        yield


def points(curves: Sequence[Published]) -> pd.DataFrame:
    """Return each mean that came after a cut and was not refused.

    Columns: data; times, its labels by those at the cut; held, whether the interval did; wrong, the fitted curve
    minus what came; half, of the interval.
    """
    parts = []
    for each, cycles in product(curves, CUTS):
        curve, short = each.curve, each.curve.first(cycles)
        later = (curve.labelled > short.labelled[-1]) & (curve.labelled <= FARTHEST * short.labelled[-1])
        if (followed := Extrapolation(short)).refusal is None:
            best, low, high = followed.predicted(curve.labelled[later])
            came = curve.mean[later]
            columns = {
                "times": curve.labelled[later] / short.labelled[-1],
                "held": (low <= came) & (came <= high),
                "wrong": best - came,
                "half": (high - low) / 2,
            }
            parts.append(pd.DataFrame({"data": each.data, **columns}))
    return pd.concat(parts, ignore_index=True)


def needs(curves: Sequence[Published]) -> pd.DataFrame:
    """Return each answer to how many labels a target needs, refused or not.

    Columns: data; rise, the target minus the highest mean so far; refused; came, whether the curve reached it;
    held, whether the labels at which it did are within the interval, as far as the curve goes; open, whether that
    has no upper end; short, whether the target was not reached within a batch of the labels named, 1 or 0, NaN
    where the curve ends before.
    """
    rows: list[dict[str, object]] = []
    for each, cycles, rise in product(curves, CUTS, RISES):
        curve, short = each.curve, each.curve.first(cycles)
        target = float(short.mean.max()) + rise
        need, reached, end = labels_needed(short, target), _first(curve, target), float(curve.labelled[-1])
        refused, came = isinstance(need, Refusal), bool(np.isfinite(reached))
        row = {"data": each.data, "rise": rise, "refused": refused, "came": came}
        if not isinstance(need, Refusal):
            row["held"] = need.low <= reached and min(reached, end) <= need.high
            row["open"] = bool(np.isinf(need.high))
            row["short"] = float(reached > need.labels + BATCH) if need.labels + BATCH <= end else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def advised(curves: Sequence[Published]) -> pd.DataFrame:
    """Return what was said of the next batches, where a curve could be followed.

    Columns: data; least, the gain that they must bring; verdict, and cautious, the same where the last batches are
    known by the published errors as if cycles were independent; few, whether they brought less; last, whether
    those before the cut had; held, whether the interval of the gain did; stop, low, high, the labels from which on
    batches bring too little, and came, where they first did; now, the labels at the cut.
    """
    rows: list[dict[str, object]] = []
    for each, cycles, least in product(curves, ADVISED, GAINS):
        curve, short, now = each.curve, each.curve.first(cycles), cycles - 1
        brought, brings = (float(curve.mean[k + LAST] - curve.mean[k]) for k in (now - LAST, now))
        noise = extrapolation.QUANTILE * float(np.hypot(curve.error[now], curve.error[now - LAST]))
        ahead, wary = (
            outlook(short, Brought(brought, brought - half, brought + half), LAST * BATCH, least)
            for half in (0.0, noise)
        )
        if ahead.stop is not None:
            came = curve.labelled[now:-LAST][curve.mean[now + LAST :] - curve.mean[now:-LAST] < least]
            rows.append(
                {
                    "data": each.data,
                    "least": least,
                    "verdict": ahead.verdict,
                    "cautious": wary.verdict,
                    "few": brings < least,
                    "last": brought < least,
                    "held": ahead.low <= brings <= ahead.high,
                    **vars(ahead.stop),
                    "came": float(came[0]) if len(came) else np.inf,
                    "now": int(curve.labelled[now]),
                }
            )
    return pd.DataFrame(rows).rename(columns={"labels": "stop"})


def _first(curve: LearningCurve, target: float) -> float:
    reached = curve.mean >= target
    return float(curve.labelled[np.argmax(reached)]) if reached.any() else np.inf


def coverage_table(found: pd.DataFrame) -> str:
    """Return what the intervals of ``points`` cover, by reach and data."""
    head = ["labels, times those at the cut", "points", "interval covers", *DATA.values()]
    rows = [_head([*head, "median error", "median half width"])]
    for least, most in pairwise(REACHES):
        own = found[(found["times"] > least) & (found["times"] <= most)]
        shares = [own["held"], *(own.loc[own["data"] == data, "held"] for data in DATA.values())]
        reach = f"up to {most:g}" if least == 1 else f"{least:g} to {most:g}"
        medians = [f"{values.median():.3f}" for values in (own["wrong"].abs(), own["half"])]
        rows.append(_row([reach, len(own), *(f"{_percent(share)} %" for share in shares), *medians]))
    return "\n".join(rows)


def needs_table(found: pd.DataFrame) -> str:
    """Return how the answers of ``needs`` went, by target."""
    head = ["target, above the highest mean", "refused", "of these reached", "answered", "interval held"]
    rows = [_head([*head, "without upper end", "number more than a batch too small"])]
    for rise, own in found.groupby("rise"):
        said, told = own[~own["refused"]], own["short"].dropna()
        refused = [own["refused"].sum(), own.loc[own["refused"], "came"].sum()]
        counts = [*refused, len(said), said["held"].sum(), said["open"].sum()]
        rows.append(_row([f"{rise:g}", *counts, f"{told.sum():.0f} of {len(told)}"]))
    return "\n".join(rows)


def advice_table(found: pd.DataFrame) -> str:
    """Return how often batches brought less than the least gain, by what ``advised`` had said."""
    head = ["least gain", "in all cases", "after «stop»", "after a cautious «stop»", "after «go on»"]
    rows = [_head([*head, "if the last three batches had brought less"])]
    for least, own in found.groupby("least", sort=False):
        said = (own["verdict"] == "stop", own["cautious"] == "stop", own["verdict"] == "go on")
        counts = [f"{own.loc[rows, 'few'].sum()} of {rows.sum()}" for rows in said]
        every, last = (f"{few.sum()} of {len(few)}" for few in (own["few"], own.loc[own["last"], "few"]))
        rows.append(_row([f"{least:g}", every, *counts, last]))
    return "\n".join(rows)


def sentences(reached: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Return what the page says in words, of ``points`` and of ``advised``."""
    far = reached.loc[reached["times"] > REACHES[-2], "wrong"]
    once = found[found["least"] == GAINS[0]]  # the interval of a gain is the same whatever is wanted
    by_data = ", ".join(f"{data} {_percent(own)} %" for data, own in once.groupby("data")["held"])
    to_come = found[(found["stop"] > found["now"]) & np.isfinite(found["came"])]
    held = (to_come["low"] <= to_come["came"]) & (to_come["came"] <= to_come["high"])
    near = (to_come["stop"] - to_come["came"]).abs() <= BATCH
    return [
        f"The fit promises too much: {far.mean():+.3f} on average between {REACHES[-2]:g} and {FARTHEST:g} times",
        f"The interval covers what came in {_percent(once['held'])} % of {len(once)} cases ({by_data}).",
        f"The place to stop lay within its interval in {held.sum()} of {len(held)} cases in which it was to "
        f"come and came (its upper end was open in {np.isinf(to_come['high']).sum()}), and within one batch of the "
        f"value in {near.sum()}",
    ]


def _percent(values: pd.Series[bool]) -> str:
    return f"{100 * values.mean():.0f}"


def _head(names: Sequence[str]) -> str:
    return f"{_row(names)}\n{'|---' * len(names)}|"


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def parts() -> list[str]:
    """Return what docs/evaluation.md has of this: tables and sentences."""
    with each_fitted_once():
        curves = list(published())
        reached, needed, found = points(curves), needs(curves), advised(curves)
    tables = [coverage_table(reached), needs_table(needed), advice_table(found)]
    return [*tables, *sentences(reached, found)]


if __name__ == "__main__":
    print(*parts(), sep="\n\n")
