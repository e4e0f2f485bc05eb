from __future__ import annotations

import pytest

from coilal.active.labels import NoLabel
from coilal.labelling.formats.class_names import KnownClasses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Lücke", "Lücke"),
        (" LÜCKE ", "Lücke"),
        ("nan", "nan"),
        ("1", "01"),
        ("1.0", "01"),
        ("unsure", NoLabel.UNSURE),
        ("?", NoLabel.UNSURE),
        ("Skip", NoLabel.SKIP),
        ("Lucke", None),
    ],
)
def test_a_class_is_found_in_other_spellings(text: str, found: object) -> None:
    assert KnownClasses(["Lücke", "nan", "01"]).find(text) == found


def test_of_classes_that_differ_in_spelling_only_the_exact_one_is_meant() -> None:
    classes = KnownClasses(["ok", "OK"])
    assert (classes.find("ok"), classes.find("OK"), classes.find("Ok")) == ("ok", "OK", None)
    assert classes.near("Ok") == "may be ok or OK"


def test_the_nearest_is_named() -> None:
    classes = KnownClasses(["double winding", "gap"])
    assert classes.near("doublewindng") == "the nearest is double winding"
    assert classes.near("zzz") == "none is near"


def test_a_class_may_be_called_like_an_answer_without_label() -> None:
    assert KnownClasses(["ok", "skip"]).find("skip") == "skip"
