"""What was queried: classes, rare faults, near-duplicates and groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from coilal.common.types import FloatArray, IntArray
from coilal.evidence.reading import Run
from coilal.evidence.units import Repeat

FIRST = 5
"""A rare class counts as found when this many of its images are labelled."""


def all_queries(runs: Mapping[Repeat, Run]) -> pd.DataFrame:
    """Return the queries of all runs of a strategy, numbered in a column ``seed``, in the order of labelling."""
    tables = [run.queries.assign(seed=number) for number, run in enumerate(runs.values())]
    return pd.concat(tables, ignore_index=True).sort_values(["seed", "cycle", "rank"], ignore_index=True)


def label_indicators(labels: pd.Series, names: Sequence[str], exclusive: bool = True) -> pd.DataFrame:
    """Return 0/1 per image and name (n, C); NaN for an image whose text can be read in more than one way.

    Args:
        labels: what queries.csv says of each image: a class, or label names joined by ``+``, ``none`` without any.
        names: classes or labels, in the order of the data.
        exclusive: whether an image may be of one name only; if a text is no name, these are labels all the same.
    """
    texts = labels.unique()
    if exclusive and set(texts) <= set(names):
        rows = {text: [float(text == name) for name in names] for text in texts}
    else:
        rows = {text: _indicators(text, names) for text in texts}
    found = pd.DataFrame([rows[text] for text in labels], columns=list(names), index=labels.index)
    return found if found.isna().to_numpy().any() else found.astype(int)


def _indicators(text: str, names: Sequence[str]) -> list[float]:
    ways = {*_ways(text, names)} | ({()} if text == "none" else set())
    if len(ways) > 1:  # runs of earlier versions: a name held a +, or was none
        return [math.nan] * len(names)
    (there,) = ways or {tuple(i for i, name in enumerate(names) if name in text.split("+"))}
    return [float(index in there) for index in range(len(names))]


def _ways(text: str, names: Sequence[str], start: int = 0) -> Iterator[tuple[int, ...]]:
    """Yield each way to write a text as names (by number, from ``start`` on, in order) joined by ``+``."""
    for index in range(start, len(names)):
        if text == names[index]:
            yield (index,)
        elif text.startswith(f"{names[index]}+"):
            rest = text[len(names[index]) + 1 :]
            yield from ((index, *more) for more in _ways(rest, names, index + 1))


def unreadable(queries: pd.DataFrame, names: Sequence[str], exclusive: bool) -> int:
    """Return how many queried images have labels that can be read in more than one way."""
    return int(label_indicators(queries["label"], names, exclusive).isna().any(axis=1).sum())


def class_mix(queries: pd.DataFrame, names: Sequence[str], exclusive: bool = True) -> pd.DataFrame:
    """Return the share of each class or label among the images of each cycle (T, C), over all seeds."""
    return label_indicators(queries["label"], names, exclusive).groupby(queries["cycle"]).mean()


def rare_classes(pool: Mapping[str, float], share: float) -> list[str]:
    """Return classes or labels that the pool has, but to a smaller share; ``pool`` has their shares."""
    return [name for name, found in pool.items() if 0 < found < share]


def labels_until_found(
    queries: pd.DataFrame, name: str, names: Sequence[str], exclusive: bool = True
) -> FloatArray:
    """Return how many images were labelled, in order, when the fifth one of a class was; a value per seed.

    Infinite where there were fewer than five.
    """
    shown = label_indicators(queries["label"], names, exclusive)[name]
    found = shown.groupby(queries["seed"]).cumsum()
    position = queries.groupby("seed").cumcount() + 1
    fifth = position[(found == FIRST) & (shown == 1)].groupby(queries["seed"]).min()
    return np.asarray(
        fifth.astype(float).reindex(sorted(queries["seed"].unique()), fill_value=np.inf), dtype=np.float64
    )


def image_numbers(images: pd.Series, pattern: str) -> pd.Series:
    """Return the number in each image's name, the first group of the pattern; NaN where there is none."""
    return pd.to_numeric(images.str.extract(pattern, expand=False))


def batches(queries: pd.DataFrame, groups: Mapping[str, str], pattern: str, views: int, turns: int) -> pd.DataFrame:
    """Return the near-duplicates and groups of each batch, averaged over seeds.

    An image is a near-duplicate if the same view of the same group, few turns away, was labelled before it (in
    an earlier batch, or earlier in its own): coils have four views a turn, so images whose numbers differ by
    4, 8, … show the same face.

    Args:
        queries: queries of all runs of a strategy, in the order of labelling.
        groups: image name → group.
        pattern: regular expression whose first group is the image's number in its series.
        views: images of one turn.
        turns: largest number of turns between near-duplicates.

    Returns:
        One row a cycle: ``near_duplicates``, the mean share of the batch, and ``groups``, their mean number.
        Without any number in the names ``near_duplicates`` is NaN.
    """
    known = queries.assign(group=queries["image"].map(groups), number=image_numbers(queries["image"], pattern))
    flags = [_near(table["group"], table["number"], views, turns) for _, table in known.groupby("seed")]
    known["near"] = np.concatenate(flags)
    found = known.groupby(["seed", "cycle"]).agg(near_duplicates=("near", "mean"), groups=("group", "nunique"))
    return found.groupby("cycle").mean()


def _near(groups: pd.Series, numbers: pd.Series, views: int, turns: int) -> FloatArray:
    taken: dict[tuple[str, int], list[int]] = {}  # turns that are labelled, by group and view
    near = np.full(len(groups), np.nan)
    for position, (group, number) in enumerate(zip(groups, numbers, strict=True)):
        if not math.isnan(number):
            turn, view = divmod(int(number), views)
            before = taken.setdefault((group, view), [])
            near[position] = any(abs(turn - other) <= turns for other in before)
            before.append(turn)
    return near


def gallery_rows(run: Run, most: int) -> dict[int, list[str]]:
    """Return the best-ranked images of the first and of the last query cycle, by cycle."""
    cycles: IntArray = np.unique(run.queries["cycle"].to_numpy(np.int64))
    shown = sorted({int(cycles[min(1, len(cycles) - 1)]), int(cycles[-1])})
    return {
        cycle: run.queries[run.queries["cycle"] == cycle].sort_values("rank")["image"].head(most).tolist()
        for cycle in shown
    }
