"""Selection in bare torch, by hand: inputs to the rows of the 100 that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from benchmarks.contestants.selection import Inputs

BATCH = 100
BLOCK, STEPS = 1 << 13, 60
NEIGHBOURS, CANDIDATES = 20, 1000


def margin(inputs: Inputs) -> NDArray[np.int64]:
    """Return the rows with the smallest difference of the two largest probabilities."""
    with torch.inference_mode():
        largest = torch.from_numpy(inputs.logits[: inputs.rows]).softmax(1).topk(2).values
        return (largest[:, 0] - largest[:, 1]).topk(BATCH, largest=False).indices.numpy()


def entropy(inputs: Inputs) -> NDArray[np.int64]:
    """Return the rows with the highest entropy."""
    with torch.inference_mode():
        log = torch.from_numpy(inputs.logits[: inputs.rows]).log_softmax(1)
        return (log.exp() * log).sum(1).topk(BATCH, largest=False).indices.numpy()


def coreset(inputs: Inputs) -> NDArray[np.int64]:
    """Return the rows that are farthest from all before, one after the other."""
    with torch.inference_mode():
        pool, labelled = _split(inputs)
        lengths = torch.linalg.vector_norm(pool, dim=1).square_()
        nearest = torch.full_like(lengths, torch.inf)
        for here in _blocks(len(pool)):
            of_labelled = labelled.square().sum(1) - 2 * pool[here] @ labelled.T
            nearest[here] = of_labelled.min(1).values + lengths[here]
        chosen = []
        for _ in range(BATCH):
            row = int(nearest.argmax())
            chosen.append(row)
            torch.minimum(nearest, lengths + lengths[row] - 2 * (pool @ pool[row]), out=nearest)
            nearest[row] = -1
        return np.array(chosen)


def badge(inputs: Inputs) -> NDArray[np.int64]:
    """Return rows by k-means++ on the gradients of the last layer."""
    with torch.inference_mode():
        pool, _ = _split(inputs)
        logits = torch.from_numpy(inputs.logits[: inputs.rows])
        errors = logits.softmax(1)
        errors[torch.arange(len(logits)), logits.argmax(1)] -= 1
        lengths = torch.linalg.vector_norm(pool, dim=1).square_() * errors.square().sum(1)
        nearest = torch.full_like(lengths, torch.inf)
        chosen = [0]
        for _ in range(BATCH - 1):
            row = chosen[-1]
            distances = lengths + lengths[row] - 2 * (errors @ errors[row]) * (pool @ pool[row])
            torch.minimum(nearest, distances, out=nearest).clamp_(min=0)
            nearest[chosen] = 0
            cumulative = nearest.double().cumsum(0)
            chosen.append(int(torch.searchsorted(cumulative, cumulative[-1:] * torch.rand(1)).item()))
        return np.array(chosen)


def typiclust(inputs: Inputs) -> NDArray[np.int64]:
    """Return the typical rows of clusters: k-means in random batches, as coilal's, and one row a cluster."""
    with torch.inference_mode():
        pool, labelled = _split(inputs)
        scale = 1 / torch.linalg.vector_norm(pool, dim=1)
        centres = _centres(pool, scale, len(labelled) + BATCH)
        cluster = torch.cat(
            [(pool[here] @ centres.T).mul_(scale[here, None]).argmax(1) for here in _blocks(len(pool))]
        )
        chosen = []
        for number in cluster.bincount(minlength=len(centres)).topk(BATCH).indices:
            members = (cluster == number).nonzero()[:, 0]
            some = members[torch.randperm(len(members))[:CANDIDATES]]
            near = (pool[some] * scale[some, None]) @ (pool[members] * scale[members, None]).T
            typical = (
                (2 - 2 * near.topk(min(NEIGHBOURS + 1, len(members))).values[:, 1:]).clamp_(min=0).sqrt_().mean(1)
            )
            chosen.append(int(some[typical.argmin()]))
        return np.array(chosen)


def _centres(pool: Tensor, scale: Tensor, number: int) -> Tensor:
    first = torch.randperm(len(pool))[:number]
    centres, counts = pool[first] * scale[first, None], torch.ones(number)
    for _ in range(STEPS):
        some = torch.randint(len(pool), (BLOCK,))
        rows = pool[some] * scale[some, None]
        nearest = (rows @ centres.T - centres.square().sum(1) / 2).argmax(1)
        counts += nearest.bincount(minlength=number)
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
        own = nearest.bincount(minlength=number)
        centres += (sums - centres * own[:, None]) / counts[:, None]
    return centres


def _split(inputs: Inputs) -> tuple[Tensor, Tensor]:
    features = torch.from_numpy(inputs.features)
    return features[: inputs.rows], features[inputs.rows :]


def _blocks(rows: int) -> list[slice]:
    return [slice(first, first + BLOCK) for first in range(0, rows, BLOCK)]


SELECT = {"margin": margin, "entropy": entropy, "coreset": coreset, "badge": badge, "typiclust": typiclust}
