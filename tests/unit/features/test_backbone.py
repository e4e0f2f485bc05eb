from __future__ import annotations

import pytest
import torch

from coilal.common.types import UserError
from coilal.features import timm_trunk, transformers_trunk
from coilal.features.backbone import Backbone
from coilal.features.trunk import Trunk

pytestmark = pytest.mark.slow


SIZE = (56, 42)
DINO = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "patch_size": 14,
}


def dino() -> Trunk:
    return transformers_trunk.build(DINO)


def trunk(name: str) -> Trunk:
    torch.manual_seed(0)
    return dino() if name == "dinov2" else timm_trunk.build(name)


def images(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 1, *SIZE), dtype=torch.uint8, generator=generator)


FAMILIES = [
    "dinov2",
    "mobilenetv2_050",
    "tf_efficientnetv2_b0",
    "resnet10t",
    "regnetx_002",
    "convnext_atto",
    "test_vit",
]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", ["head", 1, 2, "all"])
def test_prefix_and_suffix_give_what_the_whole_network_gives(name: str, trainable: str | int) -> None:
    size = SIZE if name != "test_vit" else (160, 160)
    x = torch.nn.functional.interpolate(images().float(), size).to(torch.uint8)
    backbone = Backbone(trunk(name), "mean", trainable, size)
    with torch.inference_mode():
        got = backbone.suffix(backbone.prefix(x))
        normalised = (x / 255 - backbone.mean) / backbone.std
        features = backbone.trunk.features(normalised)
        expected = features.mean((2, 3)) if features.ndim == 4 else features[:, 1:].mean(1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dinov2", "mobilenetv2_050"])
def test_only_the_suffix_is_trainable(name: str) -> None:
    backbone = Backbone(trunk(name), "mean", 1, SIZE)
    trained = {id(p) for p in backbone.trained.parameters()}
    assert trained
    for parameter in backbone.net.parameters():
        assert parameter.requires_grad == (id(parameter) in trained)
    assert not any(p.requires_grad for p in Backbone(trunk(name), "mean", "head", SIZE).net.parameters())
    assert all(p.requires_grad for p in Backbone(trunk(name), "mean", "all", SIZE).net.parameters())


def test_batchnorm_of_the_suffix_stays_frozen_in_training() -> None:
    backbone = Backbone(trunk("mobilenetv2_050"), "mean", 2, SIZE)
    norms = [m for m in backbone.trained.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    backbone.trained.train()
    backbone.freeze_statistics()
    backbone.suffix(backbone.prefix(images()))
    assert norms
    for norm, mean in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean)


def test_poolings_of_tokens() -> None:
    x = images()
    net = trunk("dinov2")
    with torch.inference_mode():
        tokens = net.features(
            (x / 255 - torch.tensor(net.mean).view(1, 3, 1, 1)) / torch.tensor(net.std).view(1, 3, 1, 1)
        )
        pooled = {
            p: Backbone(net, p, "head", SIZE).prefix(x) for p in ("cls", "mean", "max", "cls_mean", "mean_max")
        }
    torch.testing.assert_close(pooled["cls"], tokens[:, 0])
    torch.testing.assert_close(pooled["max"], tokens[:, 1:].amax(1))
    torch.testing.assert_close(pooled["cls_mean"], torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1))
    assert pooled["mean_max"].shape == (3, 64)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mobilenetv2_050", {"trainable": 99}, "1 to 7 blocks"),
        ("mobilenetv2_050", {"trainable": "some"}, "head, all, or a number"),
        ("mobilenetv2_050", {"pooling": "cls"}, "mean, max, mean_max"),
        ("dinov2", {"image_size": (60, 42)}, "multiples of 14, for example data.image.size=[56,42]"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name: str, settings: dict[str, object], message: str) -> None:
    given = {"pooling": "mean", "trainable": "head", "image_size": SIZE} | settings
    with pytest.raises(UserError) as error:
        Backbone(trunk(name), **given)  # type: ignore[arg-type]
    assert message in str(error.value)


@pytest.mark.parametrize("name", ["visformer_tiny", "volo_d1_224"])
def test_channels_are_those_of_the_first_convolution_not_of_positions_before_it(name: str) -> None:
    net = trunk(name)
    assert next(p for p in net.net.parameters() if p.ndim == 4).shape[1] > 3, "its positions come first"
    assert Backbone(net, "mean", "head", (224, 224)).features == 384
    with pytest.raises(UserError, match=r"this network takes 3 channels: give each as a list of 3"):
        Backbone(net, "mean", "head", (224, 224), mean=(0.45,), std=(0.23,))


UNCUTTABLE = {
    "a block that takes the size of the feature map": ("mvitv2_tiny", 1),
    "a block that takes several feature maps": ("hrnet_w18_small", 2),
    "a block that takes a list": ("cait_xxs24_224", 1),
    "rotary positions that the network hands to its blocks": ("eva02_tiny_patch14_224", 1),
    "others for each block": ("vit_small_patch16_rope_mixed_224", 2),
}


@pytest.mark.parametrize("case", UNCUTTABLE)
def test_a_network_whose_blocks_take_more_than_one_tensor_is_not_cut(case: str) -> None:
    name, trainable = UNCUTTABLE[case]
    net, size = trunk(name), (224, 224)
    with pytest.raises(UserError, match=rf"model\.trainable={trainable}.*use head or all"):
        Backbone(net, "mean", trainable, size)
    assert Backbone(net, "mean", "head", size).features


def test_a_network_with_one_number_for_its_patches() -> None:
    net = trunk("xcit_nano_12_p16_224")
    assert net.patch == 16 or net.prefix_tokens == 0
    assert Backbone(net, "mean", "head", (224, 224)).features == 128


def test_a_network_with_several_feature_maps_is_refused() -> None:
    with pytest.raises(UserError, match="several feature maps"):
        Backbone(trunk("coat_tiny"), "mean", "head", (224, 224))


class BlindToDark(torch.nn.Module):
    """A block list that is not what the network applies, except to black images."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 1, bias=False), torch.nn.Conv2d(4, 4, 1, bias=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x) * 2


def test_a_cut_is_checked_on_an_image_that_shows_the_difference() -> None:
    net = BlindToDark()
    blind = Trunk(net, net, list(net.blocks), [], "NCHW", 0, 1, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    with pytest.raises(UserError, match="cannot be cut"):
        Backbone(blind, "mean", 1, (8, 8))


def test_unknown_architecture_names_near_ones() -> None:
    with pytest.raises(UserError, match="mobilenetv2_100"):
        timm_trunk.build("mobilenetv2_99")


def test_an_argument_that_the_architecture_does_not_take_is_told() -> None:
    with pytest.raises(UserError, match=r"model\.trunk\.arguments.*no_such_argument"):
        timm_trunk.build("mobilenetv2_035", {"no_such_argument": 1})
