"""What was told, as rows that tables and other tools are written from."""

from __future__ import annotations

from pathlib import Path

from coilal.active.labels import Label
from coilal.active.session import Session
from coilal.data.stored_split import ASIDE, STORED_PARTS
from coilal.labelling.formats.label_table import label_table
from coilal.labelling.formats.rows import Labelled
from coilal.labelling.images import Images
from coilal.run_directory.files import write_atomically


def labelled_rows(images: Images, audit: Session, pool: Session) -> list[Labelled]:
    """Return the images that have a label, in the order of their names.

    The audit set is the test part, and so are further views of its groups that the table labels.

    Args:
        images: what there is to label.
        audit: has asked for the audit set.
        pool: has asked for what is learnt from.
    """
    told: dict[int, Label] = {**images.known_by_table}
    for session in (audit, pool):
        ids, labels = session.labelled
        told |= zip(ids.tolist(), labels, strict=True)
    samples = images.samples
    parts = [STORED_PARTS[number].replace(ASIDE, "test") for number in images.placed.part.tolist()]
    rows = [Labelled(samples.names[n], samples.groups[n], label, parts[n]) for n, label in told.items()]
    return sorted(rows, key=lambda row: row.image)


def write_labels(path: Path, images: Images, classes: tuple[str, ...], audit: Session, pool: Session) -> None:
    """Write, or replace, the label table that ``data=coils`` reads.

    Raises:
        UserError: a label is called like another column, or the disk refuses it.
    """
    write_atomically(path, label_table(labelled_rows(images, audit, pool), images.kind, classes))
