"""Results of one part of the benchmark: rows with repeated times, kept as json until the table is written."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self


@dataclass
class Row:
    """One line of a table.

    Attributes:
        label: contestant and variant.
        seconds: one value a repeat; empty if it failed.
        peak_mb: peak memory of all its processes or, for a selection, the peak above its inputs.
        macro_f1: mean over seeds after the last cycle that was run.
        agrees: whether macro-F1 is that of the reference within noise; None where nothing was compared.
        compared: the numbers behind that.
        note: what the number means, and whether it was extrapolated.
        error: why there is no number.
    """

    label: str
    seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    macro_f1: float | None = None
    agrees: bool | None = None
    compared: str = ""
    note: str = ""
    error: str = ""

    @property
    def median(self) -> float | None:
        """Return the median of the repeats, None if there is none."""
        return statistics.median(self.seconds) if self.seconds else None


@dataclass
class Section:
    """One part of the benchmark.

    Attributes:
        name: W1, W2, W3, extraction or further.
        title: what is compared.
        text: conditions, a paragraph.
        date: when it was measured.
        reference: label of the row that the ratios refer to.
        rows: what was measured.
    """

    name: str
    title: str
    text: str
    date: str
    reference: str
    rows: list[Row]

    def row(self, label: str) -> Row:
        """Return the row of that label, a row without numbers if there is none."""
        found = [row for row in self.rows if row.label == label]
        return found[0] if found else Row(label, error="not measured")

    def save(self, folder: Path) -> None:
        """Write ``<name>.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a section."""
        values = json.loads(path.read_text())
        values["rows"] = [Row(**row) for row in values["rows"]]
        return cls(**values)
