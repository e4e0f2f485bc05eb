"""Files of other tools that are handed over as a label table: what they are, and how a table is made of them."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pandas as pd

from coilal.common.typed import as_argument
from coilal.common.types import DataError, Problem

_KINDS = {
    b"PK\x03\x04": "a workbook of Excel or LibreOffice",
    b"\xd0\xcf\x11\xe0": "a workbook of an old Excel",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF": "a PDF",
}
"""First bytes of files that are no tables of text."""

_WAYS = {
    b"PAR1": "save it with pandas: pandas.read_parquet(FILE).to_csv('labels.csv', index=False)",
}
_SAVE_AS_CSV = "open it there and save the sheet as CSV UTF-8"

COCO_TO_TABLE = """\
import json, pandas
coco = json.load(open({file!r}, encoding="utf-8"))
names = {{label["id"]: label["name"] for label in coco["categories"]}}
shown = {{(a["image_id"], a["category_id"]) for a in coco["annotations"]}}
def labels(i):
    return {{name: int((i["id"], label) in shown) for label, name in names.items()}}
rows = [{{"image": i["file_name"], **labels(i)}} for i in coco["images"]]
pandas.DataFrame(rows).to_csv("labels.csv", index=False)"""
"""Makes a table of COCO's annotations: a column of 0 and 1 a category, boxes and masks left out."""

TASKS_TO_TABLE = """\
import json, pandas
tasks = json.load(open({file!r}, encoding="utf-8"))
rows = []
for task in tasks:
    told = [a for a in task["annotations"] if not a.get("was_cancelled")]
    chosen = [c for r in (told[-1]["result"] if told else []) for c in r["value"].get("choices", [])]
    rows.append({{"image": next(iter(task["data"].values())), "chosen": chosen, "told": bool(told)}})
labels = sorted({{label for row in rows for label in row["chosen"]}})
table = [{{"image": r["image"], **{{n: int(n in r["chosen"]) if r["told"] else "" for n in labels}}}} for r in rows]
pandas.DataFrame(table).to_csv("labels.csv", index=False)"""
"""Makes a table of Label Studio's tasks: a column of 0 and 1 a choice, the last annotation of each task."""

CHOICES_TO_TABLE = """\
import json, pandas
table = pandas.read_csv({file!r}, dtype=str, keep_default_na=False)
told = [json.loads(c)["choices"] if c.startswith("{{") else [c] * (c != "") for c in table[{column!r}]]
labels = sorted({{label for labels in told for label in labels}})
rows = [{{"image": i, **{{n: int(n in t) if t else "" for n in labels}}}} for i, t in zip(table[{image!r}], told)]
pandas.DataFrame(rows).to_csv("labels.csv", index=False)"""
"""Makes a table of Label Studio's CSV with several choices an image: a column of 0 and 1 a choice."""

_LABEL_STUDIO = ("annotator", "lead_time")
_LABEL_STUDIO_OWN = (
    "id",
    "annotation_id",
    "created_at",
    "updated_at",
    "annotator",
    "lead_time",
    "image",
    "sentiment",
)


def refuse_other_files(path: Path, content: bytes) -> None:
    """Refuse a file that is no table of text.

    Raises:
        DataError: says what it is and how a table is made of it.
    """
    for first, kind in _KINDS.items():
        if content.startswith(first):
            way = _WAYS.get(first, _SAVE_AS_CSV)
            raise DataError([Problem(f"{path} is {kind}, not a label table (CSV); {way}")])
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        try:
            found = json.loads(content)
        except ValueError:
            return
        raise DataError([Problem(_of_json(path, found))])
    order = _utf32_order(content)
    if order is not None:
        way = f"save it as UTF-8, or convert it: iconv -f UTF-32{order} -t UTF-8 TABLE > NEW"
        raise DataError([Problem(f"the table {path} is in UTF-32; {way}")])
    if b"\x00" in content[:1000] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError([Problem(f"{path} is not text, or UTF-16 without a mark; save it as a CSV in UTF-8")])


def _utf32_order(content: bytes) -> str | None:
    """Return the byte order of text in UTF-32, as encodings are named ("": by its mark); None for other content."""
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return ""
    return {(False, True): "LE", (True, False): "BE"}.get(
        (content.startswith(b"\x00\x00\x00"), content[1:4] == b"\x00\x00\x00")
    )


def label_studio_problem(path: Path, table: pd.DataFrame, image: str, classes: str | None) -> Problem | None:
    """Return what to do with a CSV as Label Studio writes it, or None if it is another table or set up already."""
    if not set(_LABEL_STUDIO) <= {*table.columns}:
        return None
    told = (
        [str(name) for name in table if name not in (*_LABEL_STUDIO_OWN, image)] if classes is None else [classes]
    )
    several = next((name for name in told if table[name].str.startswith('{"choices"').any()), None)
    if several is not None:
        script = CHOICES_TO_TABLE.format(file=str(path), column=several, image=image)
        return Problem(
            f"this is a CSV of Label Studio with several choices in a cell of {several}; make a table with a "
            f"column of 0 and 1 a choice of it:\n{_in_shell(script)}\nand give it as data.labels=labels.csv"
        )
    if classes is not None:
        return None
    ways = " or ".join(_typed("data.source.class_column", name) for name in told) or "its export as JSON-MIN"
    return Problem(f"this is a CSV of Label Studio; name the column with the chosen class: {ways}")


def _of_json(path: Path, found: object) -> str:
    """Return what a JSON file is and how a table is made of it."""
    if isinstance(found, dict) and {"images", "annotations", "categories"} <= set(found):
        what, script = "annotations in COCO's format", COCO_TO_TABLE
    elif (
        isinstance(found, list)
        and found
        and isinstance(found[0], dict)
        and {"data", "annotations"} <= set(found[0])
    ):
        what, script = "tasks of Label Studio", TASKS_TO_TABLE
    else:
        return f"{path} is JSON, not a label table (CSV); save it as a CSV with one row an image"
    typed = _in_shell(script.format(file=str(path)))
    return (
        f"{path} holds {what}, not a label table (CSV); make one of it:\n{typed}\n"
        "and give it as data.labels=labels.csv"
    )


def _in_shell(script: str) -> str:
    return f"python - <<'END'\n{script}\nEND"


def _typed(key: str, name: str) -> str:
    return f"{key}={name}" if name.isidentifier() else as_argument(key, name)
