"""The server that workers are forked from must have nothing that a fork would break."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = """
import os, coilal.sweep.server_imports, torch
print(len(os.listdir("/proc/self/task")), torch.cuda.is_initialized(), "coilal.train" in __import__("sys").modules)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted as Linux lists them")
def test_the_imports_start_no_thread_and_touch_no_gpu() -> None:
    # OpenBLAS starts threads when it is loaded, and ends them itself before a fork.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.split() == ["1", "False", "False"], done.stderr
