"""What a labelling session says: how good the model is, how fast it went, how far answers can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from statsmodels.stats.inter_rater import cohens_kappa

from coilal.common.types import Kind
from coilal.evidence import plots, words
from coilal.evidence.advice import Stake, advice
from coilal.evidence.audit import METRIC, Audit, AuditReader, Point, Said
from coilal.evidence.outlook import LAST
from coilal.evidence.plots import Curve
from coilal.evidence.proportion import exact
from coilal.evidence.reading import Run
from coilal.evidence.report_settings import MeasuredSeconds, Prices
from coilal.run_directory.health import AUDIT, SESSION, DamagedError

UNSURE, SKIP = "unsure", "skip"
FEW_PAIRS = 20
"""Pairs of answers below which an interval of κ says too much."""


@dataclass(frozen=True)
class Answer:
    """An answer of a session.

    Attributes:
        image: its name.
        label: class, or names of labels; None of an answer without a label.
        text: of the answer.
        who: gave it.
        seconds: it took; None where nobody knows.
        is_again: whether the image had been asked for before, to see whether the answer is the same.
        stands: whether it is the image's answer.
        decision: journal and line of the decision, which may be one for several images.
    """

    image: str
    label: Said | None
    text: str
    who: str
    seconds: float | None
    is_again: bool
    stands: bool
    decision: tuple[str, int]


@dataclass(frozen=True)
class Session:
    """What one labelling session has come to.

    Attributes:
        run: its run.
        audit: what each cycle reached on the audit set.
        said: all answers, the audit set's first.
    """

    run: Run
    audit: Audit
    said: Sequence[Answer]

    @classmethod
    def of(cls, run: Run) -> Session:
        """Return that of a run in which people label.

        Raises:
            DamagedError: a journal is damaged.
        """
        said = _said(run.folder / AUDIT)
        kind: Kind = "multiclass" if f"test/{METRIC['multiclass']}" in run.cycles else "multilabel"
        audited = int(run.status["data"]["split"]["test"])
        now = {each.image: each.label for each in said if each.stands}
        audit = AuditReader(run.folder, kind).read(now, audited)
        return cls(run, audit, [*said, *_said(run.folder / SESSION)])

    @property
    def seconds(self) -> list[float]:
        """Return the seconds of each decision; what is said of a whole part is one."""
        of_decision: dict[tuple[str, int], float | None] = {}
        for each in self.said:
            of_decision.setdefault(each.decision, each.seconds)
        return [seconds for seconds in of_decision.values() if seconds is not None]

    @property
    def labels_per_hour(self) -> float | None:
        """Return images with an answer per hour of labelling; None where nobody knows the time."""
        total = sum(self.seconds)
        return 3600 * len(self._timed) / total if total else None

    @property
    def seconds_a_label(self) -> float | None:
        """Return what a label takes people; None where nobody knows the time.

        The median decision, as people are called away with an image on the screen, times the decisions for each
        image with a label: fewer than one where whole parts are labelled, more where images are looked at twice.
        """
        return median(self.seconds) * len(self.seconds) / self.timed_labels if self.timed_labels else None

    @property
    def timed_labels(self) -> int:
        """Return the images with a label of which somebody knows what they took."""
        return sum(answer.label is not None for answer in self._timed.values())

    @property
    def _timed(self) -> dict[str, Answer]:
        return {each.image: each for each in self.said if each.seconds is not None and each.stands}

    @property
    def unsure(self) -> list[str]:
        """Return the images that somebody was unsure of, by name."""
        last = {each.image: each.text for each in self.said if each.stands}
        return sorted(image for image, text in last.items() if text == UNSURE)

    def pairs(self, again: bool) -> list[tuple[str, str]]:
        """Return two answers of each image that has two: of one person who was asked again, or of two people.

        Who skips says nothing.
        """
        first: dict[str, Answer] = {}
        found = []
        for each in self.said:
            before = first.get(each.image)
            if each.stands:
                first[each.image] = each
            elif before is None or SKIP in (before.text, each.text):
                continue
            elif (each.who == before.who) == again and (each.is_again or not again):
                found.append((before.text, each.text))
        return found


def measured_seconds(sessions: Sequence[Session]) -> MeasuredSeconds | None:
    """Return what a label took people in several sessions, by the median decision; None where nobody knows."""
    timed = [session for session in sessions if session.seconds_a_label is not None]
    if not timed:
        return None
    seconds = [each for session in timed for each in session.seconds]
    labels = sum(session.timed_labels for session in timed)
    names = ", ".join(dict.fromkeys(session.run.study for session in timed))
    return MeasuredSeconds(
        median(seconds) * len(seconds) / labels,
        f"{words.counted(len(seconds), 'decision')} in the labelling session of {names}",
    )


def facts(session: Session) -> pd.DataFrame:
    """Return what is known of a session, a row a fact."""
    said = session.said
    last = {each.image: each for each in said if each.stands}
    rows: dict[str, str] = {"images with an answer": str(len(last))}
    rows["right, of the audit set"] = _reached(session.audit)
    if session.labels_per_hour is not None:
        rows["images an hour"] = f"{session.labels_per_hour:.0f}"
    if (each_label := session.seconds_a_label) is not None:
        rows["seconds a label"] = (
            f"{each_label:.1f} (median of {words.counted(len(session.seconds), 'decision')} "
            f"{median(session.seconds):.1f} s, mean {mean(session.seconds):.1f} s)"
        )
    rows["answers by"] = _by(said)
    for again, what in ((True, "the same question asked again"), (False, "two people")):
        rows[f"agreement, {what}"] = agreement(session.pairs(again))
    rows["unsure"] = f"{len(session.unsure)}: {', '.join(session.unsure[:20])}" if session.unsure else "0"
    return pd.DataFrame({"": list(rows), "of this session": list(rows.values())})


def _reached(audit: Audit) -> str:
    if not audit.points:
        return "unknown: there is no audit set, or no cycle is finished"
    end = audit.points[-1]
    parts = f" of {words.counted(end.groups, 'part')}" if end.groups else ""
    low, high = (f"{100 * share:.1f} %" for share in (end.low, end.high))
    return f"{100 * end.value:.1f} % of {words.counted(end.of, 'image')}{parts}, 95 % interval {low} to {high}"


def _by(said: Sequence[Answer]) -> str:
    """Return how many answers each person gave; a window without a name is known by its number alone."""
    people = Counter(each.who for each in said)
    nameless = {who: count for who, count in people.items() if not who or who.startswith("#")}
    named = [f"{who} {count}" for who, count in people.most_common() if who not in nameless]
    if nameless:
        windows = f" in {len(nameless)} windows" if len(nameless) > 1 else ""
        named.append(f"without a name{windows} {sum(nameless.values())}")
    return ", ".join(named) or "nobody"


def agreement(pairs: Sequence[tuple[str, str]]) -> str:
    """Return how many pairs of answers are equal, and Cohen's κ (Cohen 1960), as text, with their intervals.

    That of the share is Clopper and Pearson's. That of κ is the one for large samples (Fleiss, Cohen and Everitt
    1969), which covers 91 to 95 % from ``FEW_PAIRS`` pairs on (docs/evaluation.md); below it, and where all pairs
    are equal, there is none.
    """
    if not pairs:
        return "not measured"
    equal = sum(first == second for first, second in pairs)
    low, high = exact(equal, len(pairs))
    text = f"{equal} of {len(pairs)} equal, 95 % interval {words.percentage(low)} to {words.percentage(high)}"
    names = sorted({name for pair in pairs for name in pair})
    if len(names) < 2:  # all of one class: chance agrees as well
        return f"{text}; κ is not defined, as all are {names[0]}"
    first, second = zip(*pairs, strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # it tests against chance, too
        kappa = cohens_kappa(confusion_matrix(first, second, labels=names))
    text += f"; κ = {kappa.kappa:.2f}"
    if len(pairs) < FEW_PAIRS:
        return f"{text}, of too few pairs to trust it (fewer than {FEW_PAIRS})"
    if equal == len(pairs) or not kappa.std_kappa > 0:
        return text
    return f"{text}, 95 % interval {kappa.kappa_low:.2f} to {min(1.0, kappa.kappa_upp):.2f}"


def last_batches(session: Session, prices: Prices) -> list[str]:
    """Return what the last batches bought and what the next one costs, in sentences.

    Args:
        session: what it has come to.
        prices: of people's and machine's hours.
    """
    stake = Stake.of({key.removeprefix("label."): value for key, value in session.run.config.items()})
    return advice(session.audit, stake, session.seconds_a_label, prices, session.run.status.get("state") == "done")


def note(session: Session, prices: Prices) -> str:
    """Return how to read it, and which prices are assumed."""
    text = (
        "People labelled; the audit set was drawn at random, labelled first and never learnt from, so that it "
        "measures the model without bias. All points are measured by the answers that stand now."
    )
    if any(point.groups for point in session.audit.points):
        text += (
            " The interval (Korn and Graubard) counts the parts, as views of a part are alike; that of a gain "
            f"(Agresti and Min) compares before and after image by image. The advice looks back on {LAST} batches, "
            "and ahead to as many along the fitted curve, anew after each: who looks often sees chance more often."
        )
    if session.seconds_a_label is not None:
        text += (
            f" Assumed prices: {prices.annotator_hour:g} {prices.currency} an hour of people "
            f"(prices.annotator_hour), {prices.compute_hour:g} of the machine, {prices.idle:g} a batch; the "
            "seconds are those that were measured."
        )
    if any(not point.groups for point in session.audit.points):
        text += (
            " Of cycles of an earlier version no predictions are kept: their interval (Clopper and Pearson) takes "
            "the images for independent, and with several views of a part it is too narrow."
        )
    return text


def curve_figure(session: Session) -> Figure:
    """Return the learning curve with its interval."""
    points = session.audit.points
    values = np.array([[point.labelled, point.value, point.low, point.high] for point in points]).T
    curve = Curve(values[0].astype(np.int64), values[1], values[2], values[3], "right")
    return plots.session_figure(curve, f"right, share of {_measured_on(points)}")


def _measured_on(points: Sequence[Point]) -> str:
    counts = sorted({point.of for point in points})
    return f"{counts[0]} audit images" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} audit images"


def _said(path: Path) -> list[Answer]:
    found: list[Answer] = []
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines()):
        try:
            record = json.loads(line)
            told, about = record.get("told", {}), record.get("about", {})
        except (ValueError, AttributeError) as error:
            raise DamagedError(path, f"line {number + 1}: {error}", "bring it back from a copy") from None
        found += [
            Answer(
                image=image,
                label=None if isinstance(answer, Mapping) else answer,
                text=_text(answer),
                who=str(about.get("who", "?")),
                seconds=about.get("seconds"),
                is_again=about.get("stage") == "again",
                stands=record.get("stands", True),
                decision=(path.name, number),
            )
            for image, answer in told.items()
        ]
    return found


def _text(answer: Any) -> str:
    if isinstance(answer, Mapping):
        return str(answer.get("answer"))
    return answer if isinstance(answer, str) else "+".join(answer) or "none"
