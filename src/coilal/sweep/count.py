"""How many processes of this machine do a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coilal.common.host_memory import free_host_memory
from coilal.runs.settings import Settings
from coilal.sweep.hardware import cores, gpus

MEMORY_OF_A_PROCESS = 2e9  # libraries, images, backbone; its features come on top, up to cache.memory_gb


@dataclass(frozen=True)
class Count:
    """A number of processes, and why."""

    processes: int
    why: str

    def __str__(self) -> str:
        if self.processes == 1:
            return f"one process, this one ({self.why})"
        one = "; hydra.launcher.processes=1 works in this one alone"
        return f"{self.processes} processes ({self.why}){one if self.why != 'as asked for' else ''}"


def automatic(todo: Sequence[Settings]) -> Count:
    """Return how many processes do these cells fastest.

    Args:
        todo: the settings of each.
    """
    accelerators = {str(cell.trainer.get("accelerator", "auto")) for cell in todo}
    devices = [] if accelerators == {"cpu"} else gpus()
    if any(cell.trainer.get("devices", "auto") not in (1, "1", "auto") for cell in todo):
        return Count(1, "trainer.devices says which device")
    if devices:
        return _at_most(len(todo), len(devices), "one a GPU")
    if any(not cell.model.trains_the_head_alone for cell in todo):
        return Count(1, "training more than a head takes all cores")
    if accelerators - {"auto", "cpu"}:  # a GPU that nvidia-smi does not list, which all would share
        return Count(1, f"trainer.accelerator={', '.join(sorted(accelerators))}")
    needed = MEMORY_OF_A_PROCESS + max((cell.cache.memory_gb for cell in todo), default=0) * 1e9
    by_cores, by_memory = cores(), max(1, int(free_host_memory() / needed))
    if by_memory < by_cores:
        return _at_most(len(todo), by_memory, f"one for {needed / 1e9:.3g} GB of free memory")
    return _at_most(len(todo), by_cores, "one a core")


def _at_most(cells: int, processes: int, why: str) -> Count:
    return Count(cells, "one a cell") if cells < processes else Count(processes, why)
