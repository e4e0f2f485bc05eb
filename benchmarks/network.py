"""The network of the plain script and of baal, written as a user of timm writes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import timm
import torch
from torch import Tensor, nn

from benchmarks.workload import Contest, Network, Training


class Classifier(nn.Module):
    """Images in, logits out: a backbone, frozen but for its last blocks, and a linear head.

    Args:
        network: what to build.
        mean: float32 (D,), mean of the pooled features.
        std: float32 (D,), their deviation.
        classes: number of classes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network, mean: Tensor, std: Tensor, classes: int) -> None:
        super().__init__()
        self.backbone = Features(network)
        self.head = nn.Linear(len(mean), classes)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, K) of uint8 images (B, C, H, W)."""
        logits: Tensor = self.head((self.backbone(images) - self.mean) / self.std)
        return logits

    def train(self, mode: bool = True) -> Classifier:
        """Leave the backbone in eval mode: BatchNorm keeps its stored statistics."""
        super().train(mode)
        self.backbone.eval()
        return self


class Features(nn.Module):
    """Images in, pooled mean and maximum of the feature map out."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        arguments = dict(network.arguments)
        overlay = {**arguments.pop("pretrained_cfg_overlay", {}), "file": network.weights, "hf_hub_id": None}
        self.net = timm.create_model(
            network.architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **arguments
        )
        self.register_buffer("mean", torch.tensor(network.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(network.std).view(1, -1, 1, 1))
        self.requires_grad_(False)
        for part in self.trained_parts(network.trained_blocks):
            part.requires_grad_(True)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, D) of uint8 images (B, C, H, W); a grey channel is repeated."""
        return pooled(self.net.forward_features(self.normalised(images)))

    def normalised(self, images: Tensor) -> Tensor:
        """Return what enters the network."""
        values: Tensor = (images.float() / 255 - self.mean) / self.std
        return values

    def trained_parts(self, blocks: int) -> Sequence[nn.Module]:
        """Return the last blocks of a network of timm's EfficientNet family, and what follows them."""
        return [*self.net.blocks[-blocks:], self.net.conv_head, self.net.bn2] if blocks else []

    def frozen_parts(self, blocks: int) -> Sequence[nn.Module]:
        """Return what comes before ``trained_parts``."""
        return [self.net.conv_stem, self.net.bn1, *self.net.blocks[:-blocks]]


def pooled(feature_map: Tensor) -> Tensor:
    """Return mean and maximum over the positions: (B, D, H, W) → (B, 2 D)."""
    return torch.cat([feature_map.mean((2, 3)), feature_map.amax((2, 3))], dim=1)


def classifier(contest: Contest) -> Classifier:
    """Return the classifier of a contest."""
    mean, std = (torch.from_numpy(contest.array(name)) for name in ("mean", "std"))
    return Classifier(contest.workload.network, mean, std, contest.workload.classes)


def optimizer(model: Classifier, training: Training) -> torch.optim.AdamW:
    """Return AdamW with a group each for the head and the trained blocks."""
    groups = [{"params": list(model.head.parameters()), "lr": training.lr_head}]
    trained = [parameter for parameter in model.backbone.parameters() if parameter.requires_grad]
    if trained:
        groups.append({"params": trained, "lr": training.lr_backbone})
    return torch.optim.AdamW(groups, weight_decay=training.weight_decay)


class Images(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Decoded images with their labels."""

    def __init__(self, contest: Contest, ids: np.ndarray) -> None:
        self.images, self.labels, self.ids = contest.images, contest.labels, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.ids[index]
        return torch.from_numpy(np.array(self.images[image])), int(self.labels[image])
