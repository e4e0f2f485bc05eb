"""Small frozen dataclasses and errors that every room of the package shares; imports nothing of coilal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Kind = Literal["multiclass", "multilabel"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class UserError(Exception):
    """Something the user can mend: says what is wrong, where, and what to do. No traceback, exit code 2."""


class CellsFailed(Exception):  # noqa: N818 (it tells of errors, and is none itself)
    """Some cells of a grid failed, and the others were done.

    Args:
        message: which, and why.
        code: exit code of the process: 2 if the user can mend all of them, else 1.
    """

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message, code)

    def __str__(self) -> str:
        return str(self.args[0])


class DataError(UserError):
    """One or more problems of the data, listed together before anything is trained."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.describe() for problem in self.problems))


@dataclass(frozen=True)
class Problem:
    """One kind of data problem with every place where it occurs.

    Attributes:
        kind: what is wrong and what to do, in one sentence.
        places: the rows, files or names concerned.
    """

    kind: str
    places: tuple[str, ...] = ()

    def describe(self, most: int = 20) -> str:
        """Return the problem as text: the first ``most`` places, then how many more there are."""
        lines = [f"{self.kind}" + (f" ({len(self.places)}):" if self.places else "")]
        lines += [f"  {place}" for place in self.places[:most]]
        if len(self.places) > most:
            lines.append(f"  … and {len(self.places) - most} more")
        return "\n".join(lines)


@dataclass(frozen=True)
class Samples:
    """The images of a data set and what is known of them; position in these arrays is the dataset-global id.

    Attributes:
        names: image names, unique, in id order (N).
        groups: the coil (or other unit that must not be split) of each image (N).
        labels: 0/1 per image and label (N, L), 0 where the image has no label, or None where the data has classes
            only.
        label_names: names of the L labels, () without labels.
        classes: class index per image (N), -1 where the image has no label, or None where the data has labels only.
        class_names: names of the K classes, () without classes.
        class_labels: 0/1 label vector of each class (K, L) where both are known, else None.
        good_class: index of the class that means "no fault", or None where there is none.
        notes: what was left out or assumed, for the log, one sentence each.
        unlabelled: ids of the images of which neither class nor labels are known, ascending.
        parts: pool, validation or test, as the data give it (N), or None where they do not: then it is drawn.
        attributes: what else is known of each image (N), by name: the type of part, the camera; see
            ``data.division.Division.by``.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    labels: NDArray[np.uint8] | None = None
    label_names: tuple[str, ...] = ()
    classes: IntArray | None = None
    class_names: tuple[str, ...] = ()
    class_labels: NDArray[np.uint8] | None = None
    good_class: int | None = None
    notes: tuple[str, ...] = ()
    unlabelled: tuple[int, ...] = ()
    parts: tuple[str, ...] | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_labelled(self) -> BoolArray:
        """Return whether the class or the labels of each image are known (N)."""
        known = np.ones(len(self), dtype=np.bool_)
        known[list(self.unlabelled)] = False
        return known

    def subset(self, ids: IntArray) -> Samples:
        """Return the images with these ids (n), in that order; classes, labels and notes keep their meaning."""
        return replace(
            self,
            names=tuple(self.names[i] for i in ids),
            groups=tuple(self.groups[i] for i in ids),
            labels=None if self.labels is None else self.labels[ids],
            classes=None if self.classes is None else self.classes[ids],
            unlabelled=tuple(np.flatnonzero(~self.is_labelled[ids]).tolist()),
            parts=None if self.parts is None else tuple(self.parts[i] for i in ids),
            attributes={name: tuple(values[i] for i in ids) for name, values in self.attributes.items()},
        )


def joined(names: Sequence[str], there: Iterable[Any]) -> str:
    """Return the names of the labels that are there, joined by ``+``; ``none`` without any.

    Args:
        names: of the labels (L).
        there: whether each is (L), true or false in any spelling of numpy's.
    """
    return "+".join(name for name, is_there in zip(names, there, strict=True) if is_there) or "none"


@dataclass(frozen=True)
class ImageFormat:
    """How images are stored for training: decoded and resized once, as uint8.

    Attributes:
        size: height and width in pixels.
        fit: ``squash`` (each axis scaled on its own), ``crop`` (scaled to cover, centre kept) or
            ``letterbox`` (scaled to fit, padded with black).
        mode: ``L`` (greyscale, one channel) or ``RGB``.
        range: the values that become 0 and 255: ``auto`` (8-bit images as they are, others by the smallest and
            largest value of the whole set), ``dtype`` (all that the type of the pixels can hold), or two numbers.
        page: of files with several pages or frames, counted from 1; None where files must have one only.
    """

    size: tuple[int, int]
    fit: Literal["squash", "crop", "letterbox"] = "squash"
    mode: Literal["L", "RGB"] = "L"
    range: Literal["auto", "dtype"] | tuple[float, float] = "auto"
    page: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ImageFormat:
        """Return the format that ``data.image`` of a configuration describes; older ones lack range and page."""
        height, width = settings["size"]
        limits: Any = settings.get("range", "auto")
        return cls(
            (int(height), int(width)),
            settings["fit"],
            settings["mode"],
            (float(limits[0]), float(limits[1])) if not isinstance(limits, str) else limits,  # type: ignore[arg-type]
            settings.get("page"),
        )

    @property
    def channels(self) -> int:
        """Return the number of channels that are stored."""
        return 1 if self.mode == "L" else 3


class ImageArray(Protocol):
    """Decoded images, uint8 (N, C, H, W), or features, in memory or memory-mapped; row i belongs to id i."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, …)."""
        ...

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


