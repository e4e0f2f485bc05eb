"""Weights: resolved before torch is imported, loaded from the formats that timm and the hub write."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch
from omegaconf import DictConfig
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

from coilal.common.types import UserError
from coilal.features import timm_trunk, transformers_trunk
from coilal.features.weights import HUB_TIMEOUT_S, fingerprint, resolve
from coilal.runs.backbones import ensure_weights_fit
from coilal.runs.settings import Settings

CONFIG = {"model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    other = b.state_dict()
    return all(torch.equal(tensor, other[name]) for name, tensor in a.state_dict().items())


def test_timm_file_with_classifier_is_loaded_without_it(tmp_path: Path) -> None:
    published = timm.create_model("mobilenetv2_035", num_classes=1000)
    path = tmp_path / "model.safetensors"
    save_file(published.state_dict(), path)
    for weights in (path, tmp_path):
        net = timm_trunk.build("mobilenetv2_035", weights=weights).net
        assert same(net, published)
    assert not same(timm_trunk.build("mobilenetv2_035").net, published)


def test_transformers_folder_and_file(tmp_path: Path) -> None:
    published = Dinov2Model(Dinov2Config(**{k: v for k, v in CONFIG.items() if k != "model_type"}))
    published.save_pretrained(tmp_path)
    for weights in (tmp_path, tmp_path / "model.safetensors"):
        assert same(transformers_trunk.build(CONFIG, weights).net, published)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_file(timm.create_model("mobilenetv2_035").state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="do not fit"):
        timm_trunk.build("mobilenetv2_050", weights=tmp_path)
    with pytest.raises(UserError, match="do not fit"):
        transformers_trunk.build(CONFIG, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"config\.json"):
        transformers_trunk.build(CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("kind", "reread"), [(torch.float32, False), (torch.bfloat16, True), (torch.float16, True)]
)
def test_a_hub_folder_of_any_precision_is_computed_in_float32(
    kind: torch.dtype, reread: bool, tmp_path: Path
) -> None:
    published = Dinov2Model(Dinov2Config(**{k: v for k, v in CONFIG.items() if k != "model_type"})).to(kind)
    published.save_pretrained(tmp_path)
    for weights in (tmp_path, tmp_path / "model.safetensors"):
        trunk = transformers_trunk.build(CONFIG, weights)
        assert {p.dtype for p in trunk.net.parameters()} == {torch.float32}
        assert same(trunk.net, published.float())
        assert trunk.reread is reread


def test_a_hub_folder_of_another_network_is_refused_with_what_differs(tmp_path: Path) -> None:
    Dinov2Model(Dinov2Config(**{k: v for k, v in CONFIG.items() if k != "model_type"})).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"num_hidden_layers is 2 there and 3 in model\.trunk"):
        transformers_trunk.build({**CONFIG, "num_hidden_layers": 3}, tmp_path)
    with pytest.raises(UserError, match="num_layers is no setting of dinov2"):
        transformers_trunk.build({**CONFIG, "num_layers": 3}, tmp_path)


def test_weights_are_looked_at_once_and_what_is_known_of_them_is_kept(
    small: Callable[..., DictConfig], tmp_path: Path
) -> None:
    weights, loaded = tmp_path / "w.pth", []

    def load(reread: bool = True) -> Any:
        loaded.append(1)
        return SimpleNamespace(trunk=SimpleNamespace(reread=reread, told="weights: all of them"))

    cfg = small("model.weights=w.pth", f"cache.dir={tmp_path}/cache")
    assert [ensure_weights_fit(Settings.of(cfg), weights, "0123", load) for _ in range(3)] == [True] * 3
    assert len(loaded) == 1
    assert ensure_weights_fit(Settings.of(cfg), weights, "4567", lambda: load(False)) is False
    cfg.model.trunk.arguments.in_chans = 3
    ensure_weights_fit(Settings.of(cfg), weights, "0123", load)
    assert len(loaded) == 3, "other weights, another network"
    assert ensure_weights_fit(Settings.of(cfg), None, "random", load) is False
    assert len(loaded) == 3


def test_resolve_names(tmp_path: Path) -> None:
    assert resolve("none", "owner/name", "m") is None
    assert resolve(None, "owner/name", "m") is None
    assert resolve(str(tmp_path), None, "m") == tmp_path
    with pytest.raises(UserError, match="no such file"):
        resolve(str(tmp_path / "absent"), None, "m")
    with pytest.raises(UserError, match="no packaged weights"):
        resolve("packaged", None, "m")
    with pytest.raises(UserError, match="names no hub repository"):
        resolve("hub", None, "m")


@pytest.mark.slow
def test_unreachable_hub_ends_soon_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert HUB_TIMEOUT_S < 10
    monkeypatch.setattr("coilal.features.weights.HUB_TIMEOUT_S", 0.2)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def silent(*_: object, **__: object) -> None:
        time.sleep(60)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", silent)
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        resolve("hub", "owner/absent-model", "dino_s")
    assert time.monotonic() - start < 50
    assert "hf download owner/absent-model" in str(error.value)
    assert "model.weights=" in str(error.value)


def test_fingerprint_follows_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = fingerprint(tmp_path)
    (tmp_path / "a").write_bytes(b"2")
    assert fingerprint(tmp_path) != first
    assert fingerprint(None) == "random"
