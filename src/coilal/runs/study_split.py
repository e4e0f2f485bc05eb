"""The split of a study: drawn once, kept beside its data records, the same for all of its runs."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coilal.common.types import IntArray, Samples, UserError
from coilal.data.splits import PARTS
from coilal.data.stored_split import StoredSplit
from coilal.run_directory.data_record import as_csv
from coilal.run_directory.files import write_atomically

COLUMNS = ("image", "group", "part")


def split_file(records: Path, shares: Mapping[str, float], seed: int, data_set: Mapping[str, Any]) -> Path:
    """Return the file of a study's split.

    Args:
        records: the folder of the study's data records.
        shares: ``data.split``.
        seed: ``seeds.split``.
        data_set: what makes it another data set, not an edited one; see ``DataSource.data_set``.
    """
    text = json.dumps([dict(shares), seed, dict(data_set)], sort_keys=True)
    return records / f"split-{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv.gz"


def read_split(path: Path) -> StoredSplit:
    """Return the stored split, an empty one if there is none.

    Raises:
        UserError: the file cannot be read as one.
    """
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if tuple(header) != COLUMNS:
            raise ValueError(f"its columns are {', '.join(header)}")
        stored = StoredSplit({image: (group, part) for image, group, part in rows})
    except FileNotFoundError:
        return StoredSplit()
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise UserError(_damage(path, f"{type(error).__name__}: {error}")) from error
    if unknown := {part for _, part in stored.rows.values() if part not in PARTS}:
        raise UserError(_damage(path, f"no part of a split: {', '.join(sorted(map(str, unknown)))}"))
    return stored


def keep_split(path: Path, samples: Samples, part: IntArray) -> None:
    """Add to a stored split where these images stand.

    No lock: of processes that draw at the same time each draws the same, and so it is with new groups.

    Args:
        path: its file, which need not be there.
        samples: names and groups (N images).
        part: part of each (N), a place in ``PARTS``.
    """
    known = read_split(path)
    extended = known.extended(samples, part)
    if len(extended.rows) > len(known.rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ((image, group, part) for image, (group, part) in extended.rows.items())
        write_atomically(path, as_csv(COLUMNS, rows))


def _damage(path: Path, reason: str) -> str:
    return (
        f"{path}, the split that this study has drawn, cannot be read ({reason}). Bring the file back from a copy, "
        "or give the run another study=…, which draws a split of its own."
    )
