"""The benchmark of GPUs, as far as a CPU can tell: its measuring functions on tiny work, and its page."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.goals import Goal
from benchmarks.gpu import parts, study
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.extraction import extraction_rate
from benchmarks.gpu.forward import AUTOCAST, CHANNELS_LAST, FLOAT32, HALF, TF32, forward_rates, tf32
from benchmarks.gpu.networks import Bare
from benchmarks.gpu.page import document
from benchmarks.gpu.parts import PARTS, Bench, Found
from benchmarks.gpu.pictures import pictures
from benchmarks.gpu.step import BareStep, step_seconds
from coilal.common.types import DecodedImages
from coilal.runs.rules import checked
from coilal.runs.settings import Settings
from tests.unit.features.families import backbone, size

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def images(name: str, count: int = 20) -> DecodedImages:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 1, *size(name)), dtype=np.uint8)
    return DecodedImages(pixels, "", np.zeros(count, np.uint64))


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu"])
    main()
    assert capsys.readouterr().out == "There is no CUDA device here: nothing is measured.\n"


@pytest.mark.parametrize(("name", "order"), [("dinov2", ""), ("resnet10t", CHANNELS_LAST)])
def test_a_bare_forward_pass_is_measured_in_each_way(name: str, order: str) -> None:
    bare = Bare.of(backbone(name, "head"))
    rates = forward_rates(
        bare, torch.from_numpy(images(name, 2).pixels), full=True, compiled=False, repeats=1, least_s=0
    )
    ways = {FLOAT32, TF32, AUTOCAST, AUTOCAST + order, HALF + order}
    assert set(rates) == ways
    assert min(rates.values()) > 0


@pytest.mark.parametrize("name", ["dinov2", "resnet10t"])
def test_a_bare_forward_pass_does_the_work_of_coilal(name: str) -> None:
    net, pixels = backbone(name, "head"), torch.from_numpy(images(name, 2).pixels)
    net.pooling = "cls_mean" if name == "dinov2" else "mean_max"
    net.mean.fill_(0.45)
    net.std.fill_(0.23)
    with torch.no_grad():
        torch.testing.assert_close(Bare.of(net)(pixels), net.prefix(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("trainable", "weights"), [("head", None), (1, torch.bfloat16)])
def test_coilals_extraction_is_measured(trainable: str | int, weights: torch.dtype | None, tmp_path: Path) -> None:
    rate = extraction_rate(backbone("dinov2", trainable), images("dinov2"), tmp_path, CPU, weights, repeats=1)
    assert rate > 0
    assert not list(tmp_path.iterdir())


def test_tf32_is_as_it_was_afterwards() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with tf32():
        assert torch.get_float32_matmul_precision() == "high"
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)


def test_the_bare_step_trains() -> None:
    torch.manual_seed(0)
    labels = torch.arange(64) % 2
    features = torch.randn(64, 5) + labels.unsqueeze(1)
    step = BareStep(features, labels, heads=3, classes=2)
    for _ in range(100):
        step()
    predicted = torch.baddbmm(step.bias, features.expand(3, -1, -1), step.weight).argmax(2)
    assert (predicted == labels).float().mean() > 0.7
    assert step_seconds(3, CPU, images=64, width=5, classes=2) > 0


def test_pictures_differ_and_are_as_many_as_wanted(tmp_path: Path) -> None:
    some = pictures(40, (28, 28), tmp_path, rendered=16).pixels
    assert some.shape == (40, 1, 28, 28)
    assert len(np.unique(some.reshape(40, -1), axis=0)) == 40
    assert some.std() > 1


def test_the_grid_is_one_that_coilal_takes(composed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    flag, *overrides = study.grid(tmp_path)
    assert flag == "-m"
    swept = {key: value.split(",") for key, value in (one.split("=") for one in overrides)}
    assert len(swept["strategy"]) * len(swept["seed"]) == parts.CELLS == 64
    cfg = composed(*(f"{key}={values[-1]}" for key, values in swept.items()))
    checked(cfg)
    assert Settings.of(cfg).model.batch_size == parts.BATCH
    assert cfg.trainer.max_epochs == 50


def test_what_a_step_takes_is_read_off_the_run_directories(tmp_path: Path) -> None:
    for seed in range(2):
        run = tmp_path / "outputs" / "grid" / f"seed{seed}"
        run.mkdir(parents=True)
        pd.DataFrame({"labelled": [16, 40], "fit_s": [1.0, 2.0]}).to_csv(run / "cycles.csv", index=False)
    runs = study.cycles("grid", tmp_path)
    assert study.fit_seconds(runs) == 6
    assert study.steps(runs[0], batch=32) == 50 * (1 + 2)
    with pytest.raises(FileNotFoundError):
        study.cycles("other", tmp_path)


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no_such_strategy"):
        study.train("x", tmp_path, "strategy=no_such_strategy")


def test_the_ratios_are_those_of_the_rates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = {FLOAT32: 100.0, TF32: 200.0, AUTOCAST: 300.0, HALF: 400.0, "bf16 weights, compiled": 500.0}
    monkeypatch.setattr(Bench, "bare_rates", lambda *_, **__: bare)
    monkeypatch.setattr(Bench, "coilal_rate", lambda *_, **__: 240.0)
    bench = Bench(tmp_path, CPU)
    values = {name: [goal.value for goal in PARTS[name](bench).goals] for name in ("dino_s", "effnet")}
    assert values["dino_s"] == pytest.approx([0.6, 0.48, 2.4, 1.2, 0.6])
    assert values["effnet"] == pytest.approx([0.48])


def test_the_page_shows_goals_figures_and_what_failed() -> None:
    found = {"a": Found({"bare": "4,428 images/s"}, [Goal("extraction", 0.95, 0.9, False)])}
    page = document(found, {"heads": "out of memory"}, 300, "Card: H200.")
    assert "| extraction | 0.950 × | ≥ 0.9 × | pass |" in page
    assert "| bare | 4,428 images/s |" in page
    assert "- heads was not measured: out of memory" in page
    assert "Card: H200." in page
