"""The starting set: the images that are labelled before the model can be asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coilal.common.choices import chosen
from coilal.common.types import IntArray, UserError


def draw(
    pool_ids: IntArray,
    values: NDArray[np.int64],
    count: int,
    how: str,
    generator: np.random.Generator,
) -> IntArray:
    """Draw the starting set from the pool, in random order.

    The experimenter draws it, not a strategy: ``stratified`` looks at labels that a real user does not have
    yet, which makes the start of the curve too good. Hence ``random`` is the default of the budget.

    Args:
        pool_ids: int64 (n,), dataset-global.
        values: their class indices (n,) or 0/1 labels (n, L); looked at only by ``stratified``.
        count: images to draw.
        how: ``random``, uniform without replacement; or ``stratified``: classes, or combinations of labels,
            in proportion, and at least one image of each (of the most frequent, where count is too small).
        generator: random numbers.

    Returns:
        int64 (count,), dataset-global.

    Raises:
        UserError: if count is below 1 or above n, ``how`` is unknown, or ``stratified`` meets images without a
            label (values below 0).
    """
    if not 1 <= count <= len(pool_ids):
        raise UserError(
            f"the starting set must have 1 to {len(pool_ids)} images, the size of the pool, not {count}: "
            "change budget.initial (or budget.labelled)."
        )
    if chosen("budget.start", how, ("random", "stratified")) == "random":
        return np.asarray(generator.choice(pool_ids, count, replace=False))
    unlabelled = int((values < 0).reshape(len(values), -1).any(axis=1).sum())
    if unlabelled:
        raise UserError(
            f"budget.start=stratified needs the labels of the whole pool, and {unlabelled} of {len(values)} images "
            "have none: choose budget.start=random."
        )
    _, stratum, sizes = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    shares = _allocate(sizes, count, generator)
    drawn = [
        generator.choice(pool_ids[stratum == number], share, replace=False)
        for number, share in enumerate(shares)
        if share
    ]
    return np.asarray(generator.permutation(np.concatenate(drawn)))


def draw_spread(
    pool_ids: IntArray, groups: IntArray, count: int, most: int, generator: np.random.Generator
) -> IntArray:
    """Draw images at random, at most so many of one group.

    Where all groups have given their share and images are missing, each may give as many again.

    Args:
        pool_ids: int64 (n,), dataset-global.
        groups: number of the group of each (n).
        count: images to draw, 1 to n.
        most: images of one group, at least one.
        generator: random numbers.

    Returns:
        int64 (count,), dataset-global, in random order.
    """
    shuffled = generator.permutation(len(pool_ids))
    by_group = np.argsort(groups[shuffled], kind="stable")
    _, first, sizes = np.unique(groups[shuffled][by_group], return_index=True, return_counts=True)
    place = np.empty(len(shuffled), dtype=np.int64)  # of each image within its group
    place[by_group] = np.arange(len(shuffled)) - np.repeat(first, sizes)
    drawn = np.sort(np.argsort(place // most, kind="stable")[:count])
    return np.asarray(pool_ids[shuffled[drawn]])


def _allocate(sizes: IntArray, count: int, generator: np.random.Generator) -> IntArray:
    """Return how many images each stratum gives: its quota rounded, at least 1, together ``count``."""
    if count < len(sizes):
        shuffled = generator.permutation(len(sizes))  # equal sizes: no stratum is preferred
        largest = shuffled[np.argsort(-sizes[shuffled], kind="stable")[:count]]
        return np.isin(np.arange(len(sizes)), largest).astype(np.int64)
    quota = count * sizes / sizes.sum()
    shares: IntArray = np.maximum(np.floor(quota).astype(np.int64), 1)
    while shares.sum() < count:
        shares[np.argmax(quota - shares)] += 1
    while shares.sum() > count:
        shares[np.argmax(np.where(shares > 1, shares - quota, -np.inf))] -= 1
    return shares
