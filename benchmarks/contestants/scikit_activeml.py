"""scikit-activeml with skorch on features that are already extracted."""

from __future__ import annotations

import numpy as np
import torch
from skactiveml.classifier import SkorchClassifier
from skactiveml.pool import UncertaintySampling
from skactiveml.utils import MISSING_LABEL
from torch import nn

from benchmarks.measure import macro_f1
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, Training, arguments


def run(contest: Contest) -> Report:
    """Run the workload."""
    report = Report()
    with report.timed("read"):
        features = contest.array("features")
    for seed in contest.workload.seeds:
        report.cycles += run_seed(contest, features, seed)
    return report


def run_seed(contest: Contest, features: np.ndarray, seed: int) -> list[Cycle]:
    """Run one seed."""
    workload = contest.workload
    model = classifier(features.shape[1], workload.classes, workload.training, seed)
    strategy = UncertaintySampling(method="margin_sampling", random_state=seed)
    pool = features[contest.pool]
    known = np.full(len(pool), MISSING_LABEL)
    new = np.searchsorted(contest.pool, contest.start(seed))
    done = []
    for number, count in enumerate(workload.counts):
        known[new] = contest.labels[contest.pool[new]]
        cycle = Cycle(seed, count)
        done.append(cycle)
        with cycle.timed("fit"):
            torch.manual_seed(seed)
            model.fit(pool, known)
        with cycle.timed("evaluate"):
            predicted = model.predict(features[contest.test]).astype(np.int64)
            cycle.macro_f1 = macro_f1(contest.labels[contest.test], predicted, workload.classes)
        if count != workload.counts[-1]:
            cycle.pool = len(pool) - count
            with cycle.timed("select"):
                wanted = workload.batches()[number]
                new = strategy.query(pool, known, model, fit_clf=False, batch_size=wanted)
    return done


def classifier(width: int, classes: int, training: Training, seed: int) -> SkorchClassifier:
    """Return a linear head with the workload's training."""
    return SkorchClassifier(
        module=nn.Linear,
        criterion=nn.CrossEntropyLoss,
        classes=list(range(classes)),
        random_state=seed,
        neural_net_param_dict={
            "module__in_features": width,
            "module__out_features": classes,
            "max_epochs": training.epochs,
            "batch_size": training.batch_size,
            "iterator_train__shuffle": True,
            "optimizer": torch.optim.AdamW,
            "optimizer__lr": training.lr_head,
            "optimizer__weight_decay": training.weight_decay,
            "train_split": None,
            "verbose": 0,
        },
    )


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest)).save(options.out)
