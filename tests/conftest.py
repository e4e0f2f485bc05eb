"""Shared by all tests: composing settings as the command line does, and where the shared data lies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from coilal.common.cli import conf_folder
from coilal.runs.shared import forget

# Tests of kills fork a child a run from one server that has everything imported: seconds instead of minutes. Set
# here for all, because the last one to set it wins, whichever test starts the server.
multiprocessing.get_context("forkserver").set_forkserver_preload(
    ["tests.e2e.child", "tests.unit.features.extraction_child"]
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the processes of pytest-xdist; commands inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL = [
    "data.source.coils=12",
    "data.source.images_per_coil=16",
    "data.image.size=[56,42]",
    "budget=small",
    "budget.cycles=2",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
]


@pytest.fixture(autouse=True)
def nothing_shared() -> None:
    """Let no test see the backbone or the open cache of another."""
    forget()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: images are rendered and features extracted once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def composed() -> Iterator[Callable[..., DictConfig]]:
    """Return the settings that ``python -m coilal.train`` would see with these overrides."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        yield lambda *overrides: compose("train", overrides=list(overrides))


@pytest.fixture
def small(composed: Callable[..., DictConfig], tmp_path: Path, cache: Path) -> Callable[..., DictConfig]:
    """Return settings of a run of seconds, in a folder of its own."""
    return lambda *overrides: composed(*SMALL, f"outputs={tmp_path}/outputs", f"cache.dir={cache}", *overrides)


@pytest.fixture
def shared() -> Path:
    """Return the folder of real images beside the project; skip the test where it is not."""
    folder = Path(os.environ.get("COILAL_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared data is not here (looked for it in {folder}; COILAL_SHARED names another folder)")
    return folder
