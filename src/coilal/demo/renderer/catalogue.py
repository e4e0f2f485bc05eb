"""Which pictures are rendered and what they show: names, coils, labels and fault histories."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coilal.common.types import DataError, Problem, UserError
from coilal.demo.renderer.draws import Draws, on_grid
from coilal.demo.renderer.faults import CROSSOVER, DOUBLE, GAP, Event, Fault, events_of, labels_of, place
from coilal.demo.renderer.scene import BOBBINS, FACES, IMAGES, LIGHTINGS, TURNS, Kind, Winding

PROPORTIONS = (0.5074, 0.0168, 0.1085, 0.0193, 0.1582, 0.0213, 0.0176, 0.1508)
"""Share of each combination in the real table, by the code of its ``Error_Multi`` column."""

COMBINATIONS: NDArray[np.uint8] = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], np.uint8
)
"""Labels (double_winding, gap, crossover) of each code 0 … 7."""

FAULTLESS = 11 / 40
"""Share of coils without any fault in the real table."""

_NAME = re.compile(r"\D*(?P<coil>\d+)_Image(?P<number>\d+)\.\w+")
_CODE_OF_BITS = np.array([0, 3, 2, 6, 1, 5, 4, 7], np.int64)
_CANDIDATES = 40
_ROUNDS = 4


@dataclass(frozen=True)
class Catalogue:
    """The pictures of a rendered data set.

    Attributes:
        seed: seed of the data set.
        names: image names in id order (N).
        coils: number of the coil of each image (N), 1 is the first.
        numbers: number of each image within its coil, 1 … 960 (N).
        labels: 0/1 (N, 3): double_winding, gap, crossover.
        faults: the fault history of each coil.
        kinds: type of bobbin and light of each coil; those that are not here are of the usual ones.
    """

    seed: int
    names: tuple[str, ...]
    coils: NDArray[np.int64]
    numbers: NDArray[np.int64]
    labels: NDArray[np.uint8]
    faults: dict[int, tuple[Fault, ...]]
    kinds: Mapping[int, Kind] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


def codes_of(labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the code 0 … 7 of the real table's ``Error_Multi`` for labels (N, 3)."""
    bits = labels.astype(np.int64)
    codes: NDArray[np.int64] = _CODE_OF_BITS[bits[:, 0] * 4 + bits[:, 1] * 2 + bits[:, 2]]
    return codes


def coil_name(coil: int) -> str:
    """Return the name of a coil as in the real table, such as Spule001."""
    return f"Spule{coil:03d}"


@lru_cache(maxsize=2)
def catalogue(coils: int, images_per_coil: int, seed: int, bobbins: int = 1, lightings: int = 1) -> Catalogue:
    """List the pictures of a data set with the real table's proportions; nothing is drawn.

    Runs of one process share the catalogue: its arrays are read-only.

    Args:
        coils: number of coils, 1 or more.
        images_per_coil: a multiple of 4, 4 … 960: whole turns spread evenly over the 240.
        seed: 0 or more; decides everything.
        bobbins: types of bobbin that there are, as many coils of each, 1 to 3.
        lightings: the same of lightings.

    Raises:
        UserError: a number that cannot be had.
    """
    if coils < 1 or coils > 999:
        raise UserError(f"coils is {coils}; choose 1 … 999.")
    if images_per_coil % FACES or not FACES <= images_per_coil <= IMAGES:
        raise UserError(
            f"images_per_coil is {images_per_coil}; choose a multiple of 4 from 4 to 960 (four views a turn)."
        )
    if seed < 0:
        raise UserError(f"seed is {seed}; choose 0 or more.")
    for name, number, known in (("bobbins", bobbins, BOBBINS), ("lightings", lightings, LIGHTINGS)):
        if not 1 <= number <= len(known):
            raise UserError(f"{name} is {number}; choose 1 … {len(known)}.")
    numbers = picked_numbers(images_per_coil)
    histories = _histories(coils, numbers, seed)
    names = tuple(f"{coil_name(c)}_Image{n:04d}.jpg" for c in range(1, coils + 1) for n in numbers)
    labels = np.concatenate([labels_of(history, numbers.tolist()) for history in histories])
    made = Catalogue(
        seed=seed,
        names=names,
        coils=np.repeat(np.arange(1, coils + 1), len(numbers)),
        numbers=np.tile(numbers, coils),
        labels=labels,
        faults=dict(enumerate(histories, start=1)),
        kinds=_kinds(coils, seed, bobbins, lightings),
    )
    for shared in (made.coils, made.numbers, made.labels):
        shared.setflags(write=False)
    return made


def _kinds(coils: int, seed: int, bobbins: int, lightings: int) -> dict[int, Kind]:
    """Return the kind of each coil (from 1 on): the types are dealt to the coils, and so are the lightings."""

    def dealt(what: str, number: int) -> NDArray[np.int64]:
        order = np.argsort(Draws(what, seed).many(0, 1, coils), kind="stable")
        types = np.empty(coils, np.int64)
        types[order] = np.arange(coils) % number
        return types

    both = zip(dealt("bobbin", bobbins).tolist(), dealt("lighting", lightings).tolist(), strict=True)
    return {coil: Kind(*kind) for coil, kind in enumerate(both, start=1)}


