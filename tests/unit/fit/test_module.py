from __future__ import annotations

import pytest
import torch

from coilal.features import timm_trunk
from coilal.features.backbone import Backbone, PooledFeatures
from coilal.fit.module import CoilModule, Optimizer
from coilal.fit.standardise import Statistics
from coilal.fit.tasks.multiclass import Multiclass


@pytest.mark.parametrize(("trainable", "number"), [("head", 0), (1, 1)])
def test_only_a_trained_backbone_is_compiled(
    trainable: str | int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", trainable, (32, 32))
    optimizer = Optimizer(1e-3, 1e-4, 1e-2)
    CoilModule(backbone, 3, Multiclass(), optimizer, compiled=True)
    assert len(compiled) == number
    CoilModule(backbone, 3, Multiclass(), optimizer)
    assert len(compiled) == number


def test_the_memory_format_of_the_boundary_changes_nothing() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", 1, (32, 32))
    module = CoilModule(backbone, 3, Multiclass(), Optimizer(1e-3, 1e-4, 1e-2)).eval()
    boundary = backbone.prefix(torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8))
    assert boundary.ndim == 4
    torch.testing.assert_close(module(boundary), module.head(backbone.suffix(boundary)))


def test_a_head_on_stored_features_needs_no_backbone() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", "head", (32, 32))
    boundary = backbone.prefix(torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8))
    logits = []
    for part in (backbone, PooledFeatures(backbone.features)):
        torch.manual_seed(0)
        module = CoilModule(part, 3, Multiclass(), Optimizer(1e-3, 1e-4, 1e-2), hidden=(8,)).eval()
        module.standardise(Statistics.of(boundary))
        logits.append(module(boundary))
    assert torch.equal(*logits)


def test_rounding_of_a_constant_feature_is_not_made_a_signal() -> None:
    backbone = Backbone(timm_trunk.build("mobilenetv2_035"), "mean", "head", (32, 32))
    module = CoilModule(backbone, 3, Multiclass(), Optimizer(1e-3, 1e-4, 1e-2))
    features = torch.randn(2048, backbone.features, generator=torch.Generator().manual_seed(0))
    usual = features[:, 1:].std(0, correction=0)
    features[:, 0] = 1000.1
    features[::2, 0] += 1e-4
    module.standardise(Statistics.of(features))
    constant = (features[:, 0] - module.feature_mean[0]) / module.feature_std[0]
    assert constant.abs().max() < 0.1
    assert torch.equal(module.feature_std[1:], usual)
