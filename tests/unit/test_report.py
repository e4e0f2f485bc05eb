from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from PIL import Image

from coilal.common.cli import conf_folder, explain
from coilal.common.types import UserError
from coilal.evidence.reading import Run, read_runs
from coilal.evidence.report_settings import ReportSettings
from coilal.report import images_of, settings_of, without_directory
from coilal.run_directory.files import now
from coilal.sweep.book import Launch, Outcome, write_launch, write_outcome
from coilal.sweep.cells import Cell
from tests.studies import Simulated, write_study


def report_config(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        return compose("report", overrides=list(overrides))


def test_the_manual_states_the_defaults() -> None:
    assert settings_of(report_config()) == ReportSettings()


def test_settings_come_from_the_command_line() -> None:
    settings = settings_of(report_config("compare.targets=[0.6,0.7]", "prices.label_seconds=30"))
    assert settings.targets == (0.6, 0.7)
    assert settings.prices.label == pytest.approx(0.25)


@pytest.mark.parametrize(
    "wrong", ["compare.margin=0", "compare.confidence=1.5", "compare.resamples=3", "compare.target_shares=[]"]
)
def test_settings_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(UserError, match=wrong.split("=")[0].removeprefix("compare.")):
        settings_of(report_config(wrong))


def test_a_typo_gets_a_hint_from_the_reports_own_settings() -> None:
    hint = explain("Could not override 'compare.margn'.", [], "report")
    assert hint.startswith("There is no setting 'compare.margn'. Did you mean compare.margin")


def test_images_are_those_of_the_runs(tmp_path: Path) -> None:
    source = {"_target_": "coilal.demo.rendered.RenderedCoils", "coils": 2, "images_per_coil": 4}
    image = {"size": [476, 364], "fit": "squash", "mode": "L"}
    overrides = {"data.source": source, "data.image": image}
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=[0], overrides=overrides))
    (run,) = read_runs([tmp_path / "s/multiclass/tiny/random/seed0"], "test/macro_f1")
    assert isinstance(run, Run)
    images = images_of(run)
    names = list(images.groups)
    assert images.groups[names[0]] == names[0].split("_")[0]
    last, first = images.thumbnails([names[-1], names[0]])
    assert first.shape == (160, 122)
    assert (first == images.thumbnails(names)[0]).all()
    assert not (first == last).all()


def test_thumbnails_are_scaled_as_the_run_scaled_its_images(tmp_path: Path) -> None:
    for number, name in enumerate(("ok/a", "ok/b", "bent/c")):
        file = tmp_path / "data" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 1000 * (number + 1), np.uint16)).save(file)
    source = {"_target_": "coilal.data.folder.ImageFolder", "root": str(tmp_path / "data"), "group_pattern": None}
    overrides = {"data.source": source, "data.image": {"size": [8, 8], "fit": "squash", "mode": "L"}}
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=[0], overrides=overrides))
    folder = tmp_path / "s/multiclass/tiny/random/seed0"
    status = json.loads((folder / "status.json").read_text())
    status["data"]["range"] = [1000.0, 3000.0]
    (folder / "status.json").write_text(json.dumps(status))
    (run,) = read_runs([folder], "test/macro_f1")
    assert isinstance(run, Run)
    shown = images_of(run).thumbnails(["ok/a.png", "ok/b.png"])
    assert [int(image.max()) for image in shown] == [0, 128], "the brightest image of the set is not among them"


def test_data_that_are_not_here_are_an_error(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=[0]))
    (run,) = read_runs([tmp_path / "s/multiclass/tiny/random/seed0"], "test/macro_f1")
    assert isinstance(run, Run)
    with pytest.raises(UserError, match="/nowhere"):
        images_of(run)


def test_a_launched_cell_without_a_run_directory_is_told(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, seeds=[0]))
    study = str(tmp_path / "s")
    here, gone = (Cell(study, f"multiclass/tiny/random/seed{seed}", (), "") for seed in range(2))
    write_launch(study, Launch(now(), "train", "/", (here, gone)))
    write_outcome(gone, Outcome(now(), error="the disk is full"))
    (finding,) = without_directory(tmp_path, ["s"])
    assert finding.where == "s/multiclass/tiny/random/seed1"
    assert "no run directory" in finding.what
    assert "the disk is full" in finding.what
