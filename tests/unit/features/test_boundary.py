"""Outputs of the frozen prefix: what is stored, when it is computed again, and that it changes no selection."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from coilal.active.outputs import PoolOutputs, Selection
from coilal.active.strategies.entropy import entropy
from coilal.active.strategies.multiclass import margin
from coilal.common import long_work
from coilal.common.array_store import seconds_waited, store
from coilal.common.device_memory import BatchSize
from coilal.common.types import AugmentedArray, DecodedImages, ImageFormat, UserError
from coilal.demo.rendered import RenderedCoils
from coilal.features import boundary as features
from coilal.features import extract
from coilal.features.augment import Augmentation, AugmentedImages
from coilal.features.backbone import Backbone
from coilal.features.boundary import CacheSettings, Prefix, are_stored, boundary_outputs, prefix_key
from coilal.fit.batches import Batches, Labelled
from coilal.fit.heads import HeadShape, Optimizer
from coilal.fit.module import CoilModule
from coilal.fit.rows import Rows
from coilal.fit.scoring import evaluating, infer
from coilal.fit.standardise import Statistics
from coilal.fit.tasks.multiclass import Multiclass
from coilal.runs.experiment import Experiment
from coilal.runs.inputs import cache_settings, prefix
from coilal.runs.settings import Settings
from tests.unit.features import extraction_child
from tests.unit.features.families import FAMILIES, backbone, size

pytestmark = pytest.mark.slow


CPU = torch.device("cpu")
BOUNDARIES = ["head", 1, 2]
LABELLED, POOL = np.arange(0, 48, 3), np.setdiff1d(np.arange(48), np.arange(0, 48, 3))


def noise(name: str = "mobilenetv2_050", count: int = 37) -> DecodedImages:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 1, *size(name)), dtype=np.uint8)
    return DecodedImages(pixels, "abc", np.zeros(len(pixels), np.uint64))


def outputs(net: Backbone, images: DecodedImages, folder: Path, **settings: Any) -> Any:
    arguments = {key: settings.pop(key) for key in ("augmentation", "report") if key in settings}
    identity = {"architecture": type(net.net).__name__}
    prefix = Prefix(identity, net.trainable, lambda: net)
    return boundary_outputs(prefix, images, CacheSettings(folder, **settings), CPU, nullcontext, **arguments)


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "features").glob("*.npy")}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", BOUNDARIES)
def test_stored_outputs_are_the_prefix_outputs(name: str, trainable: str | int, tmp_path: Path) -> None:
    net, images = backbone(name, trainable), noise(name)
    with torch.inference_mode():
        expected = net.prefix(torch.from_numpy(images.pixels)).numpy()
    ids = np.array([30, 2, 36, 0])
    largest = np.abs(expected).max()
    for settings, tolerance in [({}, 1e-5), ({"precision": "float16"}, 5e-4)]:
        in_memory = outputs(net, images, tmp_path, **settings)
        mapped = outputs(net, images, tmp_path, memory_gb=0, **settings)
        for stored in (in_memory, mapped):
            assert stored.shape == expected.shape
            assert stored[ids].dtype == np.float32
            np.testing.assert_allclose(stored[ids], expected[ids], rtol=0, atol=tolerance * largest)
        assert type(in_memory) is np.ndarray
        assert not isinstance(mapped, np.ndarray) or isinstance(mapped, np.memmap)


def test_computed_once_and_again_only_for_other_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net, images = backbone("mobilenetv2_050", "head"), noise()
    with caplog.at_level(logging.INFO):
        outputs(net, images, tmp_path)
        first = files(tmp_path)
        outputs(net, images, tmp_path)
    assert "extracted features of 37 images" in caplog.text
    assert "features of 37 images were in the cache" in caplog.text
    assert " MB" in caplog.text
    assert len(first) == 1
    assert files(tmp_path) == first
    outputs(net, replace(images, fingerprint="other"), tmp_path)
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("trainable", ["head", 1])
def test_of_images_that_were_added_the_network_sees_no_other(
    trainable: str | int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, whole = backbone("mobilenetv2_050", trainable), noise(count=37)
    digests = np.arange(100, 137).astype(np.uint64)
    later = np.delete(np.arange(37), [3, 17, 36])

    def some(ids: np.ndarray, fingerprint: str, of_format: str = "format") -> DecodedImages:
        return DecodedImages(whole.pixels[ids], fingerprint, digests[ids], format=of_format)

    outputs(net, some(later, "before"), tmp_path)
    with caplog.at_level(logging.INFO):
        grown = outputs(net, some(np.arange(37), "now"), tmp_path)
        outputs(net, some(np.arange(37), "now", "another format"), tmp_path / "other")
    assert [record.message.split(" in ")[0] for record in caplog.records if "extracted" in record.message] == [
        f"extracted {extract.kind_of_outputs(trainable)} of {count} images" for count in (3, 37)
    ]
    expected = outputs(net, some(np.arange(37), "now"), tmp_path / "fresh")
    np.testing.assert_allclose(grown, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("trainable", ["head", 1])
def test_what_is_stored_is_opened_without_the_network(trainable: str | int, tmp_path: Path) -> None:
    net, images, cache, views = (
        backbone("resnet10t", trainable),
        noise("resnet10t"),
        CacheSettings(tmp_path),
        Augmentation(1),
    )
    prefix = Prefix({}, trainable, lambda: net)
    assert not are_stored(prefix, images, cache)
    computed = boundary_outputs(prefix, images, cache, CPU, nullcontext)
    assert are_stored(prefix, images, cache)
    assert not are_stored(prefix, images, cache, views)
    boundary_outputs(prefix, images, cache, CPU, nullcontext, views)
    assert are_stored(prefix, images, cache, views)
    opened = boundary_outputs(Prefix({}, trainable, unloadable), images, cache, CPU, nullcontext)
    np.testing.assert_array_equal(opened[:], computed[:])


def test_a_damaged_file_is_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net, images = backbone("mobilenetv2_050", "head"), noise()
    computed = outputs(net, images, tmp_path)
    (file,) = (tmp_path / "features").glob("*.npy")
    file.write_bytes(file.read_bytes()[:-100])
    again = outputs(net, images, tmp_path)
    assert "is damaged" in caplog.text
    np.testing.assert_array_equal(again[:], computed[:])


def test_everything_trainable_passes_the_images_through(tmp_path: Path) -> None:
    images = noise()
    assert outputs(backbone("mobilenetv2_050", "all"), images, tmp_path) is images.pixels
    assert not list(tmp_path.iterdir())


def test_progress_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(long_work, "REPORT_S", 0.0)
    seen = []
    with caplog.at_level(logging.INFO):
        outputs(backbone("mobilenetv2_050", "head"), noise(), tmp_path, report=lambda *done: seen.append(done))
    assert seen == [(16, 37), (32, 37), (37, 37)]
    assert "32 of 37 images" in caplog.text


def test_of_processes_that_share_the_cores_one_extracts_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "cores_are_shared", lambda: True)
    (tmp_path / "features").mkdir()
    waits, seen = threading.Event(), []
    monkeypatch.setattr(store.log, "info", lambda *_: waits.set())
    other = threading.Thread(
        target=lambda: outputs(
            backbone("mobilenetv2_050", "head"), noise(), tmp_path, report=lambda *done: seen.append(done)
        )
    )
    before = seconds_waited()
    with features._turn(tmp_path / "features", CPU):
        other.start()
        assert waits.wait(60)
        assert not seen
    other.join()
    assert seen[-1] == (37, 37)
    assert seconds_waited() > before, "waiting for a turn is no extraction"


def test_cores_of_its_own_and_a_gpu_need_no_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs(backbone("mobilenetv2_050", "head"), noise(), tmp_path)
    monkeypatch.setattr(features, "cores_are_shared", lambda: True)
    with features._turn(tmp_path / "features", torch.device("cuda")):
        assert not list((tmp_path / "features").glob("cores-of-*"))


# ---- What is stored


@pytest.mark.parametrize(("computed", "stored"), [(torch.float32, torch.float32), (torch.bfloat16, torch.float16)])
def test_the_default_precision_is_that_of_the_network(
    computed: torch.dtype, stored: torch.dtype, tmp_path: Path
) -> None:
    assert CacheSettings(tmp_path).dtype(computed) == stored
    assert CacheSettings(tmp_path, "float16").dtype(computed) == torch.float16
    assert CacheSettings(tmp_path, "float32").dtype(computed) == torch.float32
    with pytest.raises(UserError, match=r"cache\.precision=bfloat16: choose one of auto, float32, float16"):
        CacheSettings(tmp_path, "bfloat16")  # type: ignore[arg-type]


def test_float16_holds_what_a_network_in_bfloat16_gives() -> None:
    values = torch.randn(10**5, generator=torch.Generator().manual_seed(0)).mul(30).bfloat16()
    values = values[values.abs() > 2**-14]
    assert torch.equal(values.half().bfloat16(), values)


def scaled(factor: float) -> Backbone:
    """Return a network whose features are large."""
    net = backbone("convnext_atto", "head")
    with torch.no_grad():
        net.mean.fill_(0)
        net.std.fill_(1)
        for parameter in net.trunk.blocks[-1].parameters():
            parameter.mul_(factor)
    return net


def test_values_beyond_float16_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    net, images = scaled(200.0), noise("convnext_atto")
    outputs(net, images, tmp_path, precision="float32")
    largest = np.abs(outputs(net, images, tmp_path, precision="float32")[:]).max()
    assert largest > 65504
    before = files(tmp_path)
    with pytest.raises(UserError, match=r"image 0 .*cache\.precision=float32"):
        outputs(net, images, tmp_path, precision="float16")
    assert files(tmp_path) == before


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    net = backbone("mobilenetv2_050", "head")
    with torch.no_grad():
        next(net.net.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"image 0 .*model\.weights"):
        outputs(net, noise(), tmp_path)


# ---- When it is computed again

RANDOM = ["model=mobilenet", "model.weights=none"]
CHANGES = {
    "architecture": ["model.trunk.architecture=mobilenetv2_050"],
    "arguments": ["+model.trunk.arguments.pad_type=same"],
    "boundary": ["model.trainable=1"],
    "other boundary": ["model.trainable=2"],
    "pooling": ["model.pooling=mean"],
    "normalisation": ["model.normalisation.mean=[0.5,0.5,0.5]"],
    "compute precision": ["trainer.precision=bf16-mixed"],
    "random weights": ["seed=1"],
}


def unloadable() -> Backbone:
    raise AssertionError("the network is loaded")


def key(
    cfg: DictConfig,
    weights: str = "random",
    fingerprint: str = "abc",
    device: torch.device = CPU,
    reread: bool = False,
) -> str:
    trainer: Any = SimpleNamespace(
        precision_plugin=pl.Trainer(precision=cfg.trainer.precision, logger=False).precision_plugin,
        strategy=SimpleNamespace(root_device=device),
    )
    nothing: Any = None
    settings = Settings.of(cfg)
    experiment = Experiment(settings, nothing, nothing, unloadable, weights, trainer, (), 0.0, reread)
    return prefix_key(prefix(experiment), fingerprint, cache_settings(experiment).precision, None)


def test_the_key_stands_for_everything_that_determines_the_outputs(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(*overrides: str) -> DictConfig:
        return composed(*RANDOM, "data.image.size=[56,42]", *overrides)

    default = settings()
    keys = {name: key(settings(*overrides)) for name, overrides in CHANGES.items()}
    keys["default"] = key(default)
    keys["images"] = key(default, fingerprint="other")
    keys["weights"] = key(default, weights="0123")
    keys["other weights"] = key(default, weights="4567")
    keys["storage precision"] = key(settings("cache.precision=float16"))
    keys["storage of half precision"] = key(settings("trainer.precision=bf16-mixed", "cache.precision=float32"))
    monkeypatch.setattr(features, "PREFIX_VERSION", -1)
    keys["code version"] = key(default)
    monkeypatch.undo()
    monkeypatch.setattr(features, "version", lambda _: "0.0.1")
    keys["library version"] = key(default)
    monkeypatch.undo()
    assert len(set(keys.values())) == len(keys), keys
    assert key(settings("strategy=margin", "hparams=default", "cache.memory_gb=1")) == keys["default"]
    assert key(default, weights="0123") == key(settings("seed=1"), weights="0123"), "real weights know no seed"


def test_tf32_counts_on_a_gpu_alone(composed: Callable[..., DictConfig]) -> None:
    without, rounded = (composed(*RANDOM, f"tf32={allowed}") for allowed in ("false", "true"))
    assert key(without) == key(rounded), "what a CPU stored stays"
    gpu = torch.device("cuda")
    assert len({key(without), key(without, device=gpu), key(rounded, device=gpu)}) == 3


def test_weights_that_earlier_versions_read_otherwise_have_another_key(composed: Callable[..., DictConfig]) -> None:
    cfg = composed(*RANDOM)
    assert key(cfg, weights="0123") != key(cfg, weights="0123", reread=True)


EQUALS = {
    "pooling of what is pooled in training": (["model.trainable=1"], ["model.trainable=1", "model.pooling=max"]),
    "blocks as text": (["model.trainable=1"], ["model.trainable='1'"]),
    "precision": (["trainer.precision=32-true"], ["trainer.precision=32"]),
    "precision as text": (["trainer.precision=32-true"], ["trainer.precision='32'"]),
    "storage": (["cache.precision=auto"], ["cache.precision=float32"]),
}


@pytest.mark.parametrize("case", EQUALS)
def test_equal_outputs_have_one_key(composed: Callable[..., DictConfig], case: str) -> None:
    one, other = (key(composed(*RANDOM, *overrides)) for overrides in EQUALS[case])
    assert one == other


# ---- That it changes no selection


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rendered")


def rendered(name: str, cache: Path) -> tuple[DecodedImages, np.ndarray]:
    source = RenderedCoils(coils=3, images_per_coil=16, seed=0)
    samples = source.read()
    assert samples.classes is not None
    return source.decode(samples, ImageFormat(size(name)), cache), samples.classes


class Uncached:
    """The prefix's outputs, computed whenever they are asked for."""

    def __init__(self, net: Backbone, images: DecodedImages) -> None:
        self.net, self.pixels = net, images.pixels
        self.shape = self[:1].shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.net.prefix(torch.from_numpy(self.pixels[ids])).numpy()


