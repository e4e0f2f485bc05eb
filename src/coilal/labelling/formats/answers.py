"""Answers in a file that people have filled in, or that a labelling tool has exported, by image name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from coilal.active.labels import Answer, NoLabel, as_text
from coilal.common.types import DataError, Kind, Problem
from coilal.data.table_file import load_table
from coilal.labelling.formats.class_names import KnownClasses
from coilal.labelling.formats.image_names import KnownImages
from coilal.labelling.formats.label_studio_export import is_csv_export, of_csv, of_json
from coilal.labelling.formats.rows import Said
from coilal.labelling.formats.spreadsheet import read_sheet, separator_of


@dataclass(frozen=True)
class Given:
    """What a file says.

    Attributes:
        answers: a label or an answer without one, by image name.
        conflicts: images that were told differently, with who and where; none of them is in ``answers``.
        unanswered: names of images that stand in the file and have no answer.
        who: has answered, by image name, where the file says so; several, who agree, are joined by a comma.
        seconds: that all answers of an image took together, by image name, where the file says so.
        notes: how the file was read, one sentence each.
    """

    answers: Mapping[str, Answer]
    conflicts: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    who: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def skipped(self) -> tuple[str, ...]:
        """Return the names of the images that were skipped."""
        return tuple(name for name, answer in self.answers.items() if answer is NoLabel.SKIP)


def read(path: Path, kind: Kind, classes: Sequence[str], known_images: Iterable[str]) -> Given:
    """Return the answers in a file; its content says whether it is a table or an export of Label Studio.

    Images are known by their names, by the end of a path or an address, and by what Label Studio makes of uploads.
    Classes may differ in case and blanks. An image that is told twice has the answer on which both agree; else it
    is a conflict. Who skips an image contradicts nobody. Guesses of models and drafts are no answers.

    Args:
        path: a CSV table; an export of Label Studio as JSON, JSON-MIN or CSV.
        kind: of the task.
        classes: names of the classes or labels.
        known_images: names of the images that may be answered.

    Raises:
        DataError: what the file is if it cannot be read; images and classes that are not known, all with their
            places.
    """
    images, names = KnownImages(known_images), KnownClasses(classes)
    said, notes = _said(path, kind, classes, images, names)
    return _collected(path, said, notes, kind, images, names)


def _said(
    path: Path, kind: Kind, classes: Sequence[str], images: KnownImages, names: KnownClasses
) -> tuple[list[Said], list[str]]:
    found = _json(path)
    if found is not None:
        return of_json(path, found, images, names)
    table, notes = load_table(path, separator_of(path))
    if is_csv_export(table):
        said, told = of_csv(path, table, images, names)
    else:
        said, told = read_sheet(path, table, kind, classes)
    return said, [*notes, *told]


def _json(path: Path) -> object:
    """Return the content of a JSON file, None for another file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError([Problem(f"{path} cannot be read: {error.strerror}")]) from error
    if content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00")[:1] not in (b"{", b"["):
        return None
    try:
        found: object = json.loads(content)
    except ValueError as error:
        if path.suffix.lower() != ".json":
            return None  # a table may begin with a bracket
        kind = f"{path} looks like JSON and cannot be read ({error}); export it again"
        raise DataError([Problem(kind)]) from None
    return found


def _collected(
    path: Path,
    said: Sequence[Said],
    notes: Sequence[str],
    kind: Kind,
    images: KnownImages,
    names: KnownClasses,
) -> Given:
    by_image: dict[str, list[tuple[Said, Answer | None]]] = {}
    wrong = _Wrong(names)
    for each in said:
        found = images.find(each.image)
        answer = _answer(each, kind, names, wrong)
        if len(found) == 1:
            by_image.setdefault(found[0], []).append((each, answer))
        else:
            wrong.image(each, found, images)
    if problems := wrong.problems():
        raise DataError([replace(problem, kind=f"{path}: {problem.kind}") for problem in problems])
    return _given(by_image, notes)


def _answer(said: Said, kind: Kind, names: KnownClasses, wrong: _Wrong) -> Answer | None:
    """Return the answer that a row is, None where it is none."""
    if said.chosen is None or isinstance(said.chosen, NoLabel):
        return said.chosen
    found = [(text, names.find(text)) for text in said.chosen]
    for text, name in found:
        if name is None:
            wrong.class_name(said, text)
    if without := [name for _, name in found if isinstance(name, NoLabel)]:
        return NoLabel.UNSURE if NoLabel.UNSURE in without else NoLabel.SKIP
    chosen = names.in_order([name for _, name in found if isinstance(name, str)])
    if kind == "multilabel":
        return chosen
    if len(chosen) > 1:
        wrong.several_classes(said, chosen)
    return chosen[0] if chosen else None


def _given(by_image: Mapping[str, Sequence[tuple[Said, Answer | None]]], notes: Sequence[str]) -> Given:
    answers: dict[str, Answer] = {}
    conflicts, unanswered = [], []
    who: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for image, rows in by_image.items():
        told = [(said, answer) for said, answer in rows if answer is not None]
        different = list(dict.fromkeys(answer for _, answer in told if answer is not NoLabel.SKIP))
        if len(different) > 1:
            conflicts.append(f"{image}: {_told_differently(told)}")
        elif told:
            answers[image] = different[0] if different else NoLabel.SKIP
            people = [said.who for said, answer in told if said.who and answer == answers[image]]
            if people:
                who[image] = ", ".join(dict.fromkeys(people))
            measured = [said.seconds for said, _ in told if said.seconds is not None]
            if measured:
                seconds[image] = sum(measured)
        else:
            unanswered.append(image)
    return Given(answers, tuple(conflicts), tuple(unanswered), who, seconds, tuple(notes))


def _told_differently(told: Sequence[tuple[Said, Answer]]) -> str:
    shown = []
    for said, answer in told:
        text = answer.value if isinstance(answer, NoLabel) else as_text(answer)
        shown.append(f"{text} ({said.place}{f', by {said.who}' if said.who else ''})")
    return " and ".join(shown)


class _Wrong:
    """What is wrong with rows, with their places.

    Args:
        names: of the classes.
    """

    def __init__(self, names: KnownClasses) -> None:
        self._names = names
        self._unknown: list[str] = []
        self._unclear: list[str] = []
        self._classes: list[str] = []
        self._several: list[str] = []

    def image(self, said: Said, found: Sequence[str], images: KnownImages) -> None:
        """Note that a row names no known image, or that several would fit."""
        if found:
            self._unclear.append(f"{said.place}: {said.image} may be {' or '.join(found[:3])}")
            return
        like = images.like(said.image)
        hint = f" (is {' or '.join(like[:3])} meant?)" if like else ""
        self._unknown.append(f"{said.place}: {said.image}{hint}" if said.image else f"{said.place}: (no name)")

    def class_name(self, said: Said, text: str) -> None:
        """Note that a row names no known class."""
        self._classes.append(f"{said.place}: {text} ({self._names.near(text)})")

    def several_classes(self, said: Said, chosen: Sequence[str]) -> None:
        """Note that a row has more than one class."""
        self._several.append(f"{said.place}: {', '.join(chosen)}")

    def problems(self) -> list[Problem]:
        """Return what was noted, nothing told of any of it."""
        kinds = {
            "images that are not among those that can be labelled; correct their names or take these rows out": (
                self._unknown
            ),
            "images of which several would fit; write their names with their folders": self._unclear,
            f"classes that are not known; there are {self._names.listed()}": self._classes,
            "images with more than one class, where each has one; choose it": self._several,
        }
        return [Problem(kind, tuple(places)) for kind, places in kinds.items() if places]
