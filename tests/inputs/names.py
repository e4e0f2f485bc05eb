"""Names of classes, labels, groups and columns."""

from __future__ import annotations

from tests.inputs.case import Case
from tests.inputs.given import folders, table

TITLE = "Names"
PLACE = 25


def _classes(*classes: str, groups: tuple[str, ...] = ("g", "h")) -> str:
    rows = zip(("a.png", "b.png"), classes, groups, strict=True)
    return "image,label,group\n" + "".join(f'{name},"{label}",{group}\n' for name, label, group in rows)


_NUMBERS = "0,1,2\na.png,7,1\nb.png,8,0\n"  # columns whose names are numbers: image, group, class

CASES: list[Case] = [
    Case("classes OK and ok", "refused", "'OK' (1 times, first: line 2: a.png)", table(_classes("OK", "ok"))),
    Case(
        "the same, with `data.source.similar_names=merge`",
        "read, with a line",
        "Classes that differ only in spelling are one",
        table(_classes("OK", "ok"), "data.source.similar_names=merge"),
    ),
    Case(
        "the same, with `data.source.similar_names=keep`",
        "read, with a line",
        "Classes that differ only in spelling are different ones",
        table(_classes("OK", "ok"), "data.source.similar_names=keep"),
    ),
    Case("classes 01 and 1", "refused", "'01' (1 times", table(_classes("01", "1"))),
    Case("classes 1E2 and 100", "refused", "'1E2' (1 times", table(_classes("1E2", "100"))),
    Case("classes `a b` and `ab`", "refused", "'a b' (1 times", table(_classes("a b", "ab"))),
    Case("ü written in two ways of Unicode", "refused", "differ only in spelling", table(_classes("ü", "u\u0308"))),
    Case(
        "classes `ok` and `ok` with a character that cannot be seen (U+200B, U+FEFF, U+00AD, U+2060, U+200F, …)",
        "refused",
        "'ok\\u200b' (1 times",
        table(_classes("ok", "ok\u200b")),
    ),
    Case(
        "a class with such a character, and no other spelling of it",
        "read, with a line",
        "with characters that cannot be seen, which belong to the name: 'ok\\xad'",
        table(_classes("bent", "ok\u00ad")),
    ),
    Case(
        "classes 1 and full-width １",
        "refused",
        "'\\uff11' (1 times, first: line 3",
        table(_classes("1", "\uff11")),
    ),
    Case(
        "groups `7` and `7` with a character that cannot be seen",
        "refused",
        "'7\\ufeff' (1 times",
        table(_classes("a", "b", groups=("7", "7\ufeff"))),
    ),
    Case(
        "a class of which nothing can be seen",
        "read, with a line",
        "1 cells of column label hold '\\u2060', which means that there is no value",
        table(_classes("ok", "\u2060")),
    ),
    Case(
        "class folders `ok` and `ok` with a character that cannot be seen",
        "refused",
        "'ok\\u200e' (1 times",
        folders(["ok/a.png", "ok\u200e/b.png"]),
    ),
    Case("classes 1_1 and 11", "read", "classes ['1_1', '11']", table(_classes("1_1", "11"))),
    Case(
        "classes 9007199254740992 and 9007199254740993",
        "read",
        "classes ['9007199254740992', '9007199254740993']",
        table(_classes("9007199254740992", "9007199254740993")),
    ),
    Case("classes 1.0 and 2.0, as tables with gaps have", "read", "['1', '2']", table(_classes("1.0", "2.0"))),
    Case("groups 7 and 7.0", "refused", "groups that differ only", table(_classes("a", "b", groups=("7", "7.0")))),
    Case(
        "classes named images, a+b",
        "read",
        "classes ['images', 'a+b']",
        table(_classes("images", "a+b")),
    ),
    Case(
        "class None", "read, with a line", "Class 'None' is a class like the others", table(_classes("None", "x"))
    ),
    Case("class none", "read, with a line", "Class 'none' means fault-free", table(_classes("none", "x"))),
    Case(
        "label a+b",
        "refused",
        "'+data.source.label_names={a+b:a_and_b}'",
        table("image,a+b,c,group\na.png,1,0,g\nb.png,0,1,h\n"),
    ),
    Case(
        "the same, with `'+data.source.label_names={a+b:a_and_b}'`",
        "read",
        "of ['a_and_b', 'c']",
        table("image,a+b,c,group\na.png,1,0,g\nb.png,0,1,h\n", "+data.source.label_names={a+b:a_and_b}"),
    ),
    Case("label none", "refused", "{none:no_fault}", table("image,none,c,group\na.png,1,0,g\nb.png,0,1,h\n")),
    Case(
        "labels Dent and dent",
        "refused",
        "label columns that differ only in spelling",
        table("image,Dent,dent,group\na.png,1,0,g\nb.png,0,1,h\n"),
    ),
    Case(
        "columns named 0, 1, 2, with `data.source.class_column=1` and the like",
        "read",
        "groups ['1', '0'] classes ['7', '8']",
        table(_NUMBERS, "data.source.image_column=0", "data.source.class_column=1", "data.source.group_column=2"),
    ),
    Case(
        "`data.source.good_class=0`",
        "read, with a line",
        "Class '0' means fault-free.",
        table(_classes("0", "1"), "data.source.good_class=0"),
    ),
    Case(
        "`data.source.good_class=1_1` beside a class 11",
        "read, with a line",
        "Class '1_1' means fault-free.",
        table(_classes("11", "1_1"), "data.source.good_class=1_1"),
    ),
    Case(
        "`data.source.label_columns=scratch`, no list",
        "read",
        "of ['scratch']",
        table("image,scratch,note,group\na.png,1,x,g\nb.png,0,y,h\n", "data.source.label_columns=scratch"),
    ),
    Case("class folders OK and ok", "refused", "'OK' (1 times", folders(["OK/a.png", "ok/b.png"])),
    Case(
        "a class folder named nan",
        "read, with a line",
        "1 images in nan are left out",
        folders(["ok/a.png", "bent/b.png", "nan/c.png"]),
    ),
    Case("class folders 01 and 1_1", "read", "classes ['01', '1_1']", folders(["01/a.png", "1_1/b.png"])),
]