def learn(net: Backbone, boundary: Any, classes: np.ndarray) -> tuple[dict[str, Selection], torch.Tensor]:
    """Train on the labelled images; return the queries of each strategy and the logits of the pool."""
    module = CoilModule(net, HeadShape(net.features, 8), Multiclass("all", "none"))
    module.hold([module.shape.initial(0)], [Optimizer(1e-2, 1e-5, 1e-2)])
    rows = Rows(boundary, torch.device("cpu"), 0)
    with evaluating(module):
        module.standardise(Statistics.of(infer(net.suffix, rows, POOL, BatchSize("", 16, ""), nullcontext)))
    # Features of random networks hardly differ between images: one scale for all leaves their rounding small.
    module.feature_std.fill_(float(module.feature_std.max()))
    module.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    optimizer = module.configure_optimizers()
    module.train()
    module.on_train_start()
    # Two steps: a random network in training enlarges the last digit from step to step.
    for batch in Batches(rows, [Labelled(LABELLED, classes[LABELLED], 0)], 8, 10**9):
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with evaluating(module):
        (logits,) = infer(partial(module.logits, heads=[0]), rows, POOL, BatchSize("", 16, ""), nullcontext)
    pool = PoolOutputs("multiclass", POOL, logits.numpy())
    strategies = {"margin": margin, "entropy": entropy}
    return {name: ask(pool, 6, np.random.default_rng(0)) for name, ask in strategies.items()}, logits


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("trainable", [*BOUNDARIES, "all"])
def test_with_and_without_the_cache_the_same_images_are_asked_for(
    name: str, trainable: str | int, cache: Path
) -> None:
    images, classes = rendered(name, cache)
    net = backbone(name, trainable)
    cached = outputs(net, images, cache / name)
    queries, logits = learn(net, cached, classes)
    fresh = backbone(name, trainable)
    expected, expected_logits = learn(fresh, Uncached(fresh, images), classes)
    # torch picks other kernels for other memory formats and batch sizes. Features of a random network hardly differ
    # between images (EfficientNet's by a hundredth of themselves), so that the last digit weighs 2e-4 of that.
    close = 2e-2 * float(expected_logits.std())
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=close)
    for strategy, found in queries.items():
        # One near tie for the last place may fall otherwise.
        assert len(np.setdiff1d(found.ids, expected[strategy].ids)) <= 1
        np.testing.assert_allclose(
            np.sort(found.scores), np.sort(expected[strategy].scores), rtol=0, atol=2 * close
        )


