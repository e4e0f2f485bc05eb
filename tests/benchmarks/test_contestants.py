"""Every contestant on a tiny workload: all learn the same from the same starting sets."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import data, specs
from benchmarks.agreement import agreement
from benchmarks.contestants import bound, coilal, plain, selection
from benchmarks.network import classifier
from benchmarks.report import Report
from benchmarks.workload import Contest, Training

COUNTS = (24, 48, 72)
SMALL = ["data=coils_rendered", "data.source.coils=12", "data.source.images_per_coil=16", "data.image.size=[56,42]"]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    training = Training(epochs=8, batch_size=24, lr_head=1e-2)
    spec = specs.Spec("W1", (0, 1), COUNTS, training, ["model=tiny"], SMALL)
    return Contest(data.make_contest(spec, tmp_path_factory.mktemp("benchmark")))


@pytest.fixture(scope="module")
def reference(contest: Contest) -> Report:
    torch_threads = torch.get_num_threads()
    report = bound.run(contest)
    torch.set_num_threads(torch_threads)
    return report


def check(report: Report, reference: Report) -> None:
    assert [cycle.labelled for cycle in report.cycles] == [*COUNTS, *COUNTS]
    for count in COUNTS:
        part = Report([cycle for cycle in report.cycles if cycle.labelled == count])
        found = agreement(part, reference)
        assert abs(found.difference) < 0.15, str(found)  # 8 epochs on a few small images


def test_plain(contest: Contest, reference: Report) -> None:
    check(plain.run(contest), reference)
    assert len(plain.run(contest, seeds=1, cycles=1).cycles) == 1


@pytest.mark.parametrize("variant", ["cached", "together"])
def test_variants_of_the_bound(contest: Contest, reference: Report, variant: str) -> None:
    report = bound.run(contest, variant)
    report.cycles.sort(key=lambda cycle: cycle.seed)
    check(report, reference)


@pytest.mark.parametrize(("library", "name"), [("skactiveml", "scikit_activeml"), ("baal", "baal")])
def test_peers(contest: Contest, reference: Report, library: str, name: str) -> None:
    pytest.importorskip(library, reason=f"{library} comes with the group bench: uv sync --group bench")
    check(importlib.import_module(f"benchmarks.contestants.{name}").run(contest), reference)


@pytest.mark.slow
def test_coilal(contest: Contest, reference: Report, tmp_path: Path) -> None:
    given = json.loads((contest.folder / "coilal.json").read_text())
    check(coilal.run(given, tmp_path, cached=False), reference)


def test_coilal_must_start_from_the_same_images(tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("cycle,rank,image\n0,0,a.png\n0,1,b.png\n1,0,c.png\n")
    coilal.check_start(tmp_path, ["a.png", "b.png"])
    with pytest.raises(ValueError, match="did not start from the images"):
        coilal.check_start(tmp_path, ["a.png", "c.png"])


def test_everybody_has_the_same_features(contest: Contest) -> None:
    images = torch.from_numpy(contest.images[:20].copy())
    model = classifier(contest)
    with torch.inference_mode():
        theirs = (model.backbone(images) - model.mean) / model.std
    np.testing.assert_allclose(contest.array("features")[:20], theirs, atol=1e-3)


def test_adamw_is_that_of_torch() -> None:
    training = Training(1, lr_head=0.01, weight_decay=0.1)
    torch.manual_seed(0)
    ours, theirs = torch.ones(5, 3), torch.nn.Parameter(torch.ones(5, 3))
    optimizer = torch.optim.AdamW([theirs], lr=training.lr_head, weight_decay=training.weight_decay)
    first, second = torch.zeros(5, 3), torch.zeros(5, 3)
    for step in range(1, 20):
        gradient = torch.randn(5, 3)
        bound.adamw(ours, gradient, first, second, step, training)
        theirs.grad = gradient
        optimizer.step()
    torch.testing.assert_close(ours, theirs.detach())


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
@pytest.mark.parametrize("library", ["torch", "baal", "scikit_activeml"])
def test_libraries_select_the_same_rows(library: str, strategy: str) -> None:
    needed = {"scikit_activeml": "skactiveml"}.get(library, library)
    pytest.importorskip(needed, reason=f"{needed} comes with the group bench: uv sync --group bench")
    logits = np.random.default_rng(1).standard_normal((2000, 8), dtype=np.float32)
    ours, theirs = (selection.LIBRARIES[name](strategy)(logits) for name in ("coilal", library))
    assert set(ours.tolist()) == set(theirs.tolist())


def test_the_driver_imports_no_learning_library() -> None:
    code = "import sys, benchmarks.compare; print(sorted({'torch', 'timm', 'pandas', 'coilal'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"  # a large parent would show in the peak memory of its children
