from __future__ import annotations

import pytest
import torch

from coilal.features import timm_trunk
from coilal.features.backbone import Backbone, PooledFeatures
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.standardise import Statistics
from coilal.fit.tasks.multiclass import Multiclass


def holding(module: CoilModule, *seeds: int) -> CoilModule:
    seeds = seeds or (0,)
    module.hold([module.shape.initial(seed) for seed in seeds], [Optimizer(1e-3, 1e-4, 1e-2)] * len(seeds))
    return module


@pytest.mark.parametrize(("trainable", "number"), [("head", 0), (1, 1)])
def test_only_a_trained_backbone_is_compiled(
    trainable: str | int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", trainable, (32, 32))
    shape = HeadShape(backbone.features, 3)
    CoilModule(backbone, shape, Multiclass(), compiled=True)
    assert len(compiled) == number
    CoilModule(backbone, shape, Multiclass())
    assert len(compiled) == number


def test_the_memory_format_of_the_boundary_changes_nothing() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", 1, (32, 32))
    module = holding(CoilModule(backbone, HeadShape(backbone.features, 3), Multiclass())).eval()
    boundary = backbone.prefix(torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8))
    assert boundary.ndim == 4
    expected = module.heads[0](backbone.suffix(boundary).unsqueeze(0))
    torch.testing.assert_close(module(boundary.unsqueeze(0)), expected)


def test_a_head_on_stored_features_needs_no_backbone() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", "head", (32, 32))
    boundary = backbone.prefix(torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8))
    logits = []
    for part in (backbone, PooledFeatures(backbone.features)):
        module = holding(CoilModule(part, HeadShape(backbone.features, 3, (8,)), Multiclass())).eval()
        module.standardise(Statistics.of(boundary))
        logits.append(module(boundary.unsqueeze(0)))
    assert torch.equal(*logits)


def test_rounding_of_a_constant_feature_is_not_made_a_signal() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", "head", (32, 32))
    module = CoilModule(backbone, HeadShape(backbone.features, 3), Multiclass())
    features = torch.randn(2048, backbone.features, generator=torch.Generator().manual_seed(0))
    usual = features[:, 1:].std(0, correction=0)
    features[:, 0] = 1000.1
    features[::2, 0] += 1e-4
    module.standardise(Statistics.of(features))
    constant = (features[:, 0] - module.feature_mean[0]) / module.feature_std[0]
    assert constant.abs().max() < 0.1
    assert torch.equal(module.feature_std[1:], usual)
