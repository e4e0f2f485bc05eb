from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import given as given_any
from hypothesis import strategies as st

from coilal.active.labels import Answer, NoLabel
from coilal.common.types import DataError, Kind, UserError
from coilal.data.spelling import alike
from coilal.labelling.formats.answers import Given, read
from coilal.labelling.formats.rows import Asked
from coilal.labelling.formats.spreadsheet import asked_sheet

ASKED = [
    Asked('a, "b".png', "7", 1, 0.25, "Lücke", 0.91),
    Asked("x/ö.png", "07", 2),
    Asked("c.png", "8", 3, 1e-7, "ok", 1.0),
]
NAMES = [row.image for row in ASKED]


def fill(content: bytes, cells: list[dict[str, str]], separator: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table with cells filled in."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator))
    assert len(rows) == len(cells)
    return [row | filled for row, filled in zip(rows, cells, strict=True)]


def saved(rows: list[dict[str, str]], separator: str = ",", end: str = "\n") -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def answers(folder: Path, content: bytes, kind: Kind, classes: list[str], names: list[str] = NAMES) -> Given:
    file = folder / "answers.csv"
    file.write_bytes(content)
    return read(file, kind, classes, names)


def test_the_table_shows_what_is_asked() -> None:
    content = asked_sheet(ASKED, "multiclass", ["ok", "Lücke"])
    assert content.startswith(b"\xef\xbb\xbf")
    first, second, _ = fill(content, [{}, {}, {}])
    assert list(first) == ["image", "group", "rank", "score", "guess", "confidence", "label"]
    assert list(first.values()) == ['a, "b".png', "7", "1", "0.25", "Lücke", "0.91", ""]
    assert list(second.values()) == ["x/ö.png", "07", "2", "", "", "", ""]


SAVES: list[Callable[[list[dict[str, str]]], bytes]] = [
    lambda rows: saved(rows).encode(),
    lambda rows: saved(rows, ";", "\r\n").encode("utf-8-sig"),
    lambda rows: saved(rows, "\t", "\r\n").encode("utf-16"),
    lambda rows: ("sep=;\r\n" + saved(rows, ";", "\r\n")).encode("utf-8-sig"),
    lambda rows: (saved(rows) + ",,,,,,\n\n").encode(),
]


@pytest.mark.parametrize("save", SAVES, ids=["plain", "german excel", "unicode text", "sep line", "empty rows"])
def test_it_is_read_as_people_save_it(tmp_path: Path, save: Callable[[list[dict[str, str]]], bytes]) -> None:
    rows = fill(
        asked_sheet(ASKED, "multiclass", ["ok", "Lücke"]),
        [{"label": " lücke "}, {"label": "unsure"}, {"label": ""}],
    )
    found = answers(tmp_path, save(rows), "multiclass", ["ok", "Lücke"])
    assert found.answers == {'a, "b".png': "Lücke", "x/ö.png": NoLabel.UNSURE}
    assert found.unanswered == ("c.png",)


def test_the_guess_is_no_answer(tmp_path: Path) -> None:
    content = asked_sheet(ASKED, "multiclass", ["ok", "Lücke"])
    assert answers(tmp_path, content, "multiclass", ["ok", "Lücke"]).answers == {}


MULTILABEL = [
    (["1", "0", ""], ("dent",)),
    (["0", "0", "0"], ()),
    (["", "", ""], None),
    (["", "", "1"], NoLabel.UNSURE),
    (["", "?", ""], NoLabel.UNSURE),
    (["", "1", "x"], NoLabel.UNSURE),
    (["1,0", "0,0", ""], ("dent",)),
    (["skip", "", ""], NoLabel.SKIP),
    (["", "", "0"], None),
]


@pytest.mark.parametrize(("cells", "answer"), MULTILABEL)
def test_a_row_of_marks(tmp_path: Path, cells: list[str], answer: Answer | None) -> None:
    content = saved([{"image": "c.png", **dict(zip(["dent", "gap", "unsure"], cells, strict=True))}], ";")
    found = answers(tmp_path, content.encode(), "multilabel", ["dent", "gap"])
    assert found.answers == ({} if answer is None else {"c.png": answer})
    assert found.unanswered == (("c.png",) if answer is None else ())


def test_crosses_are_marks_and_blanks_beside_them_mean_no(tmp_path: Path) -> None:
    text = "image,dent,gap\na.png,x,\nb.png,x,x\nc.png,,\n"
    found = answers(tmp_path, text.encode(), "multilabel", ["dent", "gap"], ["a.png", "b.png", "c.png"])
    assert found.answers == {"a.png": ("dent",), "b.png": ("dent", "gap")}
    assert found.unanswered == ("c.png",)


def test_blanks_beside_zeros_mean_no_and_are_told(tmp_path: Path) -> None:
    text = "image,dent,gap\na.png,1,\nb.png,0,\n"
    found = answers(tmp_path, text.encode(), "multilabel", ["dent", "gap"], ["a.png", "b.png"])
    assert found.answers == {"a.png": ("dent",), "b.png": ()}
    assert any("In 2 rows" in note for note in found.notes)


def test_cells_that_are_no_marks_are_listed(tmp_path: Path) -> None:
    text = "image,dent,gap\na.png,1,0\nb.png,maybe,0\n"
    with pytest.raises(DataError, match="line 3: dent is 'maybe'"):
        answers(tmp_path, text.encode(), "multilabel", ["dent", "gap"], ["a.png", "b.png"])


def test_marks_of_two_ways_in_a_column_are_refused_without_settings_of_other_commands(tmp_path: Path) -> None:
    text = "image,dent,gap\na.png,yes,0\nb.png,1,0\nc.png,no,1\n"
    with pytest.raises(DataError, match="in more than one way") as caught:
        answers(tmp_path, text.encode(), "multilabel", ["dent", "gap"], ["a.png", "b.png", "c.png"])
    assert "data.source" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "kind", "lacking"),
    [
        ("image,dent", "multilabel", "gap"),
        ("name,label", "multiclass", "image"),
        ("image,answer", "multiclass", "label"),
    ],
)
def test_columns_that_are_not_there_are_told(tmp_path: Path, header: str, kind: Kind, lacking: str) -> None:
    with pytest.raises(DataError) as caught:
        answers(tmp_path, f"{header}\na.png,1\n".encode(), kind, ["dent", "gap"])
    assert f"it has {', '.join(header.split(','))} (1):\n  {lacking}" in str(caught.value)


