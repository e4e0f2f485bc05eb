from __future__ import annotations

import pandas as pd

from coilal.evidence.page import MOST_LETTERS, wordy


def test_columns_of_sentences_are_told_from_those_of_numbers() -> None:
    table = pd.DataFrame(
        [["margin", 0.5, "a few words"], ["margin", 0.5, "w" * (MOST_LETTERS + 1)]],
        columns=["name", "name", "says"],
    )
    assert wordy(table) == [False, False, True]
    assert wordy(table.head(0)) == [False, False, False]
