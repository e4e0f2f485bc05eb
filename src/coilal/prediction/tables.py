"""The tables of a prediction: one row an image, one row a part, and what they were made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coilal.common.types import FloatArray, UserError
from coilal.inspection.operating_point import Classes, Decisions
from coilal.inspection.parts import Parts
from coilal.run_directory.files import write_atomically
from coilal.run_directory.tables import as_csv


def files(out: Path) -> tuple[Path, Path, Path]:
    """Return the files of the images, of the parts and of what both were made with."""
    return out, out.with_name(f"{out.stem}_groups.csv"), out.with_name(f"{out.stem}.json")


def ensure_own(out: Path, made_with: Mapping[str, Any]) -> None:
    """Refuse to replace files that are not an earlier prediction of the same run and folder.

    Args:
        out: the table of the images.
        made_with: run and folder, as the file beside it names them.

    Raises:
        UserError: names the first of them.
    """
    *_, about = files(out)
    known: Any = {}
    if about.is_file():
        try:
            known = json.loads(about.read_bytes())
        except ValueError:
            known = {}
    is_own = isinstance(known, dict) and all(known.get(key) == value for key, value in made_with.items())
    there = [path for path in files(out) if path.exists()]
    if there and not is_own:
        raise UserError(
            f"{there[0]} is there, and is no prediction of this run for this folder: give another out=FILE.csv, or "
            "replace it with force=true"
        )


def write(
    out: Path,
    names: Sequence[str],
    groups: Sequence[str],
    classes: Classes,
    probabilities: FloatArray,
    decided: Decisions,
    parts: Parts,
    about: Mapping[str, Any],
) -> None:
    """Write the tables of images and parts, and what they are made with.

    Args:
        out: the table of the images; the others lie beside it.
        names: of the images (n).
        groups: of the images (n).
        classes: what the outputs mean.
        probabilities: (n, C).
        decided: of the images.
        parts: what is decided of the parts.
        about: what is noted of them, as JSON has it.
    """
    of_images, of_parts, beside = files(out)
    # First: after a kill in between the same command must know these files for its own.
    write_atomically(beside, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    firsts: Iterable[dict[str, Any]] = (
        {"image": name, "group": group} for name, group in zip(names, groups, strict=True)
    )
    write_atomically(of_images, as_csv(_rows(firsts, classes, probabilities, decided)))
    flagged = parts.faulty_views
    firsts = (
        {"group": group, "views": int(parts.views[number])}
        | ({} if flagged is None else {"faulty_views": int(flagged[number])})
        for number, group in enumerate(parts.groups)
    )
    write_atomically(of_parts, as_csv(_rows(firsts, classes, parts.probabilities, parts.decisions)))


def _rows(
    firsts: Iterable[Mapping[str, Any]], classes: Classes, probabilities: FloatArray, decided: Decisions
) -> Iterable[dict[str, Any]]:
    columns = [f"probability/{name}" for name in classes.names]
    for number, (first, values) in enumerate(zip(firsts, probabilities.tolist(), strict=True)):
        score = {} if decided.scores is None else {"fault_probability": _short(float(decided.scores[number]))}
        row = {**first, "decision": decided.texts[number], **score}
        yield row | dict(zip(columns, map(_short, values), strict=True))


def _short(value: float) -> float:
    return float(f"{value:.7g}")  # as many digits as float32, in which it is computed, has
