"""Settings of the report: what is compared with what, and which prices are assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from coilal.common.types import UserError
from coilal.evidence.outlook import LEAST_GAIN

SECONDS_AN_HOUR = 3600.0
ASSUMED_SECONDS = 15.0
"""Annotator seconds per label where they are neither set nor measured."""


@dataclass(frozen=True)
class MeasuredSeconds:
    """What a label took people in labelling sessions.

    Attributes:
        seconds: per label.
        where: how many decisions it is of, and of which sessions.
    """

    seconds: float
    where: str


@dataclass(frozen=True)
class Prices:
    """What labels, machines and waiting cost (EVALUATION, RQ3).

    Attributes:
        currency: name shown beside amounts.
        annotator_hour: money per hour of an annotator.
        label_seconds: annotator seconds per label; None: as measured in labelling sessions, or ``ASSUMED_SECONDS``.
        kappa: how many times longer a queried image takes to label than a random one, 1 or more.
        compute_hour: money per hour of the machine that trains and queries.
        idle: money per cycle: annotators wait, or are called in again.
        setup: money once for active learning: integration, training of staff.
        search_hours: machine hours of the hyperparameter search that the model needed.
        validation_labels: whether the labels of the validation split are paid for.
        escape: money for a faulty part that passes; 0 where it is not known.
        overkill: money for a fault-free part that is rejected.
        parts: parts that will be decided on by the model.
        faulty: share of them that is faulty; None for that of the test split.
        what_if: money per label, prices for which the costs are tabulated.
        measured: annotator seconds per label in the labelling sessions of the report; None without any.
    """

    currency: str = "EUR"
    annotator_hour: float = 30.0
    label_seconds: float | None = None
    kappa: float = 1.0
    compute_hour: float = 1.0
    idle: float = 0.0
    setup: float = 0.0
    search_hours: float = 0.0
    validation_labels: bool = True
    escape: float = 0.0
    overkill: float = 0.0
    parts: int = 10_000
    faulty: float | None = None
    what_if: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)
    measured: MeasuredSeconds | None = None

    def __post_init__(self) -> None:
        """Refuse prices that cannot be."""
        for name, value in vars(self).items():
            if name in ("currency", "what_if", "measured") or value is None:
                continue
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise UserError(f"prices.{name} is {value}; it must be a number.")
        if self.parts < 1:
            raise UserError(f"prices.parts is {self.parts}; it must be 1 or more.")
        amounts = ("label_seconds", "compute_hour", "idle", "setup", "search_hours", "escape", "overkill", "parts")
        negative = [name for name in amounts if (getattr(self, name) or 0) < 0]
        if negative:
            raise UserError(f"prices.{negative[0]} is {getattr(self, negative[0])}; it cannot be negative.")
        if self.annotator_hour <= 0:
            raise UserError(f"prices.annotator_hour is {self.annotator_hour}; it must be above 0.")
        if self.faulty is not None and not 0 < self.faulty < 1:
            raise UserError(f"prices.faulty is {self.faulty}; it must be between 0 and 1, or null.")
        if self.kappa < 1:
            raise UserError(f"prices.kappa is {self.kappa}; it must be 1 or more.")

    @property
    def seconds(self) -> float:
        """Return the annotator seconds per label that count: as set, else as measured, else assumed."""
        if self.label_seconds is not None:
            return self.label_seconds
        return ASSUMED_SECONDS if self.measured is None else self.measured.seconds

    @property
    def seconds_are(self) -> str:
        """Return where the seconds per label are from."""
        if self.label_seconds is not None:
            return "as set"
        return "assumed" if self.measured is None else f"measured, {self.measured.where}"

    @property
    def label(self) -> float:
        """Return the price of a label in money."""
        return self.seconds * self.annotator_hour / SECONDS_AN_HOUR

    def annotator_seconds(self, money: float) -> float:
        """Return the annotator time that the money buys."""
        return money * SECONDS_AN_HOUR / self.annotator_hour


@dataclass(frozen=True)
class ReportSettings:
    """How runs are compared; set before the results are seen.

    Attributes:
        metric: what curves show, a metric of the test split, e.g. ``macro_f1``.
        baseline: the strategy that all others are compared with.
        margin: δ of non-inferiority, in units of the AULC.
        confidence: level of all intervals; tests use 1 − confidence.
        resamples: resamples of each bootstrap.
        targets: metric values at which labels and costs are compared; where there are none, ``target_shares``.
        target_shares: targets as shares of the way from the baseline's first mean value to its best one.
        least_gain: what three batches must add to the metric to be worth their labels.
        rare_share: classes with a smaller share of the pool are rare.
        number_pattern: regular expression whose first group is an image's number in its series.
        views: images of one turn; numbers that differ by a multiple of it show the same view.
        turns: the same view so many turns away at most is a near-duplicate.
        gallery: images shown of each batch; 0 omits the gallery.
        prices: assumed prices.
    """

    metric: str = "macro_f1"
    baseline: str = "random"
    margin: float = 0.02
    confidence: float = 0.95
    resamples: int = 2000
    targets: tuple[float, ...] = ()
    target_shares: tuple[float, ...] = (0.5, 0.75, 0.9)
    least_gain: float = LEAST_GAIN
    rare_share: float = 0.1
    number_pattern: str = r"_Image(\d+)"
    views: int = 4
    turns: int = 4
    gallery: int = 8
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        """Refuse settings that make no comparison."""
        if self.margin <= 0:
            raise UserError(f"margin is {self.margin}: non-inferiority needs a margin above 0.")
        if not 0.5 <= self.confidence < 1:
            raise UserError(f"confidence is {self.confidence}; it must be at least 0.5 and below 1.")
        if self.resamples < 100:
            raise UserError(f"resamples is {self.resamples}; a bootstrap needs 100 at least.")
        if any(not 0 < share <= 1 for share in self.target_shares):
            raise UserError(f"target_shares is {list(self.target_shares)}; each must be above 0 and at most 1.")
        if not 0 < self.least_gain < 1:
            raise UserError(f"least_gain is {self.least_gain}; it must be above 0 and below 1.")
        if self.views < 1 or self.turns < 1:
            raise UserError(f"views is {self.views} and turns {self.turns}; both must be 1 or more.")
        if not self.targets and not self.target_shares:
            raise UserError("targets and target_shares are both empty; give one of them.")

    @property
    def column(self) -> str:
        """Return the column of cycles.csv that is compared."""
        return f"test/{self.metric}"

    @property
    def alpha(self) -> float:
        """Return the two-sided error rate of tests."""
        return 1 - self.confidence
