from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coilal.evidence.queried import (
    batches,
    class_mix,
    label_indicators,
    labels_until_found,
    rare_classes,
    unreadable,
)
from coilal.evidence.queried_sections import card_lines


def queries(labels: list[str], images: list[str] | None = None, batch: int = 2, seed: int = 0) -> pd.DataFrame:
    count = len(labels)
    names = images or [f"i{k}.png" for k in range(count)]
    table = {"seed": seed, "cycle": np.arange(count) // batch, "rank": np.arange(count) % batch}
    return pd.DataFrame({**table, "image": names, "label": labels})


def test_a_class_name_with_a_plus_is_one_class_and_labels_are_taken_apart() -> None:
    text = pd.Series(["gap+crossover", "gap", "none"])
    classes = label_indicators(text, ["none", "gap", "gap+crossover"])
    assert classes.to_numpy().tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    labels = label_indicators(text, ["gap", "crossover"])
    assert labels.to_numpy().tolist() == [[1, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a+b", ["a", "b", "c"], [1, 1, 0]),
        ("a+b+c", ["a+b", "c"], [1, 1]),  # a label of an earlier version, and no other way to read it
        ("none", ["a", "b"], [0, 0]),
        ("a+a", ["a", "b"], [1, 0]),  # not written by any version: taken apart as well as can be
    ],
)
def test_labels_are_taken_apart(text: str, names: list[str], expected: list[int]) -> None:
    assert label_indicators(pd.Series([text]), names, exclusive=False).to_numpy().tolist() == [expected]


def test_labels_that_can_be_read_in_two_ways_are_not_counted() -> None:
    table = queries(["a+b", "a", "none", "b"], batch=2)
    for names in (["a", "b", "a+b"], ["none", "a", "b"]):
        assert unreadable(table, names, exclusive=False) == 1
    mix = class_mix(table, ["a", "b", "a+b"], exclusive=False)
    assert mix["a"].tolist() == [1.0, 0.0]
    assert unreadable(table, ["a", "b", "a+b", "none"], exclusive=True) == 0, "of one class each"


def test_mix_is_the_share_of_each_batch() -> None:
    mix = class_mix(queries(["a", "b", "a", "a"]), ["a", "b"])
    assert mix["a"].tolist() == [0.5, 1.0]
    assert mix["b"].tolist() == [0.5, 0.0]


def test_labels_until_five_are_found() -> None:
    found = queries(["r", "x"] * 5 + ["x"] * 2, seed=0)
    never = queries(["r"] * 4 + ["x"] * 8, seed=1)
    until = labels_until_found(pd.concat([found, never], ignore_index=True), "r", ["r", "x"])
    assert until.tolist() == [9, math.inf]


def test_rare_classes_are_in_the_pool() -> None:
    assert rare_classes({"none": 0.9, "gap": 0.09, "other": 0.0, "crossover": 0.1}, 0.1) == ["gap"]


def test_near_duplicates_are_the_same_view_few_turns_away() -> None:
    images = [
        "A_Image0001.jpg",
        "A_Image0005.jpg",
        "A_Image0006.jpg",
        "B_Image0001.jpg",
        "A_Image0021.jpg",
        "A_Image0045.jpg",
    ]
    table = queries(["x"] * 6, images, batch=3)
    groups = {name: name[0] for name in images}
    found = batches(table, groups, r"_Image(\d+)", views=4, turns=4)
    # 5 is the same view as 1, one turn on; 6 another view; B another coil; 21 four turns from 5; 45 six from 21
    assert found["near_duplicates"].tolist() == [pytest.approx(1 / 3), pytest.approx(1 / 3)]
    assert found["groups"].tolist() == [1, 2]


QUERY = {"cycle": 1, "rank": 0, "image": "a.png", "score": 0.0123456, "label": "gap+dent"}


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, ["told gap + dent", "score 0.0123"]),  # of an earlier version
        ({"prediction": "", "confidence": None, "score": None}, ["told gap + dent"]),
        (
            {"prediction": "dent+gap", "confidence": 0.875},
            ["told gap + dent", "predicted dent + gap (0.88)", "score 0.0123"],
        ),
        (
            {"prediction": "gap", "confidence": 0.6, "score": None},
            ["told gap + dent", "predicted wrongly: gap (0.60)"],
        ),
        (
            {"prediction": "gap", "confidence": 0.6, "score": None, "true": "gap"},
            ["told gap + dent", "in truth gap", "predicted gap (0.60)"],
        ),
        (
            {"prediction": "gap", "confidence": 0.6, "score": None, "label": ""},
            ["without a label", "predicted gap (0.60)"],
        ),
    ],
)
def test_what_stands_below_a_queried_image(more: Mapping[str, Any], lines: list[str]) -> None:
    assert card_lines({**QUERY, **more}) == lines


def test_names_without_a_number_give_no_near_duplicates() -> None:
    table = queries(["x"] * 4)
    found = batches(table, dict.fromkeys(table["image"], "g"), r"_Image(\d+)", 4, 4)
    assert found["near_duplicates"].isna().all()
    assert found["groups"].tolist() == [1, 1]
