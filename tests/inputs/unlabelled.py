"""Images without a label, and splits that the data give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from coilal.common.types import Split, Targets
from coilal.fit.tasks.multiclass import Multiclass
from coilal.runs.prepare import refuse_unlabelled_pool
from tests.inputs.case import Case
from tests.inputs.given import folders, images, source, table, told

TITLE = "Images without a label, and given splits"
PLACE = 25

POOL = "data.source.unlabelled=pool"
NO_GROUPS = "data.source.group_pattern=null"
NAMES = ("a.png", "b.png", "c.png")
ONE_EMPTY = "image,label,group\na.png,ok,g\nb.png,bent,h\nc.png,,i\n"
NO_CROSS = "image,scratch,dent,group\na.png,x,,g\nb.png,,x,h\nc.png,,,i\n"
UNNAMED = "image,label\na.png,ok\nb.png,bent\n"
SPLIT = "image,label,group,split\na.png,ok,g,train\nb.png,bent,h,VAL\nc.png,ok,i,test\n"
IN_PARTS = ["train/ok/a.png", "train/bent/b.png", "val/ok/c.png", "test/ok/d.png"]


def _without_table(*overrides: str) -> Callable[[Path], str]:
    def try_it(folder: Path) -> str:
        images(folder / "data")
        return told(source(folder / "data", None, "data=coils", NO_GROUPS, *overrides).read())

    return try_it


def _learnt_without_table(folder: Path) -> str:
    images(folder / "data")
    return str(Multiclass().targets(source(folder / "data", None, "data=coils", NO_GROUPS, POOL).read()))


def _asked(_: Path) -> str:
    targets = Targets("multiclass", np.array([0, 1, -1, -1]), ("ok", "bent"), np.ones(4, dtype=np.bool_))
    refuse_unlabelled_pool(targets, Split(np.array([0, 2, 3]), np.array([1]), np.array([])))
    return ""


def _of(content: str, *overrides: str) -> Callable[[Path], str]:
    return table(content, *overrides, names=NAMES)


CASES: list[Case] = [
    Case("a row without a class", "read, with a line", "1 rows without a label are left out", _of(ONE_EMPTY)),
    Case(
        "a row without a class, with `data.source.unlabelled=error`",
        "refused",
        "rows without a label",
        _of(ONE_EMPTY, "data.source.unlabelled=error"),
    ),
    Case(
        f"a row without a class, with `{POOL}`",
        "read, with a line",
        "1 rows without a label are kept",
        _of(ONE_EMPTY, POOL),
    ),
    Case(
        f"a row of labels without one, with `{POOL}`",
        "read, with a line",
        "1 rows without a label are kept",
        _of("image,scratch,dent,group\na.png,1,0,g\nb.png,0,1,h\nc.png,,,i\n", POOL),
    ),
    Case(
        f"a row of labels that is empty in part, with `{POOL}`",
        "refused",
        "dent is ''",
        _of("image,scratch,dent,group\na.png,1,0,g\nb.png,0,1,h\nc.png,0,,i\n", POOL),
    ),
    Case(
        f"a row without a cross where crosses are labels, with `{POOL}`",
        "refused",
        "could be without a fault or without a label",
        _of(NO_CROSS, POOL),
    ),
    Case(
        "images that the table does not name",
        "read, with a line",
        "are not named in the table and are left out",
        _of(UNNAMED, NO_GROUPS),
    ),
    Case(
        f"images that the table does not name, with `{POOL}`",
        "read, with a line",
        "are not named in the table and are kept without a label",
        _of(UNNAMED, NO_GROUPS, POOL),
    ),
    Case(
        "the same where a column gives the groups",
        "refused",
        "have no group in column group",
        _of("image,label,group\na.png,ok,g\nb.png,bent,h\n", POOL),
    ),
    Case("no label table", "refused", "there is no label table", _without_table()),
    Case(f"no label table, with `{POOL}`", "read, with a line", "none of the 2 images", _without_table(POOL)),
    Case("the same, to check or train", "refused", "none of the 2 images has a label", _learnt_without_table),
    Case(
        "images without a label in the pool of a run",
        "refused",
        "2 of 3 images of the pool have no label, and a study asks an oracle that knows all labels",
        _asked,
    ),
    Case(
        "a class folder `nan` and an image beside the class folders",
        "read, with a line",
        "class folder: left out",
        folders(["ok/a.png", "bent/b.png", "nan/c.png", "d.png"]),
    ),
    Case(
        f"the same, with `{POOL}`",
        "read, with a line",
        "class folder: kept without a class",
        folders(["ok/a.png", "bent/b.png", "nan/c.png", "d.png"], POOL),
    ),
    Case(
        "a column `split` of train, val and test",
        "read, with a line",
        "(train means pool, VAL means validation)",
        _of(SPLIT),
    ),
    Case(
        "the same, with `data.source.split_column=null`",
        "read",
        "classes ['ok', 'bent', 'ok']",
        _of(SPLIT, "data.source.split_column=null"),
    ),
    Case(
        "a column `split` with a part that is none, or none at all",
        "refused",
        "line 3: b.png: ''",
        _of(SPLIT.replace("VAL", "")),
    ),
    Case(
        "a group in two parts of the given split",
        "refused",
        "g: pool, test",
        _of(SPLIT.replace(",i,", ",g,")),
    ),
    Case(
        "labels of which one is called `split`",
        "read, with a line",
        "Column split gives no split",
        _of("image,split,dent,group\na.png,1,0,g\nb.png,0,1,h\nc.png,0,0,i\n"),
    ),
    Case(
        "folders `train/ok`, `val/ok`, `test/ok`, …",
        "read, with a line",
        "(train means pool, val means validation)",
        folders(IN_PARTS),
    ),
    Case(
        "the same, with `data.source.split_folders=false`",
        "read",
        "classes ['test', 'train', 'train', 'val']",
        folders(IN_PARTS, "data.source.split_folders=false"),
    ),
    Case(
        "folders `train/ok`, `spare/ok`, with `data.source.split_folders=true`",
        "refused",
        "spare/ok/b.png: 'spare'",
        folders(["train/ok/a.png", "spare/ok/b.png"], "data.source.split_folders=true"),
    ),
]
