"""Files of weights: every tensor of the network is in them, whatever is wrapped around, or they are refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from coilal.common.types import UserError
from coilal.features import timm_trunk
from coilal.features.trunk import Trunk
from coilal.features.weights_file import read

NAME = "resnet10t"
NARROW: dict[str, Any] = {"stem_width": 8, "channels": [8, 8, 16, 16]}

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Return a trained network with its classifier, as training scripts save it."""
    torch.manual_seed(0)
    return dict(timm.create_model(NAME, num_classes=5, **NARROW).state_dict())


def built(path: Path, content: Any, **arguments: Any) -> Trunk:
    """Save what a file holds, and build the network from it."""
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return timm_trunk.build(NAME, NARROW | arguments, path)


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def converted(state: State, kind: torch.dtype) -> State:
    return {name: tensor.to(kind) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def ensure_same(trunk: Trunk, state: State, rtol: float = 0.0) -> None:
    for name, tensor in trunk.net.state_dict().items():
        assert not tensor.is_floating_point() or tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, state[name], rtol=rtol, atol=0.0)


def more(state: State) -> State:
    return {name: tensor + 1 for name, tensor in state.items()}


def without(state: State, words: str) -> State:
    return {name: tensor for name, tensor in state.items() if words not in name}


ONE = torch.ones(1)
WRAPPINGS: dict[str, tuple[Callable[[State], Any], str, bool]] = {
    "nothing": (lambda s: s, "2 left over: fc.weight, fc.bias", False),
    "module.": (lambda s: prefixed(s, "module."), "names without 'module.'", False),
    "backbone.": (lambda s: prefixed(s, "backbone."), "names without 'backbone.'", True),
    "state_dict": (lambda s: {"epoch": 3, "state_dict": s}, "found inside 'state_dict'", False),
    "a name of one's own": (lambda s: {"step": 3, "weights_of_it": s}, "found inside 'weights_of_it'", True),
    "with an optimizer": (
        lambda s: {"model_state_dict": s, "optimizer": {"state": {0: {"step": ONE}}}},
        "found inside 'model_state_dict'",
        True,
    ),
    "teacher": (
        lambda s: {"student": prefixed(more(s), "backbone."), "teacher": prefixed(s, "backbone.")},
        "found inside 'teacher'; names without 'backbone.'",
        True,
    ),
    "a Lightning module": (
        lambda s: {"state_dict": {**prefixed(s, "net.backbone."), "net.head.w": ONE, "loss.weight": ONE}},
        "names without 'net.backbone.', 2 tensors that stand elsewhere are not used",
        True,
    ),
    "average beside the last": (
        lambda s: {**prefixed(more(s), "model."), **prefixed(s, "model_ema.module.")},
        "names without 'model_ema.module.'",
        True,
    ),
}


@pytest.mark.parametrize("case", WRAPPINGS)
def test_what_is_wrapped_around_is_taken_off_with_a_line(
    case: str, state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wrapped, line, reread = WRAPPINGS[case]
    trunk = built(tmp_path / "w.pth", wrapped(state))
    ensure_same(trunk, state)
    assert trunk.reread is reread, "whether timm would have found these tensors, too"
    assert line in caplog.text
    assert f"all {len(state) - 2} tensors of timm's '{NAME}' are in w.pth (float32)" in caplog.text


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_whatever_the_files_precision_the_network_is_float32(
    kind: torch.dtype, suffix: str, state: State, tmp_path: Path
) -> None:
    there = converted(state, kind)
    ensure_same(built(tmp_path / f"w{suffix}", there), converted(there, torch.float32))


REFUSED: dict[str, tuple[Callable[[State], Any], str]] = {
    "a block missing": (
        lambda s: without(s, "layer4"),
        r"15 of its 90 tensors are missing, first layer4\.0\.conv1\.weight",
    ),
    "statistics missing": (lambda s: without(s, "running"), r"missing, first conv1\.1\.running_mean"),
    "no name fits": (
        lambda s: {f"x{i}.weight": v for i, v in enumerate(s.values())},
        r"missing, first conv1\.0\.weight.* no place for, first x0\.weight",
    ),
    "a head alone": (lambda s: {"fc.weight": s["fc.weight"]}, "are missing"),
    "a larger network": (
        lambda s: {**s, "layer1.1.conv1.weight": ONE},
        r"no place for, first layer1\.1\.conv1\.weight",
    ),
    "two networks": (lambda s: {**prefixed(s, "a."), **prefixed(s, "b.")}, r"2 networks of this kind, a\., b\."),
    "two in a dictionary": (lambda s: {"one": s, "two": s}, "one, two side by side"),
    "a whole network": (lambda s: timm.create_model(NAME, **NARROW), r"torch\.save\(model\.state_dict\(\), FILE\)"),
    "a list": (lambda s: list(s.values()), "holds a list"),
    "quantised": (lambda s: converted(s, torch.int8), "quantised"),
    "NaN": (lambda s: {**s, "conv1.1.bias": s["conv1.1.bias"] * float("nan")}, r"conv1\.1\.bias holds NaN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_the_first_names(case: str, state: State, tmp_path: Path) -> None:
    content, words = REFUSED[case]
    with pytest.raises(UserError, match=words):
        built(tmp_path / "w.pth", content(state))


def test_another_width_is_refused_with_both_shapes(state: State, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"layer3\.0\.conv1\.weight is \[16, 8, 3, 3\] in the file and \[24, 8, 3, 3\]"
    ):
        built(tmp_path / "w.pth", state, channels=[8, 8, 24, 16])


def test_torchvisions_names_are_named_as_such(tmp_path: Path) -> None:
    torch.save({"features.0.0.weight": torch.ones(32, 3, 3, 3)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="These are torchvision's names"):
        timm_trunk.build("mobilenetv2_035", weights=tmp_path / "w.pth")


def test_weights_of_three_channels_serve_one(
    state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    net = built(tmp_path / "w.pth", state, in_chans=1).net.state_dict()
    first = state["conv1.0.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(net["conv1.0.weight"], first)
    assert "conv1.0.weight made for 1 channels, not 3" in caplog.text


def test_a_pickle_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "touched",)

    torch.save({"a.weight": Evil()}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="would run code"):
        read(tmp_path / "w.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_damaged_file_is_told_by_name(name: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / name
    built(path, state)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match=rf"{name} \([\d,]+ bytes\) cannot be read as weights"):
        read(path)


def test_of_several_files_the_usual_one_is_used_and_said_or_one_is_to_be_named(
    state: State, tmp_path: Path
) -> None:
    for name in ("best.safetensors", "last.safetensors"):
        save_file(state, tmp_path / name)
    with pytest.raises(UserError, match=r"best\.safetensors, last\.safetensors\); name one") as refused:
        read(tmp_path)
    advice = str(refused.value).rsplit("model.weights=", 1)[1]
    assert read(Path(advice)).path.name == "best.safetensors"
    save_file(state, tmp_path / "model.safetensors")
    file = read(tmp_path)
    assert file.path.name == "model.safetensors"
    assert file.notes == ("model.safetensors of the folder is used, not best.safetensors, last.safetensors",)


@pytest.mark.parametrize("name", ["w.onnx", "w.h5", "w"])
def test_other_formats_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1")
    with pytest.raises(UserError, match=r"give a \.safetensors file, or one of \.pth"):
        read(tmp_path / name)
