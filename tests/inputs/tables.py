"""Label tables as people have them."""

from __future__ import annotations

import json

from tests.inputs.case import Case
from tests.inputs.given import table

TITLE = "Tables"
PLACE = 20

_CLASSES = "image,label,group\na.png,ok,g\nb.png,bent,h\n"
_NO_GROUPS = "data.source.group_pattern=null"
_COCO = json.dumps({"images": [], "annotations": [], "categories": []})
_TASKS = json.dumps([{"data": {"image": "a.png"}, "annotations": []}])
_STUDIO = (
    "id,image,choice,annotator,lead_time\n"
    "1,/data/upload/7/0a1b2c3d-a.png,ok,4,1.5\n"
    "2,/data/upload/7/0a1b2c3e-b.png,bent,4,1.5\n"
)


def _labels(first: str, second: str) -> str:
    return f"image,scratch,dent,group\na.png,{first},g\nb.png,{second},h\n"


CASES: list[Case] = [
    Case("CSV in UTF-8", "read", "classes ['ok', 'bent']", table(_CLASSES)),
    Case("with a byte-order mark", "read", "classes ['ok', 'bent']", table(_CLASSES.encode("utf-8-sig"))),
    Case("UTF-16 with its mark", "read, with a line", "is read as UTF-16", table(_CLASSES.encode("utf-16"))),
    Case("UTF-16 without a mark", "refused", "UTF-16 without a mark", table(_CLASSES.encode("utf-16-le"))),
    Case("UTF-32 with its mark", "refused", "is in UTF-32; save it as UTF-8", table(_CLASSES.encode("utf-32"))),
    Case("UTF-32 without a mark", "refused", "iconv -f UTF-32BE -t UTF-8", table(_CLASSES.encode("utf-32-be"))),
    Case(
        "a comma too many in a row",
        "refused",
        "line 3 has 4 fields, and the header has 3; take out what is too much",
        table(_CLASSES.replace("bent", "bent,")),
    ),
    Case(
        "a quote that does not end",
        "refused",
        "line 3 has a double quote that begins a field and does not end it",
        table(_CLASSES.replace("bent", '"bent')),
    ),
    Case(
        "a line of comment above the header",
        "refused",
        "begins with comments (#) in line 1; take them out",
        table("# made by hand; June\n" + _CLASSES),
    ),
    Case(
        "Windows-1252",
        "refused",
        "is not in UTF-8 (byte 0xfc in line 2)",
        table(_CLASSES.replace("ok", "Lücke").encode("cp1252")),
    ),
    Case("semicolons", "refused", "data.source.separator=';'", table(_CLASSES.replace(",", ";"))),
    Case(
        "semicolons, with `\"data.source.separator=';'\"`",
        "read",
        "classes ['ok', 'bent']",
        table(_CLASSES.replace(",", ";"), "data.source.separator=';'"),
    ),
    Case(
        "Excel's first line `sep=;`",
        "read, with a line",
        "as the first line of the table says (sep=;)",
        table("sep=;\n" + _CLASSES.replace(",", ";")),
    ),
    Case("a blank behind each comma", "read", "classes ['ok', 'bent']", table(_CLASSES.replace(",", ", "))),
    Case("`Label` for `label`", "read, with a line", "classes from Label", table(_CLASSES.replace("l", "L", 1))),
    Case(
        "`Label` and `LABEL`",
        "refused",
        "may mean Label or LABEL",
        table("image,Label,LABEL,group\na.png,ok,x,g\nb.png,bent,y,h\n"),
    ),
    Case("two columns of one name", "refused", "columns of the same name", table("image,a,a\na.png,1,0\n")),
    Case(
        "a workbook of Excel", "refused", "save the sheet as CSV UTF-8", table(b"PK\x03\x04...", file="labels.xlsx")
    ),
    Case("a Parquet file", "refused", "pandas.read_parquet", table(b"PAR1....", file="labels.parquet")),
    Case("annotations of COCO", "refused", "annotations in COCO's format", table(_COCO, file="coco.json")),
    Case("tasks of Label Studio (JSON)", "refused", "tasks of Label Studio", table(_TASKS, file="tasks.json")),
    Case("CSV of Label Studio", "refused", "data.source.class_column=choice", table(_STUDIO, _NO_GROUPS)),
    Case(
        "CSV of Label Studio, with `data.source.class_column=choice`",
        "read, with a line",
        "without what Label Studio adds: /data/upload/7/0a1b2c3d-a.png is a.png",
        table(_STUDIO, _NO_GROUPS, "data.source.class_column=choice"),
    ),
    Case("labels 1 and 0", "read", "labels [[1, 0], [0, 1]]", table(_labels("1,0", "0,1"))),
    Case("labels 1.0 and 0.0", "read", "labels [[1, 0], [0, 1]]", table(_labels("1.0,0.0", "0.0,1.0"))),
    Case(
        "labels 1,0 and 0,0",
        "read, with a line",
        "Labels of scratch, dent: 1,0 is 1 and 0,0 is 0.",
        table("image;scratch;dent;group\na.png;1,0;0,0;g\nb.png;0,0;1,0;h\n", "data.source.separator=';'"),
    ),
    Case(
        "labels yes and no",
        "read, with a line",
        "Labels of scratch, dent: yes is 1 and no is 0.",
        table(_labels("yes,no", "No,YES")),
    ),
    Case(
        "labels true and false",
        "read, with a line",
        "Labels of scratch, dent: true is 1 and false is 0.",
        table(_labels("True,False", "FALSE,TRUE")),
    ),
    Case("labels ja and nein", "read, with a line", "ja is 1 and nein is 0", table(_labels("ja,nein", "nein,ja"))),
    Case("labels + and -", "read, with a line", "+ is 1 and - is 0", table(_labels("+,-", "-,+"))),
    Case(
        "a cross or nothing",
        "read, with a line",
        "A blank in scratch, dent means 0; 0 rows have no label that is 1.",
        table(_labels("x,", ",X")),
    ),
    Case(
        "1 or nothing, and no 0 anywhere",
        "read, with a line",
        "A blank in scratch, dent means 0; 1 rows have no label that is 1.",
        table(_labels("1,1", ",")),
    ),
    Case(
        "no label in a row, and 0 in others",
        "read, with a line",
        "1 rows without a label are left out",
        table(_labels("1,0", ",")),
    ),
    Case("1 and yes in one column", "refused", "scratch: 1, yes", table(_labels("1,0", "yes,0"))),
    Case("labels that are no yes or no", "refused", "scratch is 'maybe'", table(_labels("maybe,0", "1,0"))),
    Case(
        "`nan`, `NA`, `null`, `-` in the class column",
        "read, with a line",
        "1 cells of column label hold 'NaN', which means that there is no value",
        table(_CLASSES.replace("bent", "NaN")),
    ),
    Case(
        "the same, with `data.source.no_value=[]`",
        "read",
        "classes ['ok', 'NaN']",
        table(_CLASSES.replace("bent", "NaN"), "data.source.no_value=[]"),
    ),
    Case("`nan` in the group column", "refused", "rows without a group", table(_CLASSES.replace(",h", ",nan"))),
    Case(
        "no group column, names that the pattern does not fit",
        "refused",
        "data.source.group_pattern='^([^_]+)_'\" (in your names it finds 3 groups)",
        table(
            "image,label\n" + "".join(f"part{k}_{view}.png,ok\n" for k in range(3) for view in range(2)),
            names=[f"part{k}_{view}.png" for k in range(3) for view in range(2)],
        ),
    ),
    Case(
        "file names with folders of Windows, `batch1\\a.png`",
        "read, with a line",
        "with slashes for backslashes: batch1\\a.png is batch1/a.png",
        table(_CLASSES.replace("a.png", "batch1\\a.png"), names=["batch1/a.png", "b.png"]),
    ),
    Case(
        "absolute file names in `data.root`",
        "read, with a line",
        "images ['a.png', 'b.png']",
        table(_CLASSES.replace("a.png", "ROOT/a.png")),
    ),
    Case(
        "absolute file names of another machine, all in one folder",
        "read, with a line",
        "2 file names of the table are read without the C:/inspection/ in front",
        table("image,label,group\nC:\\inspection\\a.png,ok,g\nC:\\inspection\\b.png,bent,h\n"),
    ),
    Case("`./a.png`", "read, with a line", "./a.png is a.png", table(_CLASSES.replace("a.png", "./a.png"))),
    Case(
        "`a.png` where `a.PNG` is",
        "read, with a line",
        "in another case or Unicode form: a.png is a.PNG",
        table(_CLASSES, names=["a.PNG", "b.png"]),
    ),
    Case(
        "`a` where `a.png` is",
        "read, with a line",
        "with its extension: a is a.png",
        table(_CLASSES.replace("a.png", "a")),
    ),
    Case(
        "`a` where `a.png` and `a.bmp` are",
        "refused",
        "a: a.bmp or a.png would fit",
        table(_CLASSES.replace("a.png", "a"), names=["a.png", "a.bmp", "b.png"]),
    ),
    Case(
        "`a.png` where `batch1/a.png` is",
        "refused",
        "a.png: batch1/a.png would fit",
        table(_CLASSES, names=["batch1/a.png", "b.png"]),
    ),
    Case(
        "`a.png` where `a.jpg` is",
        "refused",
        "a.png: a.jpg would fit",
        table(_CLASSES, names=["a.jpg", "b.png"]),
    ),
    Case(
        "two names of one file",
        "refused",
        "first in line 2: labels disagree",
        table("image,label,group\na.png,ok,g\n./a.png,bent,g\n"),
    ),
]
