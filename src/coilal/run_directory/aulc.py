"""Statistics of learning curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def aulc(labelled: ArrayLike, metric: ArrayLike) -> float:
    """Return the area under the learning curve, divided by the labelled counts it spans.

    (1 / (m_T − m_0)) ∫ metric dm by the trapezoid rule over the labelled count m, so unequal steps are
    weighed rightly. It has the metric's unit and equals the metric for a flat curve and for a single point.

    Args:
        labelled: labelled count of each cycle (T), strictly growing.
        metric: metric after each cycle (T).

    Raises:
        ValueError: no point, different lengths, counts that do not grow, or NaN or infinite numbers.
    """
    counts, values = np.asarray(labelled, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if counts.ndim != 1 or counts.shape != values.shape or len(counts) == 0:
        raise ValueError(
            f"a curve needs as many counts as values, and one at least: {counts.shape}, {values.shape}"
        )
    if not (np.isfinite(counts).all() and np.isfinite(values).all()):
        raise ValueError(f"a curve must be finite: counts {counts}, values {values}")
    if (np.diff(counts) <= 0).any():
        raise ValueError(f"the labelled counts must grow from cycle to cycle: {counts}")
    if len(counts) == 1:
        return float(values[0])
    return float(np.trapezoid(values, counts) / (counts[-1] - counts[0]))
