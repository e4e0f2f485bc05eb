from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from coilal.common.folder_names import fits, study_name, study_names
from coilal.common.types import UserError


@pytest.mark.parametrize(
    "name", ["mine", "2026_11_28", 20261128, "Müller (neu)", "a+b", "report", "a b", "x.y", -1]
)
def test_names_of_one_folder(name: Any) -> None:
    assert fits(name)
    assert study_name(name) == str(name)


@pytest.mark.parametrize(
    "name", ["", "..", ".", ".multirun", "/abs", "a/b", "a\\b", " a", "a\n", "ä" * 101, "\udcfc", None, True, ["a"]]
)
def test_names_under_which_nothing_would_be_found(name: Any) -> None:
    assert not fits(name)
    with pytest.raises(UserError, match=r"study is (.|\n)*outputs=FOLDER"):
        study_name(name)


def test_lists_of_studies() -> None:
    assert study_names("a") == ["a"]
    assert study_names(7) == ["7"]
    assert study_names(OmegaConf.create(["a", 7])) == ["a", "7"]
    for wrong in ([], ["a", ".."]):
        with pytest.raises(UserError, match="study is"):
            study_names(OmegaConf.create(wrong))
