from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from omegaconf import DictConfig
from sklearn.decomposition import PCA

from coilal.active.features import Features
from coilal.run_directory.files import read_status, study_of
from coilal.run_directory.pool_map import read_map
from coilal.runs.run import run
from coilal.runs.study_map import drawn_map
from tests.pools import normal
from tests.run_folders import run_folder


def test_the_two_main_directions_are_those_of_scikit_learn() -> None:
    rows = normal(300, 7) * np.array([1, 5, 1, 1, 3, 1, 1], dtype=np.float32) + 2
    expected = PCA(2).fit(rows)
    found = drawn_map([str(k) for k in range(300)], Features(rows, np.arange(300)))
    signs = np.sign((expected.transform(rows) * found.places).sum(axis=0))
    np.testing.assert_allclose(found.places, expected.transform(rows) * signs, rtol=1e-3, atol=1e-3)
    assert found.share == pytest.approx(expected.explained_variance_ratio_.sum(), rel=1e-4)


@pytest.mark.parametrize("width", [1, 2])
def test_narrow_and_constant_features_have_a_map(width: int) -> None:
    for rows in (normal(9, width), np.ones((9, width), dtype=np.float32)):
        found = drawn_map(["a"] * 9, Features(rows, np.arange(9)))
        assert found.places.shape == (9, 2)
        assert np.isfinite(found.places).all()
        assert 0 < found.share <= 1.0001


@pytest.mark.slow
def test_a_study_has_one_map_that_its_runs_name(small: Callable[..., DictConfig]) -> None:
    folders = []
    for strategy in ("random", "margin"):
        cfg = small(f"strategy={strategy}")
        run(cfg)
        folders.append(run_folder(cfg))
    names = {read_status(folder)["data"]["map"] for folder in folders}
    assert len(names) == 1
    records = study_of(folders[0]) / ".data"
    found = read_map(records / names.pop())
    assert found is not None
    assert len(found.images) == len(set(found.images)) == read_status(folders[0])["data"]["split"]["pool"]
