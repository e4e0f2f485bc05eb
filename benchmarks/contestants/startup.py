"""How long coilal takes to start: until its help is there, or until a run on cached data begins its work.

Variants: ``help`` waits for the end of ``--help``; ``work`` waits for status.json, which a run writes when it has
read its images, built its network and is about to learn; it takes the cache that the contestant ``coilal`` left.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from benchmarks.workload import arguments

COMMAND = [sys.executable, "-m", "coilal.train"]
POLL_S = 0.01


def help_s() -> float:
    """Return the seconds of ``--help``."""
    start = time.perf_counter()
    subprocess.run([*COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def work_s(settings: dict[str, Any], cache: Path, outputs: Path) -> float:
    """Return the seconds until a run of the first seed writes its status.json; the run is not awaited.

    Args:
        settings: ``coilal.json`` of the contest.
        cache: left by an earlier run.
        outputs: folder for the run directory.

    Raises:
        SystemExit: the run failed.
    """
    shutil.rmtree(outputs, ignore_errors=True)
    seed = settings["seeds"][0]
    overrides = [*settings["overrides"], f"seed={seed}", f"outputs={outputs}", f"cache.dir={cache}"]
    start = time.perf_counter()
    run = subprocess.Popen([*COMMAND, *overrides])
    while not any(outputs.glob(f"*/*/*/*/split0/seed{seed}/status.json")):
        if run.poll() is not None:
            raise SystemExit(run.returncode or "the run ended without a status.json")
        time.sleep(POLL_S)
    seconds = time.perf_counter() - start
    run.kill()
    run.wait()
    return seconds


if __name__ == "__main__":
    options = arguments(__doc__)
    if options.variant == "help":
        seconds = help_s()
    else:
        given = json.loads((options.contest / "coilal.json").read_text())
        seconds = work_s(given, options.scratch.parent / "coilal" / "cache", options.scratch / "outputs")
    Report(figures={"start_up_s": seconds}).save(options.out)
