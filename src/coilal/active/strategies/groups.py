"""Batches that look at groups: few images of each, since views of one coil tell the same, or whole groups."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection
from coilal.common.types import BoolArray, IntArray

TOP = 3
"""Images that a group is judged by, its best-ranked ones."""

log = logging.getLogger(__name__)

Query = Callable[[PoolOutputs, int, np.random.Generator], Selection]


def per_group(
    query: Query, outputs: PoolOutputs, batch_size: int, generator: np.random.Generator, most: int
) -> Selection:
    """Return a batch with at most so many images of one group.

    What the strategy chooses is taken in its order; images of a group that has given its share are left out, and
    the strategy is asked again for what is missing, without these groups, as if the images taken were labelled;
    one that looks at no labelled images is told of them, too (``outputs.taken``).
    Where all groups of the pool have given their share and images are still missing, each may give as many again.

    Args:
        query: of the strategy.
        outputs: with groups.
        batch_size: 1 … n.
        generator: random numbers.
        most: images of one group.
    """
    given: Counter[int] = Counter()
    share, left = most, outputs
    taken: list[Selection] = []
    while missing := batch_size - sum(len(part.ids) for part in taken):
        full = np.isin(_groups(left), [group for group, number in given.items() if number >= share])
        if full.all():
            log.info(
                "each group has given %d images, and %d of the batch are missing: more of each", share, missing
            )
            share += most
            continue
        asked = left.without(full)
        selection = query(asked, min(missing, len(asked)), generator)
        kept = _within_share(selection.ids, asked, given, share)
        taken.append(Selection(selection.ids[kept], selection.scores[kept]))
        batch = np.isin(outputs.ids, np.concatenate([part.ids for part in taken]))
        left = replace(outputs.without(batch, labelled=True), taken=outputs.without(~batch))
    ids = np.concatenate([part.ids for part in taken])
    return Selection(ids, np.concatenate([part.scores for part in taken]))


def whole_groups(query: Query, outputs: PoolOutputs, generator: np.random.Generator, number: int) -> Selection:
    """Return all images of so many groups, those first whose best-ranked images have the best scores on average.

    Args:
        query: of a strategy that ranks images by a score of their own, or draws them.
        outputs: with groups.
        generator: random numbers, for groups that are equally good or drawn.
        number: of groups; all are taken where there are fewer.

    Returns:
        Group after group, the images of each by rank.
    """
    ranking = query(outputs, len(outputs), generator)
    by_id = np.argsort(outputs.ids)
    groups = _groups(outputs)[by_id[np.searchsorted(outputs.ids, ranking.ids, sorter=by_id)]]
    order = np.argsort(groups, kind="stable")  # group after group, each by rank
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    parts = [parts[place] for place in generator.permutation(len(parts))]
    if not np.isnan(ranking.scores).any():  # else the images are drawn, and so are the groups
        sign = -1 if ranking.scores[0] >= ranking.scores[-1] else 1
        parts.sort(key=lambda rows: sign * float(ranking.scores[rows[:TOP]].mean()))
    rows = np.concatenate(parts[:number])
    return Selection(ranking.ids[rows], ranking.scores[rows])


def _within_share(ids: IntArray, outputs: PoolOutputs, given: Counter[int], share: int) -> BoolArray:
    """Return which of the chosen images their groups may give, best first, and count them in ``given``."""
    rows = np.flatnonzero(np.isin(outputs.ids, ids))
    group_of = dict(zip(outputs.ids[rows].tolist(), _groups(outputs)[rows].tolist(), strict=True))
    kept = np.zeros(len(ids), dtype=np.bool_)
    for place, image in enumerate(ids.tolist()):
        group = group_of[image]
        kept[place] = given[group] < share
        given[group] += int(kept[place])
    return kept


def _groups(outputs: PoolOutputs) -> IntArray:
    if outputs.groups is None:
        raise ValueError("a limit per group needs the groups of the images")
    return outputs.groups