def test_the_limit_of_the_cache_holds_for_images_and_features(tmp_path: Path) -> None:
    source = RenderedCoils(coils=3, images_per_coil=16, seed=0)
    with pytest.raises(UserError, match=r"cache\.max_gb=1e-06"):
        source.decode(source.read(), ImageFormat((56, 42)), tmp_path, max_gb=1e-6)
    with pytest.raises(UserError, match=r"cache\.max_gb=1e-06"):
        outputs(backbone("mobilenetv2_050", 1), noise(), tmp_path, max_gb=1e-6)
    assert not list(tmp_path.rglob("*.npy"))


# ---- Augmented views


def test_room_for_all_views_is_there_before_the_first_is_extracted(tmp_path: Path) -> None:
    net, images = backbone("resnet10t", "head"), noise("resnet10t")
    size = outputs(net, images, tmp_path / "one").nbytes + 128
    many = Augmentation(3)
    with pytest.raises(UserError, match=r"4 arrays.*cache\.max_gb"):
        outputs(net, images, tmp_path / "many", augmentation=many, max_gb=3.5 * size / 1e9)
    assert not list((tmp_path / "many").rglob("*.npy"))
    outputs(net, images, tmp_path / "many", augmentation=many, max_gb=6 * size / 1e9)


def test_views_are_stored_beside_the_images(tmp_path: Path) -> None:
    net, images = backbone("resnet10t", 1), noise("resnet10t")
    plain = outputs(net, images, tmp_path)
    before = files(tmp_path)
    two = outputs(net, images, tmp_path, augmentation=Augmentation(2))
    assert len(files(tmp_path)) == 3
    assert before.items() <= files(tmp_path).items(), "the images themselves are not computed again"
    ids = np.arange(37)
    np.testing.assert_array_equal(two[ids], plain[ids])
    epoch = two.epoch(0)[ids]
    unchanged = (epoch == plain[ids]).all((1, 2, 3)).sum()
    assert 0 < unchanged < 30
    after_two = files(tmp_path)
    outputs(net, images, tmp_path, augmentation=Augmentation(3))
    assert len(files(tmp_path)) == 4
    assert after_two.items() <= files(tmp_path).items(), "views that exist are kept"
    outputs(net, images, tmp_path, augmentation=Augmentation(1, shift=0.1))
    assert len(files(tmp_path)) == 5


