"""The least that bare torch needs: every image once through the network, then heads on features in memory.

Imports torch and numpy. The frozen part of the network comes as TorchScript with BatchNorm folded into the
convolutions; it runs channels-last in small batches on a heap that is kept. Heads are trained on one thread,
which is faster for so little work, with AdamW written out (the first step of ``torch.optim`` imports torch's
compiler, seconds that a head does not need), and scored under inference mode. Counted are, as
for coilal, imports, reading, extraction, training, scoring of pool, validation and test split, and selection.

Variants: ``cached`` starts from extracted features; ``together`` trains the heads of all seeds at once, as
batched matrix products.
"""

from __future__ import annotations

import ctypes

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import macro_f1
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, Training, arguments

EXTRACTION_BATCH = 16


def run(contest: Contest, variant: str = "") -> Report:
    """Run the workload."""
    report = Report()
    if variant == "cached":
        with report.timed("read"):
            features = torch.from_numpy(contest.array("features"))
    else:
        with report.timed("extract"):
            features = standardised(extract(contest), contest.pool)
    torch.set_num_threads(1)
    features = torch.cat([features, torch.ones(len(features), 1)], dim=1)  # the bias is a weight of this column
    seeds = contest.workload.seeds
    for group in [seeds] if variant == "together" else [[seed] for seed in seeds]:
        run_seeds(contest, features, group, report)
    return report


def extract(contest: Contest) -> Tensor:
    """Return the output of the network's frozen part for every image."""
    keep_freed_memory()
    prefix = torch.jit.load(contest.folder / "prefix.pt")
    rows = []
    with torch.inference_mode():
        for first in range(0, len(contest.images), EXTRACTION_BATCH):
            batch = torch.from_numpy(np.array(contest.images[first : first + EXTRACTION_BATCH]))
            rows.append(prefix(batch.contiguous(memory_format=torch.channels_last)))
    return torch.cat(rows).clone()


def standardised(features: Tensor, pool: np.ndarray) -> Tensor:
    """Return features (N, D) with mean 0 and deviation 1 over the pool."""
    known = features[torch.from_numpy(pool)]
    return (features - known.mean(0)) / known.std(0, correction=0).clamp_min(1e-6)


def run_seeds(contest: Contest, features: Tensor, seeds: list[int], report: Report) -> None:
    """Run seeds side by side, S heads on as many labelled sets of the same size."""
    workload = contest.workload
    labels = torch.from_numpy(contest.labels)
    labelled = torch.stack([torch.from_numpy(contest.start(seed)) for seed in seeds])
    initial = initial_heads(features.shape[1] - 1, workload.classes, seeds)
    for number, count in enumerate(workload.counts):
        cycles = [Cycle(seed, count) for seed in seeds]
        report.cycles += cycles
        first = cycles[0]  # holds the times of all seeds of the group
        with first.timed("fit"):
            heads = fit(features, labels, labelled, initial, workload.training, seeds[0] + number)
        with torch.inference_mode():
            with first.timed("evaluate"):
                evaluate(contest, features, heads, cycles)
            if number + 1 < len(workload.counts):
                wanted = workload.counts[number + 1] - count
                labelled = torch.cat([labelled, query(contest, features, labelled, heads, wanted, first)], 1)


def initial_heads(width: int, classes: int, seeds: list[int]) -> Tensor:
    """Return heads (S, D + 1, K) as torch initialises linear layers; the last row is the bias."""
    heads = []
    for seed in seeds:
        torch.manual_seed(seed)
        linear = nn.Linear(width, classes)
        heads.append(torch.cat([linear.weight.detach().T, linear.bias.detach()[None]]))
    return torch.stack(heads)


def fit(
    features: Tensor, labels: Tensor, labelled: Tensor, initial: Tensor, training: Training, seed: int
) -> Tensor:
    """Return S heads, trained on their labelled images (S, n) from the initial weights."""
    heads = initial.clone().requires_grad_()
    first, second = torch.zeros_like(initial), torch.zeros_like(initial)
    inputs, values = features[labelled], labels[labelled]
    torch.manual_seed(seed)
    step = 0
    for _ in range(training.epochs):
        for rows in torch.randperm(labelled.shape[1]).split(training.batch_size):
            logits = torch.bmm(inputs[:, rows], heads)
            losses = nn.functional.cross_entropy(logits.flatten(0, 1), values[:, rows].flatten(), reduction="sum")
            # the sum over the heads: each gets the gradient of its own mean
            (gradient,) = torch.autograd.grad(losses / len(rows), heads)
            step += 1
            adamw(heads.detach(), gradient, first, second, step, training)
    return heads.detach()


def adamw(heads: Tensor, gradient: Tensor, first: Tensor, second: Tensor, step: int, training: Training) -> None:
    """Update in place: one step of AdamW (Loshchilov & Hutter 2019, algorithm 2) as torch.optim has it."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    first.lerp_(gradient, 1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    deviation = second.sqrt().div_((1 - beta2**step) ** 0.5).add_(epsilon)
    heads.mul_(1 - training.lr_head * training.weight_decay)
    heads.addcdiv_(first, deviation, value=-training.lr_head / (1 - beta1**step))


def evaluate(contest: Contest, features: Tensor, heads: Tensor, cycles: list[Cycle]) -> None:
    """Score validation and test split of every head."""
    for ids in (contest.validation, contest.test):
        predicted = (features[ids] @ heads).argmax(2).numpy()
        for cycle, row in zip(cycles, predicted, strict=True):
            cycle.macro_f1 = macro_f1(contest.labels[ids], row, contest.workload.classes)


def query(
    contest: Contest,
    features: Tensor,
    labelled: Tensor,
    heads: Tensor,
    wanted: int,
    cycle: Cycle,
) -> Tensor:
    """Return the ids (S, wanted) with the smallest margins."""
    pool = torch.from_numpy(contest.pool)
    cycle.pool = len(pool) - labelled.shape[1]
    with cycle.timed("infer"):
        probabilities = (features[pool] @ heads).softmax(2)
    with cycle.timed("select"):
        largest = probabilities.topk(2, dim=2).values
        margins = largest[..., 0] - largest[..., 1]
        places = torch.searchsorted(pool, labelled)
        margins.scatter_(1, places, torch.inf)
        return pool[margins.topk(wanted, largest=False).indices]


def keep_freed_memory() -> None:
    """Let glibc keep freed activations instead of mapping and unmapping each of them."""
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)  # M_MMAP_MAX
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest), options.variant).save(options.out)
