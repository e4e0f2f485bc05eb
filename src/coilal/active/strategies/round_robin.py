"""Round robin over the labels: each label ranks the pool, and the labels take turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Literal

import numpy as np

from coilal.active.outputs import PoolOutputs, Selection, declared
from coilal.active.strategies.ranking import select_highest
from coilal.common.choices import chosen
from coilal.common.types import FloatArray, IntArray

Evidence = Literal["confidence", "score"]


def round_robin(
    outputs: PoolOutputs, batch_size: int, generator: np.random.Generator, evidence: Evidence
) -> Selection:
    """Let the labels take turns; each takes the image that it ranks first and that is not yet taken.

    Formula: per label κ_c = |2p_c − 1| (evidence ``confidence``) or f_c = 2p_c − 1 (``score``). Direction:
    lowest κ_c, or highest f_c, within each label. Source: Esuli & Sebastiani 2009 (ECIR), round robin.
    Which label begins is drawn anew for each batch, so that none is favoured where the batch size is no
    multiple of the number of labels. The score of an image is that of the label that took it.

    Raises:
        UserError: if the evidence is neither ``confidence`` nor ``score``.
    """
    chosen("round robin: evidence", evidence, ("confidence", "score"))
    logits = declared(outputs.logits, "logits")
    rows = np.arange(len(outputs.ids))
    rankings = []
    for label in generator.permutation(logits.shape[1]):
        column = logits[:, label].astype(np.float64)
        ranked = -np.abs(column) if evidence == "confidence" else column
        # No label needs more than batch_size candidates: the others take fewer than that before it.
        candidates = select_highest(rows, ranked, batch_size, generator).ids
        rankings.append((candidates, np.tanh(column[candidates] / 2)))
    turns = list(islice(_take_turns(rankings), batch_size))
    taken = np.array([row for row, _ in turns], dtype=np.int64)
    scores = np.array([score for _, score in turns])
    return Selection(outputs.ids[taken], np.abs(scores) if evidence == "confidence" else scores)


def _take_turns(rankings: list[tuple[IntArray, FloatArray]]) -> Iterator[tuple[int, float]]:
    """Yield (row, score): the rankings in turn, each going on to its first row that is not yet taken."""
    taken: set[int] = set()
    for ranking in cycle([zip(rows.tolist(), scores.tolist(), strict=True) for rows, scores in rankings]):
        row, score = next((row, score) for row, score in ranking if row not in taken)
        taken.add(row)
        yield row, score
