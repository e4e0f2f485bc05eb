"""How numbers are computed: which precisions are offered, the head in float32, TF32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from pytorch_lightning.plugins.precision import MixedPrecision

from coilal.common.device_memory import BatchSize
from coilal.common.types import UserError
from coilal.features.backbone import PooledFeatures
from coilal.fit.batches import Batch
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import infer
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.tasks.multilabel import Multilabel
from coilal.runs.precision import ensure_as_asked, frozen_weights, set_tf32, words
from coilal.runs.rules import checked
from coilal.runs.settings import Settings
from coilal.runs.trainer import build_trainer
from tests.unit.fit.test_loop import Memory, in_the_loop

pytestmark = pytest.mark.slow


Composed = Callable[..., DictConfig]
CPU, GPU = torch.device("cpu"), torch.device("cuda")
HALF = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("precision", ["32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16"])
def test_precisions_that_are_offered(composed: Composed, precision: str) -> None:
    checked(composed(f"trainer.precision={precision}"))


WHOLLY_IN_ANOTHER = ["bf16-true", "16-true", "64-true", "64", "transformer-engine", "transformer-engine-float16"]


@pytest.mark.parametrize("precision", [*WHOLLY_IN_ANOTHER, "7", "null"])
def test_precisions_that_are_refused(composed: Composed, precision: str) -> None:
    with pytest.raises(UserError, match=r"trainer\.precision is .*; allowed: 32-true, bf16-mixed or, on a GPU"):
        checked(composed(f"trainer.precision={precision}"))


def test_half_precision_of_16_bits_is_refused_on_a_cpu(composed: Composed, tmp_path: Path) -> None:
    def settings(precision: str) -> Settings:
        return Settings.of(composed("trainer.accelerator=cpu", f"outputs={tmp_path}", precision))

    for asked in ("16-mixed", "16"):
        with pytest.raises(UserError, match=r"needs a GPU.*use trainer\.precision=bf16-mixed"):
            build_trainer(settings(f"trainer.precision={asked}"))
    advised = build_trainer(settings("trainer.precision=bf16-mixed"))
    assert advised.precision_plugin.precision == "bf16-mixed"
    ensure_as_asked("16-mixed", SimpleNamespace(precision="16-mixed"))


def head_alone(task: Any = None) -> CoilModule:
    module = CoilModule(PooledFeatures(64), HeadShape(64, 8, (32,)), task or Multiclass())
    module.hold([module.shape.initial(0)], [Optimizer(1e-2, 1e-3, 1e-2)])
    return module.eval()


@pytest.mark.parametrize("kind", HALF)
def test_logits_are_those_of_float32_under_autocast(kind: torch.dtype) -> None:
    features = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    forward, rows, ids = (
        partial(head_alone().logits, heads=[0]),
        Rows(features, torch.device("cpu"), 0),
        np.arange(5000),
    )
    plain = infer(forward, rows, ids, BatchSize("", 512, ""), lambda: torch.autocast("cpu", enabled=False))
    half = infer(forward, rows, ids, BatchSize("", 512, ""), lambda: torch.autocast("cpu", dtype=kind))
    assert torch.equal(plain, half)
    assert len(torch.unique(half)) > 0.98 * half.numel(), "rows can be told apart"


@pytest.mark.parametrize("kind", HALF)
@pytest.mark.parametrize("task", [Multiclass(), Multilabel()], ids=["multiclass", "multilabel"])
def test_loss_and_gradients_are_float32_under_autocast(task: Any, kind: torch.dtype) -> None:
    values = torch.randint(0, 2, (1, 16, 8)) if isinstance(task, Multilabel) else torch.randint(0, 8, (1, 16))
    features, found = torch.randn(1, 16, 64), []
    for enabled in (False, True):
        module = head_alone(task)
        with torch.autocast("cpu", dtype=kind, enabled=enabled):
            loss = module.training_step(Batch(features, values), 0)
        loss.backward()
        assert loss.dtype == torch.float32
        found.append([loss.detach(), *(p.grad for p in module.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_16_mixed_scales_the_loss_anew_in_each_cycle_so_that_a_resume_repeats() -> None:
    """On a CPU: Lightning's plugin for it, which ``precision=16-mixed`` brings on a GPU only."""

    def plugin() -> MixedPrecision:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=2)  # changes within a cycle
        return MixedPrecision("16-mixed", "cpu", scaler)

    whole = Memory()
    trained = in_the_loop("head", whole, plugins=[plugin()])
    assert all(parameter.dtype == torch.float32 for parameter in trained.parameters())
    assert all(torch.isfinite(logits).all() for logits in whole.logits)
    resumed = plugin()
    cut = whole.cut(2)
    in_the_loop("head", cut, plugins=[resumed])
    assert resumed.scaler is not None
    assert resumed.scaler.get_scale() != 2.0**40, "the scale has changed within a cycle"
    assert cut.queries == whole.queries
    assert all(torch.equal(one, other) for one, other in zip(cut.logits, whole.logits[2:], strict=True))


@pytest.fixture
def as_found() -> Iterator[None]:
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = convolution


@pytest.mark.usefixtures("as_found")
def test_tf32_is_set_for_a_gpu_and_left_alone_on_a_cpu() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    set_tf32(True, CPU)
    assert before == (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32)
    for allowed in (True, False):
        set_tf32(allowed, GPU)
        # each of torch's switches can be asked without an error about a mixture, as Lightning and torch.compile do
        assert torch.get_float32_matmul_precision() == ("high" if allowed else "highest")
        assert torch.backends.cuda.matmul.allow_tf32 is allowed
        assert torch.backends.cudnn.allow_tf32 is allowed
        kinds = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
        assert all((kind == "tf32") is allowed for kind in kinds)
    assert words("32-true", False, GPU) == "precision 32-true, float32 without TF32"
    assert words("bf16-mixed", True, CPU) == "precision bf16-mixed"


@pytest.mark.parametrize(
    ("precision", "device", "weights"),
    [
        ("bf16-mixed", GPU, torch.bfloat16),
        ("16-mixed", GPU, None),
        ("32-true", GPU, None),
        ("bf16-mixed", CPU, None),
    ],
)
def test_frozen_weights_are_in_bfloat16_where_a_gpu_computes_in_it(
    precision: str, device: torch.device, weights: torch.dtype | None
) -> None:
    assert frozen_weights(precision, device) == weights