def test_a_column_stands_for_one_label_only(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="01"):
        answers(tmp_path, b"image,1\nc.png,1\n", "multilabel", ["1", "01"])


def test_a_label_cannot_be_called_like_another_column() -> None:
    with pytest.raises(UserError, match="Group"):
        asked_sheet(ASKED, "multilabel", ["dent", "Group"])


NAME = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x17F, blacklist_categories=["Cc", "Cf", "Zs"]), min_size=1
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given_any(
    names=st.lists(NAME.filter(lambda name: "\\" not in name), min_size=1, max_size=6, unique=True),
    classes=st.lists(NAME, min_size=2, max_size=4, unique=True),
    separator=st.sampled_from([",", ";", "\t"]),
    data=st.data(),
)
def test_what_is_filled_in_is_read_back(
    tmp_path: Path, names: list[str], classes: list[str], separator: str, data: st.DataObject
) -> None:
    assume(not alike([*classes, "unsure", "skip", "?"]))
    asked = [Asked(name, name, rank) for rank, name in enumerate(names, start=1)]
    chosen = [data.draw(st.sampled_from([*classes, "unsure", ""])) for _ in names]
    rows = fill(
        asked_sheet(asked, "multiclass", classes, separator), [{"label": text} for text in chosen], separator
    )
    found = answers(tmp_path, saved(rows, separator, "\r\n").encode(), "multiclass", classes, names)
    expected = {n: NoLabel.UNSURE if c == "unsure" else c for n, c in zip(names, chosen, strict=True) if c}
    assert found.answers == expected
    assert not found.conflicts


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given_any(labels=st.lists(NAME, min_size=1, max_size=4, unique=True), data=st.data())
def test_labels_that_are_filled_in_are_read_back(tmp_path: Path, labels: list[str], data: st.DataObject) -> None:
    assume(not alike([*labels, "image", "group", "rank", "score", "guess", "confidence", "unsure"]))
    rows = st.none() | st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))
    chosen = [data.draw(rows) for _ in ASKED]
    cells = [{} if row is None else dict(zip(labels, map(str, map(int, row)), strict=True)) for row in chosen]
    filled = fill(asked_sheet(ASKED, "multilabel", labels), cells)
    found = answers(tmp_path, saved(filled).encode(), "multilabel", labels)
    assert found.answers == {
        name: tuple(label for label, there in zip(labels, row, strict=True) if there)
        for name, row in zip(NAMES, chosen, strict=True)
        if row is not None
    }
