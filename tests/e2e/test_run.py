"""Whole runs on rendered coils."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from omegaconf import DictConfig

from coilal.plan import run_folder
from coilal.results.curves import aulc
from coilal.results.store import lock, read_cycles, read_queries, read_status
from coilal.run import run
from coilal.types import DataError, UserError

Small = Callable[..., DictConfig]
TIMES = ["fit_s", "infer_s", "select_s", "evaluate_s"]


def without_times(folder: Path) -> pd.DataFrame:
    return read_cycles(folder).drop(columns=TIMES)


def test_the_run_directory_holds_what_the_contract_says(small: Small) -> None:
    cfg = small("strategy=margin", "seed=4")
    value = run(cfg)
    folder = run_folder(cfg)
    assert folder.parts[-5:] == ("default", "multiclass", "tiny", "margin", "seed4")
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
    assert set(TIMES) <= set(cycles.columns)
    queries = read_queries(folder)
    assert list(queries.columns) == ["cycle", "rank", "image", "score", "label"]
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
    pd.testing.assert_frame_equal(random[:1], entropy[:1], check_exact=True)
    starts = [read_queries(folder).query("cycle == 0")["image"].tolist() for folder in folders]
    assert starts[0] == starts[1]
    assert read_queries(folders[0])["score"].eq("").all(), "random computes no scores"
    assert read_cycles(folders[0])["infer_s"].eq(0).all()


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
    from coilal.instantiate import instantiate
    from coilal.prepare import prepare

    prepared = prepare(cfg, instantiate(cfg.task.module), instantiate(cfg.budget))
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
