"""Settings of the launchers; that they launch is tested in tests/e2e/test_sweep.py and tests/slurm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException
from hydra.plugins.launcher import Launcher
from hydra.utils import get_class
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder
from coilal.common.types import UserError
from coilal.sweep import processes
from coilal.sweep.cells import Cell
from coilal.sweep.launchers import LocalLauncher, SlurmLauncher

LAUNCHERS = {"local": LocalLauncher, "slurm": SlurmLauncher}


@pytest.fixture
def hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        yield
    HydraConfig.instance().cfg = None


def settings(*overrides: str) -> dict[str, Any]:
    cfg = compose("train", overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    content = OmegaConf.to_container(cfg.hydra.launcher, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.usefixtures("hydra")
@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_launcher_is_found_by_hydra_under_the_name_of_its_file(name: str) -> None:
    target = settings(f"hydra/launcher={name}", "hydra.job.name=train")["_target_"]
    assert get_class(target) is LAUNCHERS[name]
    assert LAUNCHERS[name] in Plugins.instance().discover(Launcher)


@pytest.mark.usefixtures("hydra")
def test_this_machine_is_the_default_and_counts_its_processes_itself() -> None:
    counts = {"processes": "auto", "together": "auto"}
    assert settings() == {"_target_": "coilal.sweep.launchers.LocalLauncher", **counts}


@pytest.mark.usefixtures("hydra", "fake_slurm")
def test_what_is_asked_for_stands_in_the_job_script() -> None:
    asked = {
        "partition": "gpu", "account": "mine", "qos": "high", "constraint": "a100", "gpus_per_node": 1,
        "cpus_per_task": 3, "mem_gb": 7, "timeout_min": 90, "array_parallelism": 5, "signal_delay_s": 60,
    }  # fmt: skip
    given = settings(
        "hydra/launcher=slurm", "study=mine", "hydra.launcher.setup=[module load cuda]",
        "+hydra.launcher.additional_parameters.nice=100", *(f"hydra.launcher.{k}={v}" for k, v in asked.items()),
    )  # fmt: skip
    del given["_target_"]
    executor = SlurmLauncher(**given)._executor()._executor
    script = executor._make_submission_file_text("python", "id")
    for line in (
        "partition=gpu", "account=mine", "qos=high", "constraint=a100", "gpus-per-node=1", "cpus-per-task=3",
        "mem=7GB", "time=90", "signal=USR2@60", "job-name=coilal-mine", "nice=100", "requeue",
    ):  # fmt: skip
        assert f"#SBATCH --{line}\n" in script
    assert "\nmodule load cuda\n" in script
    assert executor.parameters["array_parallelism"] == 5
    assert executor.max_num_timeout == 10


@pytest.mark.usefixtures("hydra")
def test_a_setting_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ConfigCompositionException, match="timeout_min"):
        settings("hydra/launcher=slurm", "hydra.launcher.timeout_min=many")


@pytest.mark.parametrize("wrong", [0, "many", True, 1.5, None])
def test_impossible_shares_are_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match=f"pack={wrong}; allowed: auto, or a whole number"):
        SlurmLauncher(pack=wrong, together=1)
    with pytest.raises(UserError, match=f"processes={wrong}; allowed: auto"):
        LocalLauncher(processes=wrong, together="auto")
    with pytest.raises(UserError, match=f"together={wrong}; allowed: auto"):
        LocalLauncher(processes=1, together=wrong)


def test_a_search_may_need_several_processes_for_one_launch_and_none_for_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class FakeWorkers:
        def __init__(self, logs: Path, name: str) -> None:
            self.logs, self.environments, self.followed = logs, [], 0

        def start(self, worker: Any, among: int, environment: dict[str, str]) -> Any:
            assert among == 3
            self.environments.append(environment)
            return SimpleNamespace(process=SimpleNamespace(pid=100 + len(self.environments)), log="a.log")

        def follow(self) -> None:
            self.followed += 1

    class FakeWorker:
        worked = 0

        def work(self) -> None:
            self.worked += 1

    monkeypatch.setattr(processes, "Workers", FakeWorkers)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    launcher = LocalLauncher(processes=3, together=1)
    launcher.config = OmegaConf.create({"study": "s", "hydra": {"sweep": {"dir": str(tmp_path)}}})
    three: Any = [FakeWorker(), FakeWorker(), FakeWorker()]
    assert [(job.id, job.log) for job in launcher.submit(three)] == [
        (pid, "a.log") for pid in ("101", "102", "103")
    ]
    launcher.work(three)
    started: Any = launcher._workers
    assert started.environments == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in ("5", "7", "5")]
    assert started.followed == 1

    assert [(job.id, job.log) for job in launcher.submit(three[:1])] == [(str(os.getpid()), None)]
    launcher.work(three[:1])
    assert [worker.worked for worker in three] == [1, 0, 0]
    assert launcher.submit([]) == []


def test_without_slurm_the_other_launcher_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="hydra/launcher=local"):
        SlurmLauncher(pack=1, together=1)


@pytest.mark.usefixtures("fake_slurm")
def test_a_job_of_slurm_has_a_stack_or_one_cell_unless_its_size_is_asked_for() -> None:
    cells: dict[Any, Any] = {
        Cell("s", str(number), (), "", stack="a" if number else None): None for number in range(6)
    }
    for pack, sizes in (("auto", [1, 2, 3]), (4, [4, 2]), (1, [1] * 6)):
        shares = SlurmLauncher(pack=pack, together=3).share_out(cells, 3)
        assert list(map(len, shares)) == sizes
    assert list(map(len, SlurmLauncher(pack="auto", together=1).share_out(cells, 1))) == [1] * 6


@pytest.mark.usefixtures("fake_slurm")
@pytest.mark.parametrize(("asked", "gpu"), [({}, False), ({"gpus_per_node": 1}, True), ({"gres": "gpu:1"}, True)])
def test_jobs_of_slurm_have_the_gpus_that_they_ask_for(asked: dict[str, Any], gpu: bool) -> None:
    assert SlurmLauncher(pack="auto", together="auto", **asked).has_gpu() == gpu
