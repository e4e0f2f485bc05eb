from __future__ import annotations

import logging

import numpy as np
import pytest

from coilal.data.histogram import as_text, describe_levels, level_counts


def test_levels_are_counted_in_a_sample_of_large_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    assert level_counts(pixels)[1] == 100
    monkeypatch.setattr("coilal.data.histogram._MOST", 3)
    counts, images = level_counts(pixels)
    assert images == 3
    assert np.flatnonzero(counts).tolist() == [0, 50, 99]


def test_a_histogram_has_the_dark_on_its_left_and_shows_what_is_rare() -> None:
    counts = np.zeros(256, np.int64)
    counts[0], counts[255] = 10**6, 1
    text = as_text(counts)
    assert len(text) == 32
    assert (text[0], text[1], text[-1]) == ("█", " ", "▁")


@pytest.mark.parametrize(("levels", "warned"), [(31, True), (32, False)])
def test_few_levels_are_warned_of(levels: int, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    describe_levels((np.arange(4096) % levels).astype(np.uint8).reshape(4, 1, 32, 32))
    assert f"{levels} of 256 levels are used" in caplog.text
    assert any(record.levelname == "WARNING" for record in caplog.records) == warned
