"""Small random networks of every backbone family, cut anywhere."""

from __future__ import annotations

import torch

from coilal.features import timm_trunk, transformers_trunk
from coilal.features.backbone import Backbone
from coilal.features.trunk import Trunk

FAMILIES = ["dinov2", "tf_efficientnetv2_b0", "mobilenetv2_050", "resnet10t", "convnext_atto", "test_vit"]
WITH_BATCHNORM = ["tf_efficientnetv2_b0", "mobilenetv2_050", "resnet10t"]
SIZE = {"test_vit": (64, 48)}
DINO = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "patch_size": 14,
}


def size(name: str) -> tuple[int, int]:
    return SIZE.get(name, (56, 42))


def trunk(name: str) -> Trunk:
    """Return a network with random weights, the same one at each call.

    BatchNorm does something, but little: deep random networks are chaotic, and small changes of the statistics
    keep the difference between images well above the rounding.
    """
    torch.manual_seed(0)
    built = transformers_trunk.build(DINO) if name == "dinov2" else timm_trunk.build(name)
    for module in built.net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.05)
            module.running_var.uniform_(0.8, 1.2)
    return built


def backbone(name: str, trainable: str | int) -> Backbone:
    """Return the network, cut."""
    return Backbone(trunk(name), "mean", trainable, size(name))
