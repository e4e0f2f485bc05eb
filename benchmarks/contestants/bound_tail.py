"""The bound of W2: activations at the cut cached in memory, the last blocks and the head trained on them.

As ``bound``, but it imports timm for the blocks that are trained.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.contestants.bound import extract
from benchmarks.measure import macro_f1
from benchmarks.network import Features, pooled
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, Training, arguments

INFERENCE_BATCH = 64


class Tail(nn.Module):
    """Activations in, logits out."""

    mean: Tensor
    std: Tensor

    def __init__(self, contest: Contest) -> None:
        super().__init__()
        network = contest.workload.network
        self.blocks = nn.Sequential(*Features(network).trained_parts(network.trained_blocks))
        self.blocks.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.from_numpy(contest.array("mean")))
        self.register_buffer("std", torch.from_numpy(contest.array("std")))
        self.head = nn.Linear(len(self.mean), contest.workload.classes)

    def forward(self, activations: Tensor) -> Tensor:
        """Return logits (B, K)."""
        logits: Tensor = self.head((pooled(self.blocks(activations)) - self.mean) / self.std)
        return logits


def run(contest: Contest) -> Report:
    """Run the workload."""
    report = Report()
    with report.timed("extract"):
        activations = extract(contest).contiguous(memory_format=torch.channels_last)
    for seed in contest.workload.seeds:
        torch.manual_seed(seed)
        tail = Tail(contest).eval()  # BatchNorm keeps its statistics, there is no dropout
        initial = copy.deepcopy(tail.state_dict())
        labelled = contest.start(seed)
        for number, count in enumerate(contest.workload.counts):
            tail.load_state_dict(initial)
            cycle = Cycle(seed, count)
            report.cycles.append(cycle)
            with cycle.timed("fit"):
                fit(tail, activations, torch.from_numpy(contest.labels), labelled, contest.workload.training)
            with cycle.timed("evaluate"):
                for ids in (contest.validation, contest.test):
                    predicted = predict(tail, activations, ids).argmax(1).numpy()
                    cycle.macro_f1 = macro_f1(contest.labels[ids], predicted, contest.workload.classes)
            if number + 1 < len(contest.workload.counts):
                wanted = contest.workload.batches()[number]
                labelled = np.concatenate([labelled, query(contest, tail, activations, labelled, wanted, cycle)])
    return report


def fit(tail: Tail, activations: Tensor, labels: Tensor, labelled: np.ndarray, training: Training) -> None:
    """Train from the weights that the tail has."""
    groups = [
        {"params": list(tail.head.parameters()), "lr": training.lr_head},
        {"params": list(tail.blocks.parameters()), "lr": training.lr_backbone},
    ]
    adamw = torch.optim.AdamW(groups, weight_decay=training.weight_decay, fused=True)
    ids = torch.from_numpy(labelled)
    for _ in range(training.epochs):
        for rows in ids[torch.randperm(len(ids))].split(training.batch_size):
            adamw.zero_grad()
            nn.functional.cross_entropy(tail(activations[rows]), labels[rows]).backward()
            adamw.step()


def predict(tail: Tail, activations: Tensor, ids: np.ndarray) -> Tensor:
    """Return the logits (n, K)."""
    with torch.inference_mode():
        return torch.cat([tail(activations[rows]) for rows in torch.from_numpy(ids).split(INFERENCE_BATCH)])


def query(
    contest: Contest, tail: Tail, activations: Tensor, labelled: np.ndarray, wanted: int, cycle: Cycle
) -> np.ndarray:
    """Return the ids of the images with the smallest margins."""
    unlabelled = np.setdiff1d(contest.pool, labelled)
    cycle.pool = len(unlabelled)
    with cycle.timed("infer"):
        probabilities = predict(tail, activations, unlabelled).softmax(1)
    with cycle.timed("select"):
        largest = probabilities.topk(2).values
        margins = largest[:, 0] - largest[:, 1]
        return unlabelled[margins.topk(wanted, largest=False).indices.numpy()]


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest)).save(options.out)
