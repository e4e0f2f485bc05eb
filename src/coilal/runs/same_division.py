"""Whether the splits of a study divide its data in one way: folds, one value left out, or at random."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from coilal.run_directory import identity
from coilal.run_directory.data_record import GIVEN_SPLIT
from coilal.run_directory.files import STATUS, RunName, read_status
from coilal.run_directory.health import DamagedError, read_config
from coilal.runs.settings import Settings

log = logging.getLogger(__name__)


def tell_of_other_divisions(runs: Iterable[Settings]) -> None:
    """Say that a study has runs whose data are divided in another way: the report will not compare them.

    Folds of which one was drawn at random, because a setting was forgotten, are no folds.

    Args:
        runs: settings of runs that begin, of any studies.
    """
    runs = list(runs)
    replaced = {settings.folder() for settings in runs if settings.force}
    launched: dict[tuple[Path, str], Settings] = {}
    for settings in runs:
        of_model = settings.outputs / settings.study / settings.task.name / settings.model.name
        launched.setdefault((of_model, json.dumps(settings.data.split, sort_keys=True)), settings)
    for (of_model, _), settings in launched.items():
        for folder in _one_a_split(of_model, replaced):
            if differing := _differing(folder, settings.config):
                log.warning(
                    "%s divides the data in another way than split %d does here (there → here): %s. The report "
                    "compares splits that are drawn alike: give this launch the settings of the study, or another "
                    "study=…",
                    folder,
                    settings.split,
                    ", ".join(differing),
                )
                break


def _one_a_split(of_model: Path, without: Set[Path]) -> Iterator[Path]:
    """Yield the directory of one run of each split, some directories left out."""
    splits: set[int | None] = set()
    for pattern in (f"*/split*/seed*/{STATUS}", f"*/seed*/{STATUS}"):
        for path in sorted(of_model.glob(pattern)):
            name = RunName.of(path.parent.relative_to(of_model.parents[1]).as_posix())
            if name is not None and name.split not in splits and path.parent not in without:
                splits.add(name.split)
                yield path.parent


def _differing(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return which settings of the division differ; none where the data give the split, or the run is damaged."""
    try:
        status, there = read_status(folder), read_config(folder / "config.yaml")
    except (DamagedError, FileNotFoundError):  # status and report name it
        return []
    if GIVEN_SPLIT in status.get("data", {}) or "label" in there:
        return []
    before, now = ({"data": {"split": settings["data"]["split"]}} for settings in (there, config))
    return identity.differences(before, now)
