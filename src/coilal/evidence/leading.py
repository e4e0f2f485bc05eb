"""Which strategies a page shows where there is room for few."""

from __future__ import annotations

import numpy as np

from coilal.evidence.comparison import Comparison


def leading(comparison: Comparison, column: str) -> list[str]:
    """Return the active strategies by their mean AULC, the best first.

    An order for showing: which of them comes first may be chance, and no test knows of it.
    """

    def area(strategy: str) -> float:
        runs = comparison.runs[strategy]
        areas = np.array([[run.aulc(column)] for run in runs.values()])
        return float(comparison.units(runs).means(areas).mean())

    return sorted(comparison.active, key=lambda strategy: (-area(strategy), strategy))
