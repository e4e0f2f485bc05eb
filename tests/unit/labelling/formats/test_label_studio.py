from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coilal.common.types import Kind
from coilal.labelling.formats.image_names import KnownImages
from coilal.labelling.formats.label_studio import NAME_FIELD, interface, tasks
from coilal.labelling.formats.rows import Asked


def test_a_task_has_address_name_and_guess() -> None:
    (task,) = json.loads(tasks([Asked("x/ä b.png", "7", 4, 0.5, "dent", 0.75)], model_version="line3-2"))
    assert task["data"] == {
        "image": "/data/local-files/?d=x/%C3%A4%20b.png",
        NAME_FIELD: "x/ä b.png",
        "group": "7",
        "rank": 4,
    }
    (guess,) = task["predictions"]
    assert (guess["model_version"], guess["score"]) == ("line3-2", 0.75)
    (result,) = guess["result"]
    assert result == {
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": ["dent"]},
    }


def test_guesses_of_labels_are_several_or_none() -> None:
    found = json.loads(
        tasks([Asked("a", "", 1, guess=("dent", "gap")), Asked("b", "", 2, guess=()), Asked("c", "", 3)])
    )
    assert found[0]["predictions"][0]["result"][0]["value"] == {"choices": ["dent", "gap"]}
    assert found[1]["predictions"][0]["result"] == []
    assert "score" not in found[0]["predictions"][0]
    assert "predictions" not in found[2]
    assert "annotations" not in found[0]


@pytest.mark.parametrize(
    ("found_at", "address"),
    [
        ("/data/local-files/?d=line3", "/data/local-files/?d=line3/a%20b.png"),
        ("/data/local-files/?d=line3/", "/data/local-files/?d=line3/a%20b.png"),
        ("s3://bucket/line3", "s3://bucket/line3/a b.png"),
        ("https://host/line3", "https://host/line3/a%20b.png"),
    ],
)
def test_where_images_are_found_is_set(found_at: str, address: str) -> None:
    (task,) = json.loads(tasks([Asked("a b.png", "7", 1)], found_at))
    assert task["data"]["image"] == address


@settings(deadline=None)
@given(st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\\/"), min_size=1)))
def test_addresses_lead_back_to_their_images(names: list[str]) -> None:
    names = [f"f/{name}" for name in dict.fromkeys(names)]
    found = json.loads(tasks([Asked(name, "", 1) for name in names], "/data/local-files/?d=some/where"))
    images = KnownImages(names)
    assert [images.find(task["data"]["image"]) for task in found] == [(name,) for name in names]


@pytest.mark.parametrize(
    ("kind", "choice", "required"), [("multiclass", "single", "true"), ("multilabel", "multiple", "false")]
)
def test_the_interface_has_classes_and_unsure(kind: Kind, choice: str, required: str) -> None:
    view = ElementTree.fromstring(interface(kind, ['<Lücke & "Co">', "01"]))
    (choices,) = view.iter("Choices")
    assert (choices.get("choice"), choices.get("required"), choices.get("toName")) == (choice, required, "image")
    assert [each.get("value") for each in choices] == ['<Lücke & "Co">', "01", "unsure"]
    (image,) = view.iter("Image")
    assert image.get("value") == "$image"
