"""baal as its documentation shows it: ActiveLearningDataset, ModelWrapper, a heuristic and ActiveLearningLoop.

Two things differ from the examples, both in its favour: one prediction a pool image instead of twenty with
Monte-Carlo dropout (the workload asks for the margin of one prediction), and no loader processes, which cost
more than they bring for images that are decoded already.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from baal.active import ActiveLearningDataset
from baal.active.active_loop import ActiveLearningLoop
from baal.active.heuristics import Margin
from baal.modelwrapper import ModelWrapper, TrainingArgs
from torch import nn

from benchmarks.measure import macro_f1
from benchmarks.network import Images, classifier, optimizer
from benchmarks.report import Cycle, Report
from benchmarks.workload import Contest, arguments


def run(contest: Contest, seeds: int | None = None, cycles: int | None = None) -> Report:
    """Run the workload, or only its first seeds and cycles."""
    report = Report()
    for seed in contest.workload.seeds[:seeds]:
        report.cycles += run_seed(contest, seed, cycles)
    return report


def run_seed(contest: Contest, seed: int, cycles: int | None) -> list[Cycle]:
    """Run one seed."""
    workload = contest.workload
    torch.manual_seed(seed)
    model = classifier(contest)
    training = workload.training
    wrapper = ModelWrapper(
        model,
        TrainingArgs(
            criterion=nn.CrossEntropyLoss(),
            batch_size=training.batch_size,
            epoch=training.epochs,
            use_cuda=False,
            workers=0,
        ),
    )
    initial = copy.deepcopy(wrapper.state_dict())
    dataset = ActiveLearningDataset(Images(contest, contest.pool))
    dataset.label(np.searchsorted(contest.pool, contest.start(seed)).tolist())
    done = []
    for number, count in enumerate(workload.counts[:cycles]):
        wrapper.load_state_dict(initial)
        wrapper.args.optimizer = optimizer(model, training)
        cycle = Cycle(seed, count)
        done.append(cycle)
        with cycle.timed("fit"):
            wrapper.train_on_dataset(dataset)
        with cycle.timed("evaluate"):
            logits = wrapper.predict_on_dataset(Images(contest, contest.test), iterations=1, verbose=False)
            predicted = logits.mean(-1).argmax(1)
            cycle.macro_f1 = macro_f1(contest.labels[contest.test], predicted, workload.classes)
        if count != workload.counts[-1]:
            cycle.pool = int(dataset.n_unlabelled)
            query(wrapper, dataset, workload.batches()[number], cycle)
    return done


def query(wrapper: ModelWrapper, dataset: ActiveLearningDataset, wanted: int, cycle: Cycle) -> None:
    """Label the images with the smallest margins; the pool's prediction and the choice are one step."""
    loop = ActiveLearningLoop(
        dataset, wrapper.predict_on_dataset, Margin(), query_size=wanted, iterations=1, verbose=False
    )
    with cycle.timed("infer"):
        loop.step()


if __name__ == "__main__":
    options = arguments(__doc__)
    run(Contest(options.contest), options.seeds, options.cycles).save(options.out)
