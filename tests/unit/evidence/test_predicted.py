from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from coilal.evidence.predicted import Predictions, confusion, label_errors, read, surest_mistakes
from coilal.evidence.reading import Run, read_runs
from tests.studies import TEST, Simulated, write_study

NAMES = ("none", "gap", "crossover")


def predictions(targets: list[int], said: list[int], sure: float = 0.8) -> Predictions:
    probabilities = np.full((len(targets), 3), (1 - sure) / 2)
    probabilities[np.arange(len(targets)), said] = sure
    images = tuple(f"{number}.png" for number in range(len(targets)))
    return Predictions(images, np.array(targets), probabilities, NAMES)


def test_the_matrix_is_the_mean_of_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 3, 50).tolist()
    said = [generator.integers(0, 3, 50).tolist() for _ in range(4)]
    expected = np.mean([confusion_matrix(targets, each, labels=range(3)) for each in said], axis=0)
    np.testing.assert_allclose(confusion([predictions(targets, each) for each in said]), expected)


def test_the_surest_mistake_over_all_runs_comes_first() -> None:
    runs = [predictions([0, 1, 2], [1, 1, 0], 0.6), predictions([0, 1, 2], [1, 1, 2], 0.7)]
    found = surest_mistakes(runs)
    assert found["image"].tolist() == ["0.png"], "image 2 is right in the mean of both"
    first = found.iloc[0]
    assert (first["label"], first["prediction"], first["wrong"], first["runs"]) == ("none", "gap", 2, 2)
    assert first["probability"] == pytest.approx(0.65)


def test_images_that_only_some_runs_have_tested_count_there() -> None:
    one = predictions([0, 1], [1, 1], 0.9)
    other = Predictions(("1.png", "9.png"), np.array([1, 2]), np.array([[0.1, 0.8, 0.1], [0.95, 0.0, 0.05]]), NAMES)
    found = surest_mistakes([one, other])
    assert found["image"].tolist() == ["9.png", "0.png"]
    assert found["runs"].tolist() == [1, 1]


def test_of_labels_the_one_most_surely_wrong_gives_the_probability() -> None:
    targets = np.array([[1, 0, 0], [0, 1, 1]])
    run = Predictions(("a", "b"), targets, np.array([[0.9, 0.7, 0.1], [0.2, 0.9, 0.1]]), NAMES)
    found = surest_mistakes([run])
    assert found["image"].tolist() == ["b", "a"]
    assert found["probability"].tolist() == pytest.approx([0.9, 0.7])
    assert found["label"].tolist() == ["gap+crossover", "none"]
    assert found["prediction"].tolist() == ["gap", "none+gap"]
    counts = label_errors([run]).set_index("label")
    assert counts.loc["crossover", ["images", "found", "missed", "without", "flagged"]].tolist() == [1, 0, 1, 1, 0]
    assert counts.loc["gap", ["images", "found", "missed", "without", "flagged"]].tolist() == [1, 1, 0, 1, 1]


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, [0]))
    (run,) = read_runs([tmp_path / "s/multiclass/tiny/random/seed0"], "test/macro_f1")
    assert isinstance(run, Run)
    found = read(run)
    assert found is not None
    assert len(found.images) == TEST
    path = run.folder / "predictions.npz"
    with np.load(path) as stored:
        np.savez_compressed(path, **{name: stored[name] for name in stored.files})  # as the last cycle does
    sound = path.read_bytes()
    for place in range(0, len(sound), 7):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 16]) + sound[place + 1 :])
        read(run)  # raises nothing; some bytes, as those of a time, say nothing
    path.write_bytes(b"PK")
    assert read(run) is None
