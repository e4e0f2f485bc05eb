"""Whether images that a run tests had a say in the choice of its hyperparameters, in a search on another split."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from coilal.common.instantiate import instantiate
from coilal.common.types import DataError, DataSource, IntArray, Samples
from coilal.data.division import Division
from coilal.run_directory.chosen_on import Seen, described
from coilal.runs import shared

if TYPE_CHECKING:
    from coilal.runs.prepare import Prepared
    from coilal.runs.settings import ChosenOn, Settings

log = logging.getLogger(__name__)


def seen_by_the_search(settings: Settings, prepared: Prepared) -> Seen | None:
    """Return how many images that a run tests its hyperparameters were chosen with; None: none, or none is known.

    Args:
        settings: those of the run.
        prepared: its data.
    """
    if _chosen_on(settings) is None or prepared.division is None:
        return None
    return _seen(settings, prepared.samples, prepared.placed.part, prepared.record.aspects)


def tell_of(settings: Settings, prepared: Prepared) -> None:
    """Say of a run by itself what ``tell_of_launch`` says of a grid."""
    if seen := seen_by_the_search(settings, prepared):
        _tell({settings.split: seen})


def tell_of_launch(runs: Iterable[Settings]) -> None:
    """Say once for each search that runs which begin test images that their hyperparameters were chosen with.

    Where data cannot be read here nothing is said: that is left to the runs.

    Args:
        runs: settings of the cells of a grid.
    """
    distinct: dict[str, Settings] = {}
    for settings in runs:
        if _chosen_on(settings) is not None:
            key = [settings.data.given, settings.split, settings.records, settings.hparams]
            distinct.setdefault(json.dumps(key, sort_keys=True, default=str), settings)
    data: dict[str, tuple[DataSource, Samples]] = {}
    found: dict[str, dict[int, Seen]] = {}
    for settings in distinct.values():
        try:
            seen = _seen_in_launch(settings, data)
        except Exception:  # jobs have begun, and a notice must not end them; what is wrong with data they say
            continue
        if seen:
            found.setdefault(f"{settings.data.given} {settings.hparams}", {})[settings.split] = seen
    for by_split in found.values():
        _tell(by_split)


def _tell(by_split: Mapping[int, Seen]) -> None:
    splits = list(by_split)
    way_out = "hparams=default takes none of these values"
    if len(splits) == 1:
        way_out += f", or search with split={splits[0]} and this data.split"
    log.warning("%s, so that what is measured on them may be too good; %s", described(by_split), way_out)


def _chosen_on(settings: Settings) -> ChosenOn | None:
    """Return what the hyperparameters were chosen on; None where no search is known, or it had this very split."""
    hparams = settings.hparams
    chosen = hparams.chosen_on
    if chosen is None or chosen.source != hparams.source:  # it is of values that others have replaced
        return None
    return None if hparams.data is None and _division_of(chosen) == settings.division else chosen


def _division_of(chosen: ChosenOn) -> Division | None:
    return None if chosen.division is None else Division.of(chosen.division, chosen.split)


def _seen_in_launch(settings: Settings, data: dict[str, tuple[DataSource, Samples]]) -> Seen | None:
    """Return the same as ``seen_by_the_search``, before anything is decoded; keeps the read data in ``data``."""
    from coilal.data.stored_split import place  # pandas
    from coilal.run_directory.data_record import DataRecord
    from coilal.runs.study_split import read_split, split_file

    key = json.dumps(settings.data.source, sort_keys=True, default=str)
    if key not in data:
        source: DataSource = instantiate(settings.data.source)
        data[key] = source, source.read()
    source, samples = data[key]
    stored = read_split(split_file(settings.records, settings.data.split, settings.split, source.data_set))
    part = place(samples, settings.division, stored).part
    return _seen(settings, samples, part, DataRecord.of(samples, None, None).aspects)


def _seen(settings: Settings, samples: Samples, part: IntArray, now: Mapping[str, str]) -> Seen | None:
    """Return what status.json says of a run, None for nothing.

    Args:
        settings: those of the run.
        samples: its data (N images).
        part: the part of each image (N).
        now: digests of labels and groups; see ``DataRecord.aspects``.
    """
    from coilal.data.splits import PARTS

    hparams, chosen = settings.hparams, _chosen_on(settings)
    assert chosen is not None
    is_as_then = (chosen.labels, chosen.groups) == (now["labels"], now["groups"])
    if not is_as_then and (hparams.data is None or hparams.any_data):
        return None  # another data set; with hparams.data the images are those of the search, or the run is refused
    test = PARTS.index("test")
    tested = (part == test) & samples.is_labelled
    before = _part_then(settings, samples, chosen) if is_as_then else None
    seen = None if before is None else int(np.count_nonzero(tested & (before != test)))
    if seen == 0:
        return None
    entry = {"source": chosen.source, "split": chosen.split}
    return {**entry, "tested": int(np.count_nonzero(tested)), "seen": seen}


def _part_then(settings: Settings, samples: Samples, chosen: ChosenOn) -> IntArray | None:
    """Return the part that each image (N) had in the search, drawn again; None where it cannot be."""
    from coilal.data.splits import PARTS, draw_parts

    division = _division_of(chosen)
    if division is None:  # the data gave it
        given = samples.parts
        return None if given is None else np.array([PARTS.index(part) for part in given], dtype=np.int64)
    try:
        key = {"data": settings.data.source, "chosen": asdict(chosen)}
        return shared.DRAWN.get(key, lambda: draw_parts(samples, division))
    except DataError:  # the attribute that it left out is no longer there
        return None
