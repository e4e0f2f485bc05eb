"""What status.json says of hyperparameters that were chosen with images which the run tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHOSEN_ON = "hparams_chosen_on"
"""The entry of status.json; a run none of whose test images had a say in the choice has none."""

Seen = Mapping[str, Any]
"""Its content: ``source`` of the values, ``split`` of the search, images that this run tests (``tested``), and how
many of them were in the pool or the validation part of the search (``seen``; None: not known)."""


def described(by_split: Mapping[int, Seen]) -> str:
    """Return what there is to be said of splits whose hyperparameters come from one search, in one sentence.

    Args:
        by_split: the entry of a run of each split.
    """
    first, splits = next(iter(by_split.values())), sorted(by_split)
    which = f"split {splits[0]} tests" if len(splits) == 1 else f"splits {', '.join(map(str, splits))} test"
    chosen = f"the hyperparameters {first['source']} were chosen with split {first['split']} of these data"
    if any(entry["seen"] is None for entry in by_split.values()):
        return (
            f"{chosen}, and images that {which} may have been pool or validation images then (how many is not "
            "known, because labels, groups or a split that the data gave have changed since)"
        )
    seen = [entry["seen"] for entry in by_split.values()]
    tested = sum(entry["tested"] for entry in by_split.values())
    if len(splits) == 1:
        return f"{chosen}: {seen[0]} of the {tested} images that {which} were pool or validation images then"
    least, most = min(seen), max(seen)
    each = f"{least} to {most}" if least < most else str(most)
    share = f"{sum(seen) / tested:.0%}".replace("%", " %")
    return f"{chosen}: {share} of the images that {which} ({each} a split) were pool or validation images then"
