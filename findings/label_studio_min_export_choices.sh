#!/usr/bin/env bash
# label-studio-sdk 2.1.2, the converter behind Label Studio's exports: one project's JSON-MIN has three forms of the
# same field, and loses which tasks were skipped.
#
# Guess: JSON-MIN of a project whose tasks are answered by <Choices choice="multiple"> has one kind of value for all
# tasks, and a row says whether the task was answered, skipped or never opened.
# Seen otherwise: two choices are a dictionary, {"choices": [...]}, one choice is a bare text, and no choice leaves the
# field out. A skipped task leaves no row at all. A task that nobody has opened has a row, which differs from one that
# was submitted with nothing chosen («no fault», a real answer) in empty annotation fields alone.
# For users: who reads the field as a list counts letters of a class name, and who takes absent fields for «no fault»
# adds every unopened task. Export as JSON, or look at the annotation's id (coilal.ask reads all three).
#
# Seen:
#   two choices: {'choices': ['gap', 'dent']}
#   one choice: 'gap'
#   none chosen: {'image': '3.png', 'id': 3, 'annotator': 1, 'annotation_id': 13, 'created_at': None, …}
#   skipped: no row
#   never opened: {'image': '5.png', 'id': 5, 'annotator': None, 'annotation_id': None, 'created_at': None, …}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check label-studio-sdk==2.1.2

cat > "$folder/convert.py" <<'PYTHON'
import json
import pathlib
import sys

from label_studio_sdk.converter import Converter

folder = pathlib.Path(sys.argv[1])
config = """<View><Image name="image" value="$image"/><Choices name="fault" toName="image" choice="multiple">
<Choice value="gap"/><Choice value="dent"/></Choices></View>"""


def annotation(number, chosen, skipped=False):
    given = [{"from_name": "fault", "to_name": "image", "type": "choices", "value": {"choices": chosen}}]
    result = given if chosen else []
    return {"id": number, "completed_by": 1, "was_cancelled": skipped, "lead_time": 1.0, "result": result}


def task(number, *annotations):
    return {"id": number, "data": {"image": f"{number}.png"}, "annotations": list(annotations), "predictions": []}


tasks = [
    task(1, annotation(11, ["gap", "dent"])),
    task(2, annotation(12, ["gap"])),
    task(3, annotation(13, [])),
    task(4, annotation(14, [], skipped=True)),
    task(5),
]
(folder / "in").mkdir()
(folder / "in" / "export.json").write_text(json.dumps(tasks))
Converter(config=config, project_dir=str(folder)).convert_to_json_min(
    input_data=str(folder / "in"), output_dir=str(folder / "out"), is_dir=True
)
rows = {row["id"]: row for row in json.loads(next((folder / "out").glob("*.json")).read_text())}
print("two choices:", rows[1].get("fault"))
print("one choice:", repr(rows[2].get("fault")))
print("none chosen:", rows[3])
print("skipped:", rows.get(4, "no row"))
print("never opened:", rows.get(5, "no row"))
assert rows[1]["fault"] == {"choices": ["gap", "dent"]}
assert rows[2]["fault"] == "gap"
assert "fault" not in rows[3] and rows[3].get("annotation_id")
assert 4 not in rows
assert "fault" not in rows[5] and not rows[5].get("annotation_id")
PYTHON
"$folder/venv/bin/python" "$folder/convert.py" "$folder"
echo "label-studio-sdk 2.1.2: as described"
