from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from coilal.common.device_memory import BatchSize
from coilal.features import timm_trunk
from coilal.features.backbone import Backbone
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.scoring import Scorer, evaluating
from coilal.fit.standardise import Statistics, standardised
from coilal.fit.tasks.multiclass import Multiclass

CPU = torch.device("cpu")
FEATURES = np.random.default_rng(0).normal(3, 7, (5000, 6)).astype(np.float32)


def test_features_in_memory_are_standardised_once_and_in_place() -> None:
    features = FEATURES.copy()
    inputs = standardised(features, Statistics.of(torch.from_numpy(FEATURES)), CPU)
    assert inputs.standardised
    assert inputs.rows.boundary is features
    expected = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["mapped", "activations"])
def test_what_is_mapped_or_enters_a_trained_block_is_left_alone(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", FEATURES)
    arrays = {
        "mapped": np.load(tmp_path / "features.npy", mmap_mode="r"),
        "activations": FEATURES.copy().reshape(5000, 6, 1, 1),
    }
    inputs = standardised(arrays[kind], Statistics.of(torch.from_numpy(FEATURES)), CPU)
    assert not inputs.standardised
    np.testing.assert_array_equal(np.asarray(inputs.rows.boundary).reshape(FEATURES.shape), FEATURES)


@pytest.mark.parametrize("wanted", [100, 40], ids=["scored as they lie", "gathered"])
def test_the_logits_are_those_of_a_module_that_standardises_each_batch(wanted: int) -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", "head", (32, 32))
    module = CoilModule(backbone, HeadShape(backbone.features, 3), Multiclass())
    module.hold([module.shape.initial(seed) for seed in (0, 1)], [Optimizer(1e-3, 1e-4, 1e-2)] * 2)
    features = np.random.default_rng(1).normal(2, 3, (120, backbone.features)).astype(np.float32)
    statistics = Statistics.of(torch.from_numpy(features))
    ids = np.random.default_rng(2).permutation(120)[:wanted]
    module.standardise(statistics)
    with torch.inference_mode():
        expected = module(torch.from_numpy(features[ids]).unsqueeze(0))
    inputs = standardised(features.copy(), statistics, CPU)
    module.standardise(statistics, inputs.standardised)
    with evaluating(module):
        scorer = Scorer(inputs.rows, 3, BatchSize("", 32, ""), nullcontext, 10**9)
        scored = list(scorer.score(module.logits, [ids, ids]))
    torch.testing.assert_close(torch.stack([each.logits for each in scored]), expected)
