"""A script as a thesis has it: a frozen backbone, a loader over the images, the backbone in every epoch.

Written by a sensible user: images are decoded beforehand, frozen parts keep no gradients, scoring runs under
``inference_mode``. What it does not do is keep the features.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.measure import macro_f1, smallest_margins
from benchmarks.network import Classifier, Images, classifier, optimizer
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, Training, arguments


def run(contest: Contest, seeds: int | None = None, cycles: int | None = None) -> Report:
    """Run the workload, or only its first seeds and cycles."""
    report = Report()
    for seed in contest.workload.seeds[:seeds]:
        torch.manual_seed(seed)
        model = classifier(contest)
        initial = copy.deepcopy(model.state_dict())
        labelled = contest.start(seed)
        for count in contest.workload.counts[:cycles]:
            model.load_state_dict(initial)
            cycle = Cycle(seed, count)
            report.cycles.append(cycle)
            with cycle.timed("fit"):
                fit(model, Images(contest, labelled), contest.workload.training)
            with cycle.timed("evaluate"):
                predicted = predict(model, Images(contest, contest.test)).argmax(1).numpy()
                cycle.macro_f1 = macro_f1(contest.labels[contest.test], predicted, contest.workload.classes)
            if count != contest.workload.counts[-1]:
                labelled = np.concatenate([labelled, query(contest, model, labelled, cycle)])
    return report


def fit(model: Classifier, images: Images, training: Training) -> None:
    """Train from the weights that the model has."""
    adamw = optimizer(model, training)
    loader = DataLoader(images, training.batch_size, shuffle=True)
    model.train()
    for _ in range(training.epochs):
        for batch, labels in loader:
            adamw.zero_grad()
            nn.functional.cross_entropy(model(batch), labels).backward()
            adamw.step()


def query(contest: Contest, model: Classifier, labelled: np.ndarray, cycle: Cycle) -> np.ndarray:
    """Return the ids of the images with the smallest margins."""
    workload = contest.workload
    unlabelled = np.setdiff1d(contest.pool, labelled)
    cycle.pool = len(unlabelled)
    with cycle.timed("infer"):
        probabilities = predict(model, Images(contest, unlabelled)).softmax(1).numpy()
    with cycle.timed("select"):
        wanted = workload.batches()[workload.counts.index(cycle.labelled)]
        return unlabelled[smallest_margins(probabilities, wanted)]


def predict(model: Classifier, images: Images) -> Tensor:
    """Return the logits (n, K)."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch, _ in DataLoader(images, 64)])


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest), options.seeds, options.cycles).save(options.out)
