"""Shared by all tests: composing settings as the command line does, and where the shared data lies."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import psutil
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    # Before torch is imported, here and in the commands: more threads than cores keep one another waiting, busily.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (psutil.cpu_count() or 1) // int(processes))))

import torch

from coilal.common.cli import conf_folder
from coilal.runs.shared import forget
from tests.pictures import no_picture

# Tests of kills fork a child a run from one server that has everything imported: seconds instead of minutes. Set
# here for all, because the last one to set it wins, whichever test starts the server.
multiprocessing.get_context("forkserver").set_forkserver_preload(
    ["tests.e2e.child", "tests.unit.features.extraction_child"]
)

SMALL = [
    "data.source.coils=12",
    "data.source.images_per_coil=16",
    "data.image.size=[56,42]",
    "budget=small",
    "budget.cycles=2",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
]

FIRST = ("tests/slurm/", "tests/unit/runs/loggers/", "tests/e2e/")
TAKES_A_WHILE = {"composed", "small", "cache", "shared"}
"""Fixtures of tests that ``make fast`` leaves out: they compose settings, render images or read real data."""


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests on SLURM and of W&B wait most of their time."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that no process is left alone with one of them at the end.

    Those on SLURM and of W&B come first: they wait while others compute.
    """
    items.sort(key=lambda item: next((i for i, folder in enumerate(FIRST) if item.nodeid.startswith(folder)), 9))
    for item in items:
        if TAKES_A_WHILE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def nothing_shared() -> None:
    """Let no test see the backbone or the open cache of another, or what became of Ctrl-C."""
    forget()
    # Ignored in a shell's background job, and by Lightning once it has seen one; commands inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs write one pixel for their learning curve; drawing it takes half of a small run.

    Commands in processes of their own do draw it.
    """
    if "coilal.runs.learn" in sys.modules:
        monkeypatch.setattr("coilal.runs.learn.learning_curve", no_picture)


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work in an empty folder: what a user has in ``outputs`` of the checkout is nothing to the tests."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.MonkeyPatch.context() as patch:
        # The server that tests of kills fork from looks for its modules there, and no longer in the current folder.
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        yield
    os.chdir(before)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: images are rendered and features extracted once."""
    return tmp_path_factory.mktemp("cache")


@functools.cache
def _composed(*overrides: str) -> DictConfig:
    return compose("train", overrides=list(overrides))


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Return the settings that ``python -m coilal.train`` would see with these overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        yield lambda *overrides: deepcopy(_composed(*overrides))


@pytest.fixture
def small(composed: Callable[..., DictConfig], tmp_path: Path, cache: Path) -> Callable[..., DictConfig]:
    """Return settings of a run of seconds, in a folder of its own."""
    places = {"outputs": f"{tmp_path}/outputs", "cache.dir": str(cache)}

    def settings(*overrides: str) -> DictConfig:
        # Places and studies are not composed, so that tests share what is.
        studies = [override for override in overrides if override.startswith("study=")]
        given = {override.partition("=")[0] for override in overrides}
        cfg = composed(*SMALL, *[override for override in overrides if override not in studies])
        for key in places.keys() - given:
            OmegaConf.update(cfg, key, places[key])
        for study in studies:
            cfg.study = study.partition("=")[2]
        return cfg

    return settings


@pytest.fixture(scope="session")
def cuda() -> torch.device:
    """Return the GPU; skip the test where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return torch.device("cuda", 0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real images beside the project; skip the test where it is not."""
    folder = Path(os.environ.get("COILAL_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared data is not here (looked for it in {folder}; COILAL_SHARED names another folder)")
    return folder
