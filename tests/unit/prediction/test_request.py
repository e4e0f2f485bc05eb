"""The command line of coilal.predict."""

from __future__ import annotations

from pathlib import Path

import pytest

from coilal.common.types import UserError
from coilal.prediction.request import SETTINGS, Request

KNOWN = {setting.partition("=")[0] for setting in SETTINGS}
IMAGES = {"run": "r", "data.root": "images"}


def test_images_are_predicted_into_predictions_csv_with_the_settings_of_the_run() -> None:
    request = Request.of(IMAGES)
    assert (request.run, request.root, request.out) == (Path("r"), Path("images"), Path("predictions.csv"))
    assert request.overkill == 5
    assert request.classes is None
    assert request.image == {}
    assert request.grouping == {}
    assert not request.force


def test_values_are_read_as_they_are_meant() -> None:
    given = {
        **IMAGES,
        "classes": "[none, no, 01]",
        "data.image.size": "[56,42]",
        "data.image.page": "null",
        "data.source.group_pattern": "null",
        "class_folders": "false",
        "force": "true",
        "overkill": "2.5",
    }
    request = Request.of(given)
    assert given.keys() <= KNOWN
    assert request.classes == ("none", "no", "01"), "names stay text"
    assert request.image == {"size": [56, 42], "page": None}
    assert request.grouping == {"group_pattern": None}
    assert not request.class_folders
    assert request.force
    assert request.overkill == 2.5


@pytest.mark.parametrize(("export", "file"), [("onnx", "model.onnx"), ("torchscript", "model.pt")])
def test_an_export_goes_into_a_file_of_its_kind(export: str, file: str) -> None:
    request = Request.of({"run": "r", "export": export})
    assert request.out == Path(file)
    assert request.root is None
    with pytest.raises(UserError, match=f"ends in {Path(file).suffix}"):
        Request.of({"run": "r", "export": export, "out": "model.bin"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data.root": "images"}, "which run"),
        ({"run": "r"}, "of which images"),
        ({**IMAGES, "export": "onnx"}, "give one of them"),
        ({"run": "r", "export": "tflite"}, "onnx or torchscript"),
        ({**IMAGES, "overkill": "100"}, "from 0 to below 100"),
        ({**IMAGES, "overkill": "few"}, "from 0 to below 100"),
        ({**IMAGES, "classes": "none"}, "a list of names"),
        ({**IMAGES, "force": "yes"}, "true or false"),
        ({**IMAGES, "out": "table.xlsx"}, "ends in .csv"),
        ({**IMAGES, "data.image.size": "[56,"}, "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Request.of(given)
