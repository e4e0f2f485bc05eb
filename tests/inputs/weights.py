"""Files of weights, precision and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.features import timm_trunk, transformers_trunk
from coilal.features.build import build_backbone
from coilal.runs.rules import checked
from coilal.runs.settings import Settings
from coilal.runs.trainer import build_trainer
from tests.inputs.case import Case

TITLE = "Weights"
PLACE = 30

State = dict[str, Tensor]

NARROW: dict[str, Any] = {"stem_width": 8, "channels": [8, 8, 8, 8]}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
DINO = {"model_type": "dinov2", **SMALL}


def _timm(change: Callable[[State], Any], name: str = "w.pth") -> Callable[[Path], str]:
    def try_it(folder: Path) -> str:
        torch.manual_seed(0)
        state: State = timm.create_model("resnet10t", num_classes=3, **NARROW).state_dict()
        torch.save(change(state), folder / name)
        net = timm_trunk.build("resnet10t", NARROW, folder / name).net
        assert torch.equal(net.state_dict()["layer4.0.conv1.weight"], state["layer4.0.conv1.weight"])
        return "loaded"

    return try_it


def _hub(change: Callable[[Any], Any], config: dict[str, Any]) -> Callable[[Path], str]:
    def try_it(folder: Path) -> str:
        change(Dinov2Model(Dinov2Config(**SMALL))).save_pretrained(folder)
        net = transformers_trunk.build(config, folder).net
        return f"computed in {next(net.parameters()).dtype}"

    return try_it


def _torchvision(folder: Path) -> str:
    torch.save({"features.0.0.weight": torch.ones(32, 3, 3, 3)}, folder / "mobilenet_v2.pth")
    timm_trunk.build("mobilenetv2_035", weights=folder / "mobilenet_v2.pth")
    return "loaded"


def _code(folder: Path) -> str:
    torch.save(torch.nn.Linear(2, 2), folder / "model.pt")
    timm_trunk.build("resnet10t", NARROW, folder / "model.pt")
    return "loaded"


def _several(folder: Path) -> str:
    for name in ("best.pth", "last.pth"):
        torch.save({}, folder / name)
    timm_trunk.build("resnet10t", NARROW, folder)
    return "loaded"


def _settings(*overrides: str) -> Any:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        return compose("train", overrides=["trainer.accelerator=cpu", *overrides])


def _checked(*overrides: str) -> Callable[[Path], str]:
    def try_it(_: Path) -> str:
        checked(_settings(*overrides))
        return "accepted"

    return try_it


def _on_a_cpu(precision: str) -> Callable[[Path], str]:
    def try_it(folder: Path) -> str:
        settings = Settings.of(_settings(f"trainer.precision={precision}", f"outputs={folder}"))
        return f"computed in {build_trainer(settings).precision_plugin.precision}"

    return try_it


def _model(*overrides: str, channels: int = 1) -> Callable[[Path], str]:
    def try_it(_: Path) -> str:
        model = Settings.of(_settings("model.weights=none", *overrides)).model
        norm = (model.mean, model.std)
        build_backbone(instantiate(model.trunk), None, (56, 42), model.pooling, "head", norm, 0, channels)
        return "built"

    return try_it


def _prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def _without(state: State, words: str) -> State:
    return {name: tensor for name, tensor in state.items() if words not in name}


CASES: list[Case] = [
    Case("A file with its classifier", "read, with a line", "left over: fc.weight, fc.bias", _timm(lambda s: s)),
    Case(
        "Names that begin with `backbone.` or `module.`",
        "read, with a line",
        "names without 'backbone.'",
        _timm(lambda s: _prefixed(s, "backbone.")),
    ),
    Case(
        "A training script's checkpoint (`state_dict` or `model_state_dict` inside, beside an optimizer)",
        "read, with a line",
        "found inside 'model_state_dict'",
        _timm(lambda s: {"epoch": 1, "model_state_dict": s, "optimizer": {"state": {}}}),
    ),
    Case(
        "`teacher` and `student`, or an average (`ema`) beside the last weights",
        "read, with a line",
        "found inside 'teacher'",
        _timm(lambda s: {"student": s, "teacher": s}),
    ),
    Case("Blocks are missing", "refused", "tensors are missing, first", _timm(lambda s: _without(s, "layer4"))),
    Case(
        "BatchNorm's statistics are missing",
        "refused",
        "first conv1.1.running_mean",
        _timm(lambda s: _without(s, "running")),
    ),
    Case(
        "A larger network",
        "refused",
        "that it has no place for, first layer1.1.conv1.weight",
        _timm(lambda s: {**s, "layer1.1.conv1.weight": torch.ones(1)}),
    ),
    Case(
        "Another width",
        "refused",
        "have another shape",
        _timm(lambda s: {name: tensor[:1] for name, tensor in s.items() if tensor.ndim}),
    ),
    Case("torchvision's file of MobileNetV2", "refused", "These are torchvision's names", _torchvision),
    Case("A whole pickled network", "refused", "torch.save(model.state_dict(), FILE)", _code),
    Case("A folder with several files", "refused", "name one, for example model.weights=", _several),
    Case(
        "bfloat16, float16 or float64 in a file",
        "read, with a line",
        "(bfloat16)",
        _hub(lambda net: net.to(torch.bfloat16), DINO),
    ),
    Case("The same, computed with", "read", "torch.float32", _hub(lambda net: net.half(), DINO)),
    Case(
        "A hub folder of another size than `model` says",
        "refused",
        "hidden_size is 32 there and 48",
        _hub(lambda net: net, {**DINO, "hidden_size": 48}),
    ),
    Case(
        "`trainer.precision=bf16-true` (16-true, 64-true)",
        "refused",
        "32-true",
        _checked("trainer.precision=bf16-true"),
    ),
    Case(
        "`trainer.precision=16-mixed` on a CPU",
        "refused",
        "use trainer.precision=bf16-mixed",
        _on_a_cpu("16-mixed"),
    ),
    Case("`trainer.precision=bf16-mixed` on a CPU", "read", "bf16-mixed", _on_a_cpu("bf16-mixed")),
    Case(
        "`model.normalisation.mean=0.5`",
        "refused",
        "model.normalisation.mean is 0.5; allowed: a list of 1 or 3 numbers",
        _checked("model.normalisation.mean=0.5"),
    ),
    Case(
        "A normalisation on the scale 0 to 255",
        "refused",
        "each from 0 to 1",
        _checked("model=mobilenet", "model.normalisation.mean=[123.7,116.3,103.5]"),
    ),
    Case("A deviation of 0", "refused", "above 0 and up to 1", _checked("model.normalisation.std=[0]")),
    Case(
        "Three means for a network of one channel",
        "refused",
        "this network takes 1 channel",
        _model("model.normalisation.mean=[0.5,0.5,0.5]"),
    ),
    Case(
        "Colour images for a network of one channel",
        "refused",
        "data.image.mode=L",
        _model(channels=3),
    ),
    Case(
        '`"+model.trunk.arguments={pad_type: same}"`',
        "read",
        "built",
        _model(
            "model=mobilenet", "+model.trunk.arguments={pad_type: same}", "model.trunk.architecture=mobilenetv2_035"
        ),
    ),
    Case(
        "An argument that timm's network does not take",
        "refused",
        "does not take them",
        _model(
            "model=mobilenet", "+model.trunk.arguments={padding: same}", "model.trunk.architecture=mobilenetv2_035"
        ),
    ),
]
