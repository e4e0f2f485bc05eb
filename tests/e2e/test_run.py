"""Whole runs on rendered coils."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from coilal.common.types import DataError, UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.columns import is_measurement
from coilal.run_directory.files import lock, read_status, write_status
from coilal.run_directory.store import read_cycles, read_queries
from coilal.runs import assemble, backbones, inputs
from coilal.runs.run import run
from coilal.runs.settings import Settings
from coilal.runs.shared import forget
from tests.run_folders import run_folder

pytestmark = pytest.mark.slow

processes = multiprocessing.get_context("forkserver")
Small = Callable[..., DictConfig]
MEASUREMENTS = [
    *("decode_s", "extract_s", "fit_s", "infer_s", "select_s", "evaluate_s", "peak_memory_mb", "write_s"),
]


def in_a_process_of_its_own(cfg: DictConfig) -> int | None:
    from tests.e2e.child import work

    process = processes.Process(target=work, args=(OmegaConf.to_yaml(cfg, resolve=True), None))
    process.start()
    process.join()
    return process.exitcode


def without_times(folder: Path) -> pd.DataFrame:
    cycles = read_cycles(folder)
    return cycles[[column for column in cycles if not is_measurement(column)]]


def test_the_run_directory_holds_what_the_contract_says(small: Small) -> None:
    cfg = small("strategy=margin", "seed=4")
    value = run(cfg)
    folder = run_folder(cfg)
    assert folder.parts[-6:] == ("default", "multiclass", "tiny", "margin", "split0", "seed4")
    assert {"config.yaml", "status.json", "cycles.csv", "queries.csv", "predictions.npz", "curve.png"} <= {
        path.name for path in folder.iterdir()
    }
    status = read_status(folder)
    assert status["state"] == "done"
    assert status["seeds"] == {"seed": 4, "split": 0, "start": 4, "train": 4}
    assert {"identity", "versions", "git_commit", "start", "end", "weights"} <= set(status)
    cycles = read_cycles(folder)
    assert list(cycles.columns[:3]) == ["cycle", "labelled", "test/macro_f1"]
    assert cycles["cycle"].tolist() == [0, 1, 2]
    assert cycles["labelled"].tolist() == [16, 32, 48]
    assert [name for name in cycles if is_measurement(name)] == MEASUREMENTS
    assert (cycles.loc[0, ["decode_s", "extract_s", "fit_s", "infer_s", "write_s", "peak_memory_mb"]] > 0).all()
    assert (cycles.loc[1:, ["decode_s", "extract_s"]] == 0).all(axis=None)
    queries = read_queries(folder)
    assert list(queries.columns) == ["cycle", "rank", "image", "score", "label", "prediction", "confidence"]
    chosen = queries["cycle"] > 0
    assert queries.loc[~chosen, ["prediction", "confidence"]].eq("").all(axis=None), "no model has chosen them"
    assert queries.loc[chosen, "prediction"].isin(np.load(folder / "predictions.npz")["names"]).all()
    assert queries.loc[chosen, "confidence"].astype(float).between(1 / 8, 1).all()
    assert queries.groupby("cycle").size().tolist() == [16, 16, 16]
    assert queries["image"].is_unique
    assert queries.loc[queries["cycle"] > 0, "score"].astype(float).notna().all()
    predictions = np.load(folder / "predictions.npz")
    assert predictions["probabilities"].shape == (len(predictions["ids"]), 8)
    np.testing.assert_allclose(predictions["probabilities"].sum(1), 1, rtol=1e-5)
    accuracy = (predictions["probabilities"].argmax(1) == predictions["targets"]).mean()
    assert cycles["test/accuracy"].iloc[-1] == pytest.approx(accuracy)
    assert value == pytest.approx(aulc(cycles["labelled"], cycles["val/macro_f1"]))
    assert yaml.safe_load((folder / "config.yaml").read_text())["strategy"]["name"] == "margin"


def test_no_coil_stands_in_two_splits_and_only_pool_images_are_queried(small: Small) -> None:
    cfg = small()
    run(cfg)
    predictions = np.load(run_folder(cfg) / "predictions.npz")
    tested = {name.split("_")[0] for name in predictions["images"]}
    queried = {name.split("_")[0] for name in read_queries(run_folder(cfg))["image"]}
    assert not tested & queried


def test_same_seed_same_run_and_other_seed_another(small: Small) -> None:
    first, again, other = small("study=a"), small("study=b"), small("study=c", "seed=1")
    for cfg in (first, again, other):
        run(cfg)
    a, b, c = (run_folder(cfg) for cfg in (first, again, other))
    pd.testing.assert_frame_equal(without_times(a), without_times(b), check_exact=True)
    pd.testing.assert_frame_equal(read_queries(a), read_queries(b), check_exact=True)
    assert read_queries(a)["image"].tolist() != read_queries(c)["image"].tolist()


def test_strategies_share_split_starting_set_and_first_model(small: Small) -> None:
    folders = []
    for strategy in ("random", "entropy"):
        cfg = small(f"strategy={strategy}")
        run(cfg)
        folders.append(run_folder(cfg))
    random, entropy = (without_times(folder) for folder in folders)
    pd.testing.assert_frame_equal(random[:1], entropy[list(random)][:1], check_exact=True)
    assert "test/point/escape_rate" in random, "a comparison needs the operating point of random, too"
    starts = [read_queries(folder).query("cycle == 0")["image"].tolist() for folder in folders]
    assert starts[0] == starts[1]
    assert read_queries(folders[0])["score"].eq("").all(), "random computes no scores"


def test_random_scores_validation_unless_told_not_to(small: Small) -> None:
    auto = small("strategy=random", "study=auto")
    value, cycles = run(auto), read_cycles(run_folder(auto))
    assert value == pytest.approx(aulc(cycles["labelled"], cycles["val/macro_f1"]))
    assert run(auto) == value, "skipped, with its value"
    never = small("strategy=random", "study=never", "score_validation=false")
    assert math.isnan(run(never))
    without = read_cycles(run_folder(never))
    assert not [name for name in without if name.startswith(("val/", "test/point/", "test/calibration/"))]
    pd.testing.assert_frame_equal(cycles.filter(regex="^test/[^/]*$"), without.filter(regex="^test/[^/]*$"))
    assert read_status(run_folder(never))["validation_aulc"] is None
    with pytest.raises(UserError, match="auto, true or false"):
        run(small("study=other", "score_validation=maybe"))


@pytest.mark.parametrize("trainable", ["head", "1"])
def test_runs_that_share_a_backbone_are_those_of_fresh_processes(small: Small, trainable: str) -> None:
    """One after the other in this process, the second as in a process of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the other process has
    settings = [f"model.trainable={trainable}", "budget.cycles=1", "model.optimizer.lr_backbone=1e-2"]
    run(small(*settings, "study=shared", "strategy=margin"))
    second = small(*settings, "study=shared", "seed=1")
    run(second)
    torch.set_num_threads(threads)
    alone = small(*settings, "study=alone", "seed=1")
    assert in_a_process_of_its_own(alone) == 0
    ours, theirs = run_folder(second), run_folder(alone)
    pd.testing.assert_frame_equal(without_times(ours), without_times(theirs), check_exact=True)
    pd.testing.assert_frame_equal(read_queries(ours), read_queries(theirs), check_exact=True)
    np.testing.assert_array_equal(
        np.load(ours / "predictions.npz")["probabilities"], np.load(theirs / "predictions.npz")["probabilities"]
    )


