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
from benchmarks.contestants import bound, coilal, plain, selection, startup
from benchmarks.network import classifier
from benchmarks.process import REPOSITORY
from benchmarks.report import Report
from benchmarks.workload import Contest, Training

pytestmark = pytest.mark.slow

COUNTS = (24, 48, 72)
SMALL = ["data=coils_rendered", "data.source.coils=12", "data.source.images_per_coil=16", "data.image.size=[56,42]"]


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> Contest:
    training = Training(epochs=8, batch_size=24, lr_head=1e-2)
    spec = specs.Spec("W1", (0, 1), COUNTS, training, ["model=tiny"], SMALL)
    return Contest(data.make_contest(spec, tmp_path_factory.mktemp("benchmark")))


@pytest.fixture(scope="module")
def reference(contest: Contest) -> Report:
    return bound_report(contest, "")


def bound_report(contest: Contest, variant: str) -> Report:
    """A process of its own, as in the benchmark: this one may have threads that do not survive a fork."""
    out = contest.folder / f"bound_{variant}.json"
    module = [sys.executable, "-m", "benchmarks.contestants.bound"]
    told = ["--contest", str(contest.folder), "--scratch", ".", "--out", str(out), "--variant", variant]
    subprocess.run([*module, *told], cwd=REPOSITORY, check=True, timeout=600)
    return Report.load(out)


def check(report: Report, reference: Report) -> None:
    assert [cycle.labelled for cycle in report.cycles] == [*COUNTS, *COUNTS]
    for count in COUNTS:
        part = Report([cycle for cycle in report.cycles if cycle.labelled == count])
        found = agreement(part, reference)
        assert abs(found.difference) < 0.15, str(found)  # 8 epochs on a few small images


def test_plain(contest: Contest, reference: Report) -> None:
    check(plain.run(contest), reference)
    assert len(plain.run(contest, seeds=1, cycles=1).cycles) == 1


@pytest.mark.parametrize("variant", ["cached", "one_process", "cached_one_process"])
def test_variants_of_the_bound(contest: Contest, reference: Report, variant: str) -> None:
    report = bound_report(contest, variant)
    assert [cycle.seed for cycle in report.cycles] == [0, 0, 0, 1, 1, 1]
    for found, expected in zip(report.cycles, reference.cycles, strict=True):
        assert found.macro_f1 == pytest.approx(expected.macro_f1, abs=0.1)


@pytest.mark.parametrize(("library", "name"), [("skactiveml", "scikit_activeml"), ("baal", "baal")])
def test_peers(contest: Contest, reference: Report, library: str, name: str) -> None:
    pytest.importorskip(library, reason=f"{library} comes with the group bench: uv sync --group bench")
    check(importlib.import_module(f"benchmarks.contestants.{name}").run(contest), reference)


def test_coilal(contest: Contest, reference: Report, tmp_path: Path) -> None:
    given = json.loads((contest.folder / "coilal.json").read_text())
    check(coilal.run(given, tmp_path), reference)
    to_work = startup.work_s(given, tmp_path / "cache", tmp_path / "start_up")
    assert startup.help_s() < to_work < 60
    assert not [*(tmp_path / "start_up").rglob("cycles.csv")]  # it was stopped before it had learnt anything


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


def test_the_bounds_fit_is_that_of_torch() -> None:
    training = Training(3, batch_size=8, lr_head=0.01, weight_decay=0.1)
    torch.manual_seed(0)
    features, labels = torch.randn(40, 6), torch.randint(3, (40,))
    labelled = torch.randperm(40)[:20]  # the last batch is smaller
    linear = torch.nn.Linear(6, 3)
    initial = torch.cat([linear.weight.detach(), linear.bias.detach()[:, None]], dim=1)
    torch.manual_seed(1)
    with torch.inference_mode():
        inputs = torch.cat([features, torch.ones(40, 1)], dim=1)
        head = bound.fit(inputs, torch.nn.functional.one_hot(labels, 3).float(), labelled, initial, training)
    optimizer = torch.optim.AdamW(linear.parameters(), lr=training.lr_head, weight_decay=training.weight_decay)
    torch.manual_seed(1)
    for _ in range(training.epochs):
        for rows in labelled[torch.randperm(20)].split(training.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(linear(features[rows]), labels[rows]).backward()
            optimizer.step()
    torch.testing.assert_close(head[:, :-1], linear.weight.detach())
    torch.testing.assert_close(head[:, -1], linear.bias.detach())


def test_the_bounds_head_starts_as_that_of_torch() -> None:
    torch.manual_seed(3)
    linear = torch.nn.Linear(6, 3)
    head = bound.initial_head(6, 3, seed=3)
    assert torch.equal(head, torch.cat([linear.weight, linear.bias[:, None]], dim=1))


def test_the_prefix_has_no_batchnorm_left(contest: Contest) -> None:
    assert "batch_norm" not in str(torch.jit.load(contest.folder / "prefix.pt").inlined_graph)


SAME = [
    *[
        (library, strategy)
        for strategy in ("margin", "entropy")
        for library in ("torch", "baal", "scikit_activeml")
    ],
    ("torch", "coreset"),
    ("scikit_activeml", "coreset"),
]


@pytest.mark.parametrize(("library", "strategy"), SAME)
def test_libraries_select_the_same_rows(library: str, strategy: str) -> None:
    needed = {"scikit_activeml": "skactiveml"}.get(library, library)
    pytest.importorskip(needed, reason=f"{needed} comes with the group bench: uv sync --group bench")
    inputs = selection.Inputs.drawn(2000, on_features=strategy == "coreset", with_passes=False)
    ours, theirs = (selection.LIBRARIES[name](strategy)(inputs) for name in ("coilal", library))
    assert set(ours.tolist()) == set(theirs.tolist())


@pytest.mark.parametrize("strategy", ["badge", "typiclust"])
@pytest.mark.parametrize("library", ["coilal", "torch", "scikit_activeml"])
def test_what_is_drawn_is_as_many_rows_of_the_pool(library: str, strategy: str) -> None:
    if library == "scikit_activeml":
        pytest.importorskip("skactiveml", reason="skactiveml comes with the group bench: uv sync --group bench")
    rows = selection.LIBRARIES[library](strategy)(selection.Inputs.drawn(3000, on_features=True, with_passes=False))
    assert len(set(rows.tolist())) == selection.BATCH
    assert set(rows.tolist()) <= set(range(3000))


def test_the_driver_imports_no_learning_library() -> None:
    code = "import sys, benchmarks.compare; print(sorted({'torch', 'timm', 'pandas', 'coilal'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"  # a large parent would show in the peak memory of its children
