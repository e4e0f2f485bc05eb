from __future__ import annotations

import numpy as np
import pytest

from coilal.active.oracle import Oracle
from coilal.active.outputs import Selection
from coilal.active.session import Session

NAMES = ("gap", "double")


def asked(*ids: int) -> Session:
    session = Session(tuple("abcd"), np.arange(4))
    session.ask(lambda _: Selection(np.array(ids), np.zeros(len(ids))))
    return session


def test_the_pending_images_alone_are_told() -> None:
    session = asked(3, 0)
    oracle = Oracle(np.array([0, 1, 1, 1]), NAMES)
    oracle.answer(session)
    oracle.answer(session)  # nothing is pending
    ids, labels = session.labelled
    assert ids.tolist() == [3, 0]
    assert labels == ["double", "gap"]
    assert session.history(3)[1:] == ()


def test_what_was_told_before_a_kill_is_not_told_again() -> None:
    session = asked(3, 0)
    session.tell({3: "gap"})
    Oracle(np.array([0, 1, 1, 1]), NAMES).answer(session)
    assert dict(zip(session.labelled[0].tolist(), session.labelled[1], strict=True)) == {3: "gap", 0: "gap"}


def test_labels_of_an_image_are_told_by_name() -> None:
    session = asked(1, 2)
    Oracle(np.array([[0, 1], [1, 1], [0, 0], [0, 1]]), NAMES).answer(session)
    assert session.labelled[1] == [("gap", "double"), ()]


@pytest.mark.parametrize("values", [np.array([1, -1, 0, 0]), np.array([[0, 1], [-1, -1], [0, 0], [0, 0]])])
def test_images_without_label_are_refused_and_nothing_is_told(values: np.ndarray) -> None:
    session = asked(0, 1)
    with pytest.raises(ValueError, match="id 1 has no label"):
        Oracle(values, NAMES).answer(session)
    assert session.pending.tolist() == [0, 1]
