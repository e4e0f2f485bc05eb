"""One pass of the whole network over all images: as the library does it by default, and as the bound does it."""

from __future__ import annotations

import torch

from benchmarks.contestants.bound import extract
from benchmarks.network import Features
from benchmarks.report import Report
from benchmarks.workload import Contest, arguments

DEFAULT_BATCH = 64


def run(contest: Contest, variant: str) -> Report:
    """Time the extraction alone; ``bound``, or the library's eager forward pass."""
    report = Report()
    with report.timed("extract"):
        features = extract(contest) if variant == "bound" else eager(contest)
    report.figures["finite"] = float(torch.isfinite(features).all())
    return report


def eager(contest: Contest) -> torch.Tensor:
    """Return the features of timm's network as it comes, in batches of 64."""
    network = Features(contest.workload.network)
    batches = torch.from_numpy(contest.array("images")).split(DEFAULT_BATCH)
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in batches])


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest), options.variant).save(options.out)
