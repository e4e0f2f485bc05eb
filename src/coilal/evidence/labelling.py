"""What a labelling session says: how good the model is, how fast it went, how far answers can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import cohen_kappa_score

from coilal.common.types import Kind
from coilal.evidence.audit import METRIC, Point, advice, points
from coilal.evidence.reading import Run
from coilal.run_directory.health import AUDIT, SESSION, DamagedError

UNSURE = "unsure"


@dataclass(frozen=True)
class Said:
    """An answer of a session.

    Attributes:
        image: its name.
        text: of the answer.
        who: gave it.
        seconds: it took; None where nobody knows.
        is_again: whether the image had been asked for before, to see whether the answer is the same.
        stands: whether it is the image's answer.
        decision: journal and line of the decision, which may be one for several images.
    """

    image: str
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
        curve: what each cycle reached on the audit set.
        said: all answers, the audit set's first.
    """

    run: Run
    curve: Sequence[Point]
    said: Sequence[Said]

    @classmethod
    def of(cls, run: Run) -> Session:
        """Return that of a run in which people label.

        Raises:
            DamagedError: a journal is damaged.
        """
        audit = _said(run.folder / AUDIT)
        kind: Kind = "multiclass" if f"test/{METRIC['multiclass']}" in run.cycles else "multilabel"
        audited = int(run.status["data"]["split"]["test"])
        return cls(run, points(run.folder, kind, audited), [*audit, *_said(run.folder / SESSION)])

    @property
    def seconds(self) -> list[float]:
        """Return the seconds of each decision."""
        of_decision: dict[tuple[str, int], float | None] = {}
        for each in self.said:
            of_decision.setdefault(each.decision, each.seconds)
        return [seconds for seconds in of_decision.values() if seconds is not None]

    @property
    def labels_per_hour(self) -> float | None:
        """Return images with an answer per hour of labelling; None where nobody knows the time."""
        timed = [each for each in self.said if each.seconds is not None and each.stands]
        total = sum(self.seconds)
        return 3600 * len({each.image for each in timed}) / total if total else None

    @property
    def unsure(self) -> list[str]:
        """Return the images that somebody was unsure of, by name."""
        last = {each.image: each.text for each in self.said if each.stands}
        return sorted(image for image, text in last.items() if text == UNSURE)

    def pairs(self, again: bool) -> list[tuple[str, str]]:
        """Return two answers of each image that has two: of the same question asked again, or of two people."""
        first: dict[str, Said] = {}
        found = []
        for each in self.said:
            before = first.get(each.image)
            if each.stands:
                first[each.image] = each
            elif before is not None and each.is_again == again and (each.who == before.who) == again:
                found.append((before.text, each.text))
        return found


def facts(session: Session) -> pd.DataFrame:
    """Return what is known of a session, a row a fact."""
    said = session.said
    last = {each.image: each for each in said if each.stands}
    rows: dict[str, str] = {"images with an answer": str(len(last))}
    if session.curve:
        end = session.curve[-1]
        of = int(session.run.status["data"]["split"]["test"])
        rows["right, of the audit set"] = (
            f"{end.value:.1%} of {of} images, 95 % interval {end.low:.1%} to {end.high:.1%}"
        )
    else:
        rows["right, of the audit set"] = "unknown: there is no audit set, or no cycle is finished"
    if session.labels_per_hour is not None:
        rows["images an hour"] = (
            f"{session.labels_per_hour:.0f} (median {median(session.seconds):.1f} s a decision)"
        )
    people = Counter(each.who for each in said)
    rows["answers by"] = ", ".join(f"{who} {number}" for who, number in people.most_common())
    for again, what in ((True, "the same question asked again"), (False, "two people")):
        rows[f"agreement, {what}"] = agreement(session.pairs(again))
    rows["unsure"] = f"{len(session.unsure)}: {', '.join(session.unsure[:20])}" if session.unsure else "0"
    return pd.DataFrame({"": list(rows), "of this session": list(rows.values())})


def agreement(pairs: Sequence[tuple[str, str]]) -> str:
    """Return how many pairs of answers are equal, and Cohen's κ (Cohen 1960), as text."""
    if not pairs:
        return "not measured"
    equal = sum(first == second for first, second in pairs)
    text = f"{equal} of {len(pairs)} equal"
    names = {name for pair in pairs for name in pair}
    if len(names) < 2:  # all of one class: chance agrees as well
        return f"{text}; κ is not defined, as all are {names.pop()}"
    kappa = cohen_kappa_score([first for first, _ in pairs], [second for _, second in pairs])
    return f"{text}, κ = {kappa:.2f}"


def note(session: Session) -> str:
    """Return how to read it, and what the last batches say about more."""
    pace = session.labels_per_hour
    told = advice(session.curve, None if pace is None else 3600 / pace)
    return " ".join(
        [
            "People labelled; the audit set was drawn at random, labelled first and never learnt from, so that it "
            "measures the model without bias. The interval (Clopper and Pearson) takes its images for independent: "
            "with several views of a part it is too narrow.",
            *told,
        ]
    )


def curve_figure(session: Session) -> Figure:
    """Return the learning curve with its interval."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    x = [point.labelled for point in session.curve]
    axes.fill_between(
        x, [point.low for point in session.curve], [point.high for point in session.curve], alpha=0.2, lw=0
    )
    axes.plot(x, [point.value for point in session.curve], marker="o", ms=4)
    axes.set(xlabel="labelled images", ylabel="right, share of the audit set")
    axes.grid(alpha=0.3)
    return figure


def _said(path: Path) -> list[Said]:
    found: list[Said] = []
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines()):
        try:
            record = json.loads(line)
            told, about = record.get("told", {}), record.get("about", {})
        except (ValueError, AttributeError) as error:
            raise DamagedError(path, f"line {number + 1}: {error}", "bring it back from a copy") from None
        found += [
            Said(
                image=image,
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
