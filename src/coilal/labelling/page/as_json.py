"""What the desk says, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from coilal.active.labels import Answer, Label, NoLabel, Prediction
from coilal.labelling.contract import GalleryItem, Progress, Receipt, Shown

Json = dict[str, Any]


def shown_json(shown: Shown | None) -> Json | None:
    """Return the fields of an image, with ``label`` and ``no_label`` (unsure or skip) in place of the answer."""
    if shown is None:
        return None
    return {
        "number": int(shown.number),
        "name": shown.name,
        "group": shown.group,
        "stage": shown.stage,
        "views": [int(view) for view in shown.views],
        "asked_views": [int(view) for view in shown.asked_views],
        **answer_json(shown.answer if shown.answer is not None else shown.label),
        "guess": guess_json(shown.guess),
        "place": int(shown.place),
        "of": int(shown.of),
        "done": int(shown.done),
    }


def item_json(item: GalleryItem) -> Json:
    """Return the fields of an answered image, with ``label`` and ``no_label`` in place of the answer."""
    return {
        "number": int(item.number),
        "name": item.name,
        **answer_json(item.answer),
        "guess": guess_json(item.guess),
        "disagrees": bool(item.disagrees),
        "who": item.who,
        "history": list(item.history),
        "stage": item.stage,
    }


def answer_json(answer: Answer | None) -> Json:
    """Return ``label`` (a name, or a list of names) and ``no_label``, null for what an image has not."""
    if isinstance(answer, NoLabel):
        return {"label": None, "no_label": answer.value}
    return {"label": None if answer is None else _label(answer), "no_label": None}


def guess_json(guess: Prediction | None) -> Json | None:
    """Return what the model takes an image for."""
    return None if guess is None else {"label": _label(guess.label), "confidence": float(guess.confidence)}


def receipt_json(receipt: Receipt) -> Json:
    """Return what became of an answer."""
    return asdict(receipt)


def progress_json(progress: Progress) -> Json:
    """Return the fields of the progress."""
    return {**asdict(progress), "conflicts": [int(number) for number in progress.conflicts]}


def _label(label: Label) -> str | list[str]:
    return label if isinstance(label, str) else list(label)