def test_data_backbone_and_cache_are_opened_once_for_all_runs(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = f"cache.dir={tmp_path}/cache"
    calls: list[str] = []
    for module, name in ((assemble, "prepare"), (backbones, "build_backbone"), (inputs, "boundary_outputs")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda *a, _name=name, _original=original, **k: calls.append(_name) or _original(*a, **k),
        )
    for strategy in ("random", "margin"):
        run(small(cache, f"strategy={strategy}", "budget.cycles=1", "seed=3", "model.optimizer.lr_head=0.01"))
    assert calls == ["build_backbone", "prepare", "boundary_outputs"], "weights are looked at before images"
    run(small(cache, "data.image.size=[42,42]", "study=other", "budget.cycles=0"))
    assert calls[3:] == ["prepare", "build_backbone", "boundary_outputs"], "that they fit is known"
    forget()
    run(small(cache, "study=of another process", "budget.cycles=0"))
    assert calls[6:] == ["prepare", "boundary_outputs"], "on stored features a head needs no backbone"


@pytest.mark.parametrize("trainable", ["head", "1", "all"])
def test_a_read_only_cache_serves_whole_runs(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainable: str
) -> None:
    settings = [f"cache.dir={tmp_path}/cache", f"model.trainable={trainable}", "budget.cycles=1"]
    run(small(*settings, "study=fills"))
    for lock_file in (tmp_path / "cache").rglob("*.lock"):
        lock_file.unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    forget()
    # the superuser may write everywhere, so the test cannot rely on file modes
    new_file = tempfile.TemporaryFile

    def nowhere_in_the_cache(mode: str, dir: Path) -> Any:  # noqa: A002 (the module's name for it)
        if dir.is_relative_to(tmp_path / "cache"):
            raise OSError(errno.EROFS, "Read-only file system")
        return new_file(mode, dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere_in_the_cache)
    run(small(*settings, "study=reads", "strategy=margin", "seed=1"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")} == before
    with pytest.raises(UserError, match=r"read-only.*cache\.dir"):
        run(small(*settings, "study=other", "data.image.size=[42,42]"))


@pytest.mark.parametrize("trainable", ["head", "1"])
def test_data_beyond_the_memory_budget_give_the_same_run(small: Small, trainable: str) -> None:
    held, read = (
        small(f"model.trainable={trainable}", f"cache.memory_gb={memory}", f"study=memory{memory}")
        for memory in (4, 0)
    )
    for cfg in (held, read):
        run(cfg)
    ours, theirs = without_times(run_folder(held)), without_times(run_folder(read))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-4)
    queries = [read_queries(run_folder(cfg))["image"].tolist() for cfg in (held, read)]
    assert queries[0] == queries[1]


def test_a_finished_run_is_skipped_and_forced_is_done_again(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    cfg = small()
    value = run(cfg)
    status = run_folder(cfg) / "status.json"
    written = status.stat().st_mtime_ns
    with caplog.at_level("INFO"):
        assert run(cfg) == value
    assert "skipped" in caplog.text
    assert status.stat().st_mtime_ns == written
    before = without_times(run_folder(cfg))
    assert run(small("force=true")) == value
    assert status.stat().st_mtime_ns > written
    pd.testing.assert_frame_equal(before, without_times(run_folder(cfg)), check_exact=True)


def test_a_directory_of_another_configuration_is_refused(small: Small) -> None:
    run(small())
    with pytest.raises(UserError) as error:
        run(small("budget.query=8", "model.optimizer.lr_head=0.5"))
    assert "budget.query: 16 → 8" in str(error.value)
    assert "model.optimizer.lr_head" in str(error.value)
    assert "seed" not in str(error.value).split("\n", 1)[1].split("Give")[0]


def test_a_run_that_failed_in_its_first_cycle_makes_way(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match="cycle 0"):
        run(small("model.optimizer.lr_head=1e36"))
    corrected = small("model.optimizer.lr_head=1e-3")
    with caplog.at_level("INFO"):
        run(corrected)
    assert "failed in its first cycle: replaced" in caplog.text
    assert read_status(run_folder(corrected))["state"] == "done"
    assert "error" not in read_status(run_folder(corrected))


def test_a_run_that_failed_later_is_kept(small: Small) -> None:
    cfg = small()
    run(cfg)
    status = {**read_status(run_folder(cfg)), "state": "failed", "error": "OSError: why"}
    write_status(run_folder(cfg), status)
    with pytest.raises(UserError, match="other settings"):
        run(small("budget.query=8"))


def test_a_second_process_on_one_directory_is_refused(small: Small) -> None:
    cfg = small()
    run_folder(cfg).mkdir(parents=True)
    with lock(run_folder(cfg)), pytest.raises(UserError, match="another process"):
        run(cfg)
    run(cfg)


def test_multilabel_and_replayed_selection(small: Small) -> None:
    with pytest.raises(UserError) as error:
        run(small("task=multilabel_from_multiclass", "strategy=margin"))
    assert "python -m coilal.train task=multiclass" in str(error.value)
    source, replay = small("strategy=margin"), small("task=multilabel_from_multiclass", "strategy=margin")
    run(source)
    run(replay)
    there, here = read_queries(run_folder(source)), read_queries(run_folder(replay))
    assert here["image"].tolist() == there["image"].tolist()
    assert here["cycle"].tolist() == there["cycle"].tolist()
    assert {"test/macro_f1", "test/map", "test/exact_match"} <= set(read_cycles(run_folder(replay)))
    run(small("task=multilabel", "strategy=avg_confidence"))
    with pytest.raises(UserError, match=r"budget\.query"):
        run(small("task=multilabel_from_multiclass", "strategy=margin", "budget.query=4", "force=true"))


def test_a_strategy_that_does_not_fit_is_refused_before_anything_is_written(small: Small, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        run(small("task=multilabel", "strategy=margin"))
    assert "avg_confidence" in str(error.value)
    assert not (tmp_path / "outputs").exists()


def test_bad_data_writes_nothing(small: Small, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        run(small("budget.initial=5000"))
    assert "5000" in str(error.value)
    assert not (tmp_path / "outputs").exists()


def test_the_run_ends_cleanly_when_the_pool_is_empty(small: Small) -> None:
    pool = pool_size(small())
    cfg = small(f"budget.labelled=[50,100,{pool}]")
    run(cfg)
    assert read_cycles(run_folder(cfg))["labelled"].tolist() == [50, 100, pool]


def pool_size(cfg: DictConfig) -> int:
    from coilal.common.instantiate import instantiate
    from coilal.runs.prepare import prepare

    prepared = prepare(Settings.of(cfg), instantiate(cfg.task.module), instantiate(cfg.budget))
    return len(prepared.split.pool)


def test_random_weights_are_marked(small: Small) -> None:
    cfg = small("model=mobilenet", "model.weights=none")
    run(cfg)
    assert read_status(run_folder(cfg))["weights"] == "random"


@pytest.mark.parametrize("trainable", ["1", "all"])
def test_trained_backbones(small: Small, trainable: str) -> None:
    cfg = small(f"model.trainable={trainable}", "budget.cycles=1", "trainer.max_epochs=1")
    run(cfg)
    assert read_status(run_folder(cfg))["state"] == "done"


def test_diverged_training_names_cycle_and_image(small: Small) -> None:
    cfg = small("model.optimizer.lr_head=1e36")
    with pytest.raises(UserError, match=r"cycle 0: .*Spule\d+_Image\d+"):
        run(cfg)
    status = json.loads((run_folder(cfg) / "status.json").read_text())
    assert status["state"] == "failed"
    assert "cycle 0" in status["error"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainer.accelerator=abacus", "trainer cannot be built"),
        ("trainer.accelerator=tpu", "trainer cannot be built"),
        ("+trainer.no_such_setting=1", "has no setting no_such_setting"),
    ],
)
def test_what_lightning_refuses_is_told_before_anything_is_written(
    small: Small, tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(small(setting))
    assert not (tmp_path / "outputs").exists()


def test_a_run_that_would_start_several_processes_is_refused(small: Small, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"would start 2 processes for one run.*set trainer\.devices=1"):
        run(small("+trainer.num_nodes=2"))
    assert not (tmp_path / "outputs").exists()


def test_how_weights_fit_is_said_by_every_run(small: Small, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2):
        forget()
        caplog.clear()
        with caplog.at_level("INFO"):
            run(small(f"study=s{number}", "budget.cycles=0"))
        assert caplog.text.count("weights: all ") == 1, (
            "once it is known to fit it is not loaded, and said all the same"
        )
