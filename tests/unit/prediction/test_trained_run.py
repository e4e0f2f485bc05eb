"""What is read of a run directory, also of one that an earlier version has left."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from coilal.prediction.network import Network
from coilal.prediction.predict import predict
from coilal.prediction.request import Request
from coilal.prediction.trained_run import TrainedRun
from coilal.run_directory.identity import ADDED

pytestmark = pytest.mark.slow


def asked(run: Path) -> Request:
    return Request.of({"run": str(run), "data.root": "nowhere"})


def test_it_knows_classes_and_what_means_fault_free(multiclass: Path, multilabel: Path, of_folders: Path) -> None:
    classes, labels, folders = (TrainedRun.of(asked(run)) for run in (multiclass, multilabel, of_folders))
    assert (classes.kind, classes.names[:2], classes.good) == ("multiclass", ("none", "double_winding"), 0)
    assert (labels.kind, labels.names, labels.good) == ("multilabel", ("double_winding", "gap", "crossover"), None)
    assert (folders.names, folders.good) == (("faulty", "ok"), 1)
    assert not classes.part("trained")
    assert labels.part("trained")
    assert {name.rpartition(".")[2] for name in classes.part("head")} == {"weight", "bias"}


def test_a_run_of_an_earlier_version_is_read(multiclass: Path, coils: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(multiclass, run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key in ADDED:
        *above, last = key.split(".")
        node = config
        for part in above:
            node = node[part]
        node.pop(last, None)
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    given = {
        "run": str(run),
        "data.root": str(coils),
        "out": str(tmp_path / "found.csv"),
        "data.image.range": "auto",
    }
    assert predict(Request.of(given)).exists()


def test_where_there_is_no_gpu_a_run_of_one_is_computed_on_the_cpu_in_float32(
    multiclass: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = TrainedRun.of(asked(multiclass))
    trainer = {**run.settings.trainer, "accelerator": "gpu", "precision": "16-mixed", "devices": [1]}
    network = Network.of(replace(run, settings=replace(run.settings, trainer=trainer)))
    assert (network.device.type, network.precision) == ("cpu", "32-true")