def catalogue_for(names: Sequence[str], labels: NDArray[np.uint8], seed: int) -> Catalogue:
    """List pictures of given names and labels, such as a real label table.

    Args:
        names: names like ``Spule001_Image0121.jpg`` (N).
        labels: 0/1 (N, 3): double_winding, gap, crossover.
        seed: 0 or more.

    Raises:
        DataError: names that say no coil and image number 1 … 960, or that say the same twice.
    """
    found = [_NAME.fullmatch(name) for name in names]
    bad = [n for n, m in zip(names, found, strict=True) if m is None or not 1 <= int(m["number"]) <= IMAGES]
    if bad:
        raise DataError([Problem("not a name like Spule001_Image0121.jpg with image number 1 … 960", tuple(bad))])
    coils = np.array([int(match["coil"]) for match in found if match], np.int64)
    numbers = np.array([int(match["number"]) for match in found if match], np.int64)
    _, first = np.unique(coils * (IMAGES + 1) + numbers, return_index=True)
    twice = sorted(set(range(len(names))) - set(first.tolist()))
    if twice:
        raise DataError([Problem("the same picture stands twice in the table", tuple(names[k] for k in twice))])
    faults = {}
    for coil in np.unique(coils).tolist():
        rows = np.flatnonzero(coils == coil)
        faults[coil] = place(events_of(numbers[rows].tolist(), labels[rows]), Winding.of(seed, coil))
    return Catalogue(seed, tuple(names), coils, numbers, labels, faults)


def picked_numbers(images_per_coil: int) -> NDArray[np.int64]:
    """Return the image numbers of whole turns spread evenly over the 240 turns."""
    turns = images_per_coil // FACES
    picked = (2 * np.arange(turns) + 1) * TURNS // (2 * turns)
    return (picked[:, None] * FACES + np.arange(FACES) + 1).reshape(-1)


@dataclass(frozen=True)
class _Candidate:
    faults: tuple[Fault, ...]
    counts: NDArray[np.int64]


def another_history(seed: int, coil: int, attempt: int) -> tuple[Fault, ...]:
    """Return how the winding of a coil might have gone wrong: one of many histories of the same coil."""
    return _draw_candidate(seed, coil, attempt, picked_numbers(4)).faults


def _histories(coils: int, numbers: NDArray[np.int64], seed: int) -> list[tuple[Fault, ...]]:
    """Return the fault history of each coil, chosen so that the whole set comes near the real proportions."""
    order = np.argsort(Draws("faultless", seed).many(0, 1, coils), kind="stable")
    faultless = {int(coil) for coil in order[: int(coils * FAULTLESS + 0.5)]}
    candidates = [
        [_candidate((), numbers)]
        if coil in faultless
        else [_draw_candidate(seed, coil + 1, attempt, numbers) for attempt in range(_CANDIDATES)]
        for coil in range(coils)
    ]
    counts = [np.stack([candidate.counts for candidate in options]) for options in candidates]
    chosen = [0] * coils
    total = np.stack([options[0] for options in counts]).sum(0)
    spread = np.stack([options[0] > 0 for options in counts]).sum(0)
    for _ in range(_ROUNDS):
        for coil, options in enumerate(counts):  # the best candidate, all other coils being as they are
            now = options[chosen[coil]]
            total, spread = total - now, spread - (now > 0)
            chosen[coil] = int(np.argmin(_costs(total + options, spread + (options > 0), coils)))
            now = options[chosen[coil]]
            total, spread = total + now, spread + (now > 0)
    return [options[choice].faults for options, choice in zip(candidates, chosen, strict=True)]


def _candidate(faults: tuple[Fault, ...], numbers: NDArray[np.int64]) -> _Candidate:
    codes = codes_of(labels_of(faults, numbers.tolist()))
    return _Candidate(faults, np.bincount(codes, minlength=len(COMBINATIONS)))


def _costs(total: NDArray[np.int64], spread: NDArray[np.int64], coils: int) -> NDArray[np.float64]:
    """Return how far data sets are from the real proportions, and from rare combinations spread over coils.

    Args:
        total: images of each combination (candidates, 8).
        spread: coils in which each combination occurs (candidates, 8).
        coils: number of coils.
    """
    target = np.array(PROPORTIONS) * float(total[0].sum())
    distance = on_grid(np.abs(total - target) / np.sqrt(np.maximum(target, 1)))  # sums on the grid are exact
    wanted = min(8, max(1, coils // 4))
    costs: NDArray[np.float64] = distance.sum(1) + 2.0 * np.maximum(wanted - spread, 0).sum(1)
    return costs


def _draw_candidate(seed: int, coil: int, attempt: int, numbers: NDArray[np.int64]) -> _Candidate:
    draws = Draws("history", seed, coil, attempt)
    return _candidate(place(_draw_events(draws), Winding.of(seed, coil)), numbers)


_MIXES: tuple[tuple[tuple[int, ...], float], ...] = (
    ((GAP,), 0.34),
    ((DOUBLE,), 0.16),
    ((CROSSOVER,), 0.22),
    ((DOUBLE, GAP), 0.16),
    ((GAP, CROSSOVER), 0.04),
    ((DOUBLE, CROSSOVER), 0.04),
    ((DOUBLE, GAP, CROSSOVER), 0.04),
)


def _draw_events(draws: Draws) -> list[Event]:
    """Return a history: faults arise, each on some faces, persist turn after turn and pile up."""
    early = draws.chance(0.85)
    start = draws.whole(15, 30) if early else draws.whole(30, 195)
    events: list[Event] = []
    for _ in range(draws.whole(1, 6)):
        kinds = _MIXES[draws.choose(tuple(weight for _, weight in _MIXES))][0]
        first_face, faces = draws.whole(0, FACES - 1), draws.choose((0.3, 0.35, 0.2, 0.15)) + 1
        ends = draws.chance(0.2)
        for kind in kinds:
            for step in range(faces):
                begin = min(start + draws.whole(0, 2), TURNS - 1)
                end = min(begin + draws.whole(8, 90), TURNS) if ends else TURNS
                events.append(Event(kind, (first_face + step) % FACES, begin, end))
        start = min(start + draws.whole(4, 80), TURNS - 5)
    return events
