"""The least that bare torch needs: every image once through the network, then heads on features in memory.

Imports torch and numpy. The frozen part of the network comes as TorchScript with BatchNorm folded into the
convolutions; it runs channels-last on all cores, in small batches, on a heap that is kept. Then the seeds are
shared out over a process a core, each on one thread, which is faster for so little work. The gradient of a linear
head is written out, its AdamW is the one kernel behind ``torch.optim`` (whose first step imports torch's compiler,
seconds that a head does not need). Counted are, as for coilal, imports, reading, extraction, training, scoring
of pool, validation and test split, and selection.

Variants: ``cached`` starts from extracted features; ``one_process`` and ``cached_one_process`` run all seeds in
one process.
"""

from __future__ import annotations

import ctypes
import os
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.contestants.forked import shared_out
from benchmarks.measure import macro_f1
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, Training, arguments

EXTRACTION_BATCH = 16


def run(contest: Contest, variant: str = "") -> Report:
    """Run the workload."""
    report = Report()
    if variant.startswith("cached"):
        with report.timed("read"):
            features = torch.from_numpy(contest.array("features"))
    else:
        with report.timed("extract"):
            features = extract(contest)
            mean, deviation = statistics(features, contest.pool)
            features = (features - mean) / deviation
    torch.set_num_threads(1)
    processes = 1 if variant.endswith("one_process") else len(os.sched_getaffinity(0))
    with torch.inference_mode():
        task = Task(contest, features)
        for cycles in shared_out(partial(run_seed, task), contest.workload.seeds, processes):
            report.cycles += cycles
    return report


def extract(contest: Contest) -> Tensor:
    """Return the output of the network's frozen part for every image."""
    keep_freed_memory()
    prefix = torch.jit.load(contest.folder / "prefix.pt")
    rows = []
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # profiling its first runs gains nothing
        for first in range(0, len(contest.images), EXTRACTION_BATCH):
            batch = torch.from_numpy(np.array(contest.images[first : first + EXTRACTION_BATCH]))
            rows.append(prefix(batch.contiguous(memory_format=torch.channels_last)))
    return torch.cat(rows)  # outside of the inference mode: others may train on it


def statistics(features: Tensor, pool: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (D,) over the pool; of constant features, the deviation is not their noise."""
    known = features[torch.from_numpy(pool)]
    mean = known.mean(0)
    floor = (1e-5 * mean.abs()).clamp_min(1e-6)
    return mean, known.std(0, correction=0).maximum(floor)


class Task:
    """What all seeds share.

    Attributes:
        contest: the workload.
        features: (N, D + 1), the last column ones: its weight is the bias.
        targets: (N, K), a one in the column of the class.
        pool: the features of the pool, in one block; so are ``validation`` and ``test``.
    """

    def __init__(self, contest: Contest, features: Tensor) -> None:
        self.contest = contest
        self.features = torch.cat([features, torch.ones(len(features), 1)], dim=1)
        labels = torch.from_numpy(contest.labels)
        self.targets = nn.functional.one_hot(labels, contest.workload.classes).float()
        self.pool, self.validation, self.test = (
            self.features[torch.from_numpy(ids)] for ids in (contest.pool, contest.validation, contest.test)
        )


def run_seed(task: Task, seed: int) -> list[Cycle]:
    """Run one seed."""
    contest = task.contest
    workload = contest.workload
    initial = initial_head(task.features.shape[1] - 1, workload.classes, seed)
    labelled = torch.from_numpy(contest.start(seed))
    done = []
    for number, count in enumerate(workload.counts):
        cycle = Cycle(seed, count)
        done.append(cycle)
        with cycle.timed("fit"):
            torch.manual_seed(seed + number)
            head = fit(task.features, task.targets, labelled, initial, workload.training)
        with cycle.timed("evaluate"):
            evaluate(task, head, cycle)
        if number + 1 < len(workload.counts):
            wanted = workload.counts[number + 1] - count
            labelled = torch.cat([labelled, query(task, labelled, head, wanted, cycle)])
    return done


def initial_head(width: int, classes: int, seed: int) -> Tensor:
    """Return a head (K, D + 1) as torch initialises a linear layer; the last column is the bias."""
    torch.manual_seed(seed)
    linear = nn.Linear(width, classes)
    return torch.cat([linear.weight.detach(), linear.bias.detach()[:, None]], dim=1)


def fit(features: Tensor, targets: Tensor, labelled: Tensor, initial: Tensor, training: Training) -> Tensor:
    """Return a head (K, D + 1), trained on the labelled images (n,) from the initial weights."""
    head = initial.clone()
    first, second, step = torch.zeros_like(head), torch.zeros_like(head), torch.zeros(())
    block = torch.empty(training.batch_size, features.shape[1])  # kept: memory that was just written is fast
    for _ in range(training.epochs):
        for rows in labelled[torch.randperm(len(labelled))].split(training.batch_size):
            inputs = torch.index_select(features, 0, rows, out=block[: len(rows)])
            gradient = gradient_of(head, inputs, targets[rows])
            step += 1
            adamw(head, gradient, first, second, step, training)
    return head


def gradient_of(head: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the gradient (K, D + 1) of the mean cross-entropy of softmax(inputs headᵀ)."""
    surplus = (inputs @ head.T).softmax(1).sub_(targets).div_(len(inputs))
    return surplus.T @ inputs


def adamw(head: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: Tensor, training: Training) -> None:
    """Update in place: one step of AdamW, by the kernel of ``torch.optim.AdamW(fused=True)``."""
    torch._fused_adamw_(
        [head],
        [gradient],
        [first],
        [second],
        [],
        [step],
        lr=training.lr_head,
        beta1=0.9,
        beta2=0.999,
        weight_decay=training.weight_decay,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )


def evaluate(task: Task, head: Tensor, cycle: Cycle) -> None:
    """Score validation and test split."""
    contest = task.contest
    for inputs, ids in ((task.validation, contest.validation), (task.test, contest.test)):
        predicted = (inputs @ head.T).argmax(1).numpy()
        cycle.macro_f1 = macro_f1(contest.labels[ids], predicted, contest.workload.classes)


def query(task: Task, labelled: Tensor, head: Tensor, wanted: int, cycle: Cycle) -> Tensor:
    """Return the ids (wanted,) with the smallest margins."""
    pool = torch.from_numpy(task.contest.pool)
    cycle.pool = len(pool) - len(labelled)
    with cycle.timed("infer"):
        probabilities = (task.pool @ head.T).softmax(1)
    with cycle.timed("select"):
        largest = probabilities.topk(2, dim=1).values
        margins = largest[:, 0] - largest[:, 1]
        margins[torch.searchsorted(pool, labelled)] = torch.inf
        return pool[margins.topk(wanted, largest=False).indices]


def keep_freed_memory() -> None:
    """Let glibc keep freed activations instead of mapping and unmapping each of them."""
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)  # M_MMAP_MAX
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest), options.variant).save(options.out)
