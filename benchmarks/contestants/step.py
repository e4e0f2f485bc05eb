"""Training steps of bare torch: a 384-wide linear head on features in memory, AdamW as it comes.

The same fits as the ``further`` workload of coilal: the time of a step includes drawing the order, gathering
the batch and setting the fit up. Variant ``fused`` takes the fused optimizer.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

from benchmarks.report import Cycle, Report
from benchmarks.workload import Training, arguments

WIDTH, CLASSES = 384, 8


def run(counts: list[int], training: Training, fused: bool) -> Report:
    """Time a fit for each number of labelled images."""
    torch.manual_seed(0)
    features, labels = torch.randn(max(counts), WIDTH), torch.randint(CLASSES, (max(counts),))
    fit(features, labels, training, fused)  # the first step imports torch's compiler
    report = Report()
    for count in counts:
        cycle = Cycle(0, count)
        with cycle.timed("fit"):
            fit(features[:count], labels[:count], training, fused)
        report.cycles.append(cycle)
    return report


def fit(features: Tensor, labels: Tensor, training: Training, fused: bool) -> None:
    """Train a head."""
    head = nn.Linear(WIDTH, CLASSES)
    adamw = torch.optim.AdamW(
        head.parameters(), lr=training.lr_head, weight_decay=training.weight_decay, fused=fused or None
    )
    for _ in range(training.epochs):
        for rows in torch.randperm(len(features)).split(training.batch_size):
            adamw.zero_grad()
            nn.functional.cross_entropy(head(features[rows]), labels[rows]).backward()
            adamw.step()


if __name__ == "__main__":
    options = arguments(__doc__)
    given = json.loads((options.contest / "steps.json").read_text())
    run(given["counts"], Training(**given["training"]), options.variant == "fused").save(options.out)