def are_in_memory(array: ImageArray) -> TypeGuard[NDArray[np.float32]]:
    """Return whether these are features or activations in memory, not such as are mapped from the cache."""
    return isinstance(array, np.ndarray) and array.flags.writeable


def are_features_in_memory(array: ImageArray) -> TypeGuard[NDArray[np.float32]]:
    """Return whether these are features (N, D) in memory."""
    return are_in_memory(array) and array.ndim == 2


@runtime_checkable
class AugmentedArray(ImageArray, Protocol):
    """Images or features that have augmented views; indexed, it gives them as they are, for inference."""

    def epoch(self, seed: int) -> ImageArray:
        """Return what one epoch of training sees: of each image, a view that depends on the seed."""
        ...


@dataclass(frozen=True)
class DecodedImages:
    """The decoded images of a data set.

    Attributes:
        pixels: uint8 (N, C, H, W).
        fingerprint: hex digest of content, order and format: equal fingerprints mean equal pixels.
        digests: uint64 (N,), a hash of what each image shows at full size, whatever its name and the format.
        range: the values that became 0 and 255 in all images; None where they were not scaled, or each by its type.
        format: hex digest of how they were decoded: where it is equal, images of equal digests have equal pixels.
            "" where nothing is known of single images.
        copies: id of the first image that shows the same, of each one after it; blank images are no copies.
    """

    pixels: ImageArray
    fingerprint: str
    digests: NDArray[np.uint64]
    range: tuple[float, float] | None = None
    format: str = ""
    copies: Mapping[int, int] = field(default_factory=dict, hash=False)


class DataSource(Protocol):
    """What every ``conf/data`` yaml builds: images with labels, wherever they come from."""

    @property
    def data_set(self) -> Mapping[str, Any]:
        """Settings that make it another data set; {} where it is files, which are edited and stay the data set."""
        ...

    def read(self) -> Samples:
        """Return names, groups and labels; raise DataError listing every problem of the label table."""
        ...

    def decode(
        self, samples: Samples, image: ImageFormat, cache: Path, max_gb: float | None = None
    ) -> DecodedImages:
        """Return the decoded images, from the cache if they are there; ``max_gb`` limits the whole cache.

        Raises DataError for missing, unreadable or truncated and duplicate images, all listed together.
        """
        ...


@dataclass(frozen=True)
class Split:
    """Dataset-global ids of the three parts; no group stands in two of them."""

    pool: IntArray
    validation: IntArray
    test: IntArray

    def parts(self) -> Iterator[tuple[str, IntArray]]:
        """Yield name and ids of each part."""
        yield "pool", self.pool
        yield "validation", self.validation
        yield "test", self.test


@dataclass(frozen=True)
class Targets:
    """What a task learns from the samples.

    Attributes:
        kind: multiclass (one class per image) or multilabel (0/1 per label).
        values: int64 (N,) class indices or float32-compatible 0/1 (N, L); -1 where the image has no label, and
            where ``used`` is False.
        names: class or label names.
        used: bool (N,), False for images that the task leaves out.
        class_labels: 0/1 (K, L): the faults of each class, for inspection figures of a multiclass task.
        label_names: names of the L faults in ``class_labels``.
        good_class: index of the fault-free class of a multiclass task, or None.
    """

    kind: Kind
    values: NDArray[np.int64]
    names: tuple[str, ...]
    used: BoolArray
    class_labels: NDArray[np.uint8] | None = None
    label_names: tuple[str, ...] = ()
    good_class: int | None = None

    @property
    def is_labelled(self) -> BoolArray:
        """Return whether the values of each image are known (N)."""
        known: BoolArray = self.values >= 0
        return known if known.ndim == 1 else np.logical_and.reduce(known, axis=1)


@dataclass(frozen=True)
class Budget:
    """How many labels are bought, and when.

    Attributes:
        initial: size of the starting set (cycle 0).
        query: images queried per cycle.
        cycles: query cycles after the starting set.
        labelled: labelled counts after each cycle, starting set first; replaces the three above.
        start: how the starting set is found: ``random``, ``stratified`` (classes in proportion), or the name of a
            strategy that looks at features alone.
        ahead: batches that are chosen before their forerunners are labelled: the model of a cycle chooses the batch
            after so many others, so that people never wait for it. The first ones are found as the starting set is.
    """

    initial: int = 0
    query: int = 0
    cycles: int = 0
    labelled: tuple[int, ...] = ()
    start: str = "random"
    ahead: int = 0

    def __post_init__(self) -> None:
        """Refuse budgets that buy nothing or shrink."""
        counts = self.counts()
        if counts[0] < 1:
            raise UserError(f"budget.initial is {counts[0]}: a run needs at least 1 labelled image to start.")
        if any(later <= earlier for earlier, later in pairwise(counts)):
            raise UserError(f"the labelled counts of the budget must grow from cycle to cycle, not {counts}.")

    def counts(self) -> tuple[int, ...]:
        """Return the labelled counts after each cycle, the starting set first."""
        if self.labelled:
            return tuple(int(count) for count in self.labelled)
        if self.cycles < 0 or (self.cycles > 0 and self.query < 1):
            raise UserError(f"budget.cycles={self.cycles} with budget.query={self.query}: nothing to query.")
        return tuple(self.initial + self.query * cycle for cycle in range(self.cycles + 1))
