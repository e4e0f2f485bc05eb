"""Finished labels as the table that ``data=coils`` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from coilal.common.typed import quoted
from coilal.common.types import Kind, UserError
from coilal.data.spelling import alike, spelled_alike
from coilal.labelling.formats.rows import Labelled

READ_AS_NOTHING = frozenset(["nan", "na", "n/a", "#n/a", "<na>", "null", "-"])
"""Names, small, that ``data.source.no_value`` takes for an empty cell, if it is not set."""

_OWN = ("image", "group", "split")
_SPECIAL = (*_OWN, "Image", "file", "filename", "Error_Multi", "label", "class", "coil", "subset", "Problem")
_IGNORED = ("Unnamed: 0", "0_inOrdnung", "Quality_Binary")


def label_table(rows: Sequence[Labelled], kind: Kind, classes: Sequence[str]) -> str:
    """Return a CSV with the columns image, label (or a column of 0 and 1 a label), group and split.

    ``LabelTable`` reads it back as it is with the settings of ``settings_to_read``, mostly none. What it refuses by
    itself: labels called ``none`` or with a ``+``.

    Args:
        rows: the images with their labels.
        kind: of the task.
        classes: names of the labels, of a multilabel task.

    Raises:
        UserError: a label that is called like another column.
    """
    is_multilabel = kind == "multilabel"
    if is_multilabel and (same := [name for name in classes if name in _OWN]):
        raise UserError(f"the table has a column {same[0]} already: give the label {same[0]} another name.")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["image", *(classes if is_multilabel else ["label"]), "group", "split"])
    for row in rows:
        cells = [int(name in row.label) for name in classes] if is_multilabel else [row.label]
        writer.writerow([row.image, *cells, row.group, row.part])
    return stream.getvalue()


def settings_to_read(rows: Sequence[Labelled], kind: Kind, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the settings without which ``data=coils`` would read other names, as they are given to Hydra.

    They are needed for names such as ``nan``, for such as differ only in spelling (01 and 1), and for labels that
    are called like a usual column.
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    cells = groups if kind == "multilabel" else [*groups, *classes]
    settings = []
    if any(name.casefold() in READ_AS_NOTHING for name in cells):
        settings.append("data.source.no_value=[]")
    if alike(classes) or alike(groups):
        settings.append("data.source.similar_names=keep")
    special = {spelled_alike(name) for name in (*_SPECIAL, *_IGNORED)}
    if kind == "multilabel" and any(spelled_alike(name) in special for name in classes):
        named = ",".join(map(quoted, classes))
        settings += [
            "data.source.image_column=image",
            f"data.source.label_columns=[{named}]",
            "data.source.doubt_column=null",
        ]
    return tuple(settings)