def test_a_stored_view_is_the_prefix_output_of_the_augmented_images(tmp_path: Path) -> None:
    net, images = backbone("resnet10t", "head"), noise("resnet10t")
    views = outputs(net, images, tmp_path, augmentation=Augmentation(1))
    pixels = AugmentedImages(images.pixels, Augmentation(1), 1)[:]
    with torch.inference_mode():
        expected = net.prefix(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(views.augmented[0][:], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_training_sees_views_and_scoring_does_not(trainable: str | int, tmp_path: Path) -> None:
    net, images = backbone("resnet10t", trainable), noise("resnet10t")
    boundary = outputs(net, images, tmp_path, augmentation=Augmentation(2))
    plain = outputs(net, images, tmp_path)
    assert isinstance(boundary, AugmentedArray)
    ids, values = np.arange(37), np.zeros(37, dtype=np.int64)

    def epochs(seed: int) -> list[torch.Tensor]:
        rows = Rows(boundary, torch.device("cpu"), 0)
        batches = Batches(rows, [Labelled(ids, values, seed)], 8, 10**9)
        return [torch.cat([batch.boundary[0] for batch in batches]) for _ in range(2)]

    first, second = epochs(0)
    assert not torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(epochs(0), (first, second), strict=True)), "a matter of the seed"
    scores = [
        infer(net.suffix, Rows(array, torch.device("cpu"), 0), ids, BatchSize("", 16, ""), nullcontext)
        for array in (boundary, plain)
    ]
    assert torch.equal(*scores)


# ---- Processes


# A server that has everything imported and forks a child for each extraction.
context = multiprocessing.get_context("forkserver")


def start(folder: Path, kill_at: int = -1) -> multiprocessing.process.BaseProcess:
    child = context.Process(target=extraction_child.work, args=(str(folder), kill_at))
    child.start()
    return child


def test_a_killed_extraction_computes_only_what_is_missing(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = start(killed, 5)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not files(killed)
    assert extraction_child.extract(killed) == [16, 16, 4], "four batches were kept"
    assert extraction_child.extract(whole) == [16] * 6 + [4]
    contents = [next((folder / "features").glob("*.npy")).read_bytes() for folder in (killed, whole)]
    assert contents[0] == contents[1]


def test_of_two_processes_one_computes(tmp_path: Path) -> None:
    children = [start(tmp_path) for _ in range(2)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert sorted(path.read_text() for path in tmp_path.glob("batches*")) == ["", "16 16 16 16 16 16 4"]


def test_nothing_holds_all_outputs_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels are read a batch at a time, and beyond the budget outputs stay on the disk."""
    read = []

    class Counted:
        shape = (37, 1, 56, 42)

        def __len__(self) -> int:
            return 37

        def __getitem__(self, rows: slice) -> np.ndarray:
            read.append(len(range(37)[rows]))
            return noise().pixels[rows]

    monkeypatch.setattr(extract, "CPU_BATCH", 8)
    stored = outputs(
        backbone("mobilenetv2_050", 1),
        DecodedImages(Counted(), "abc", np.zeros(0, np.uint64)),
        tmp_path,
        memory_gb=1e-6,
    )
    assert max(read) == 8
    assert isinstance(stored, np.memmap)
