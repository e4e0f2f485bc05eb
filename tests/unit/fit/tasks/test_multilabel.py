from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from coilal.common.types import Samples, Targets, UserError
from coilal.fit.tasks.multilabel import Multilabel
from coilal.fit.tasks.task import Task

LABELS = np.array([[0, 0], [1, 1], [0, 1]], dtype=np.uint8)
NAMES = ("1.jpg", "2.jpg", "3.jpg")


def targets_of(number: int) -> Targets:
    return Targets("multilabel", np.zeros(0, np.int64), tuple("abcdef"[:number]), np.ones(0, np.bool_))


def random_part(seed: int, number: int = 3, images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = (torch.rand(images, number, generator=generator) < 0.3).long()
    return torch.randn(images, number, generator=generator) + 2.0 * values - 1.0, values


def evaluate(logits, values, targets) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Multilabel().evaluate(logits, values, targets)


def test_it_is_a_task() -> None:
    task: Task = Multilabel()
    assert (task.kind, task.primary) == ("multilabel", "macro_f1")


def test_targets_are_the_labels() -> None:
    targets = Multilabel().targets(Samples(NAMES, NAMES, labels=LABELS, label_names=("a", "b")))
    assert targets.names == ("a", "b")
    assert targets.values.dtype == np.int64
    np.testing.assert_array_equal(targets.values, LABELS)


def test_labels_are_read_through_the_classes() -> None:
    data = Samples(
        NAMES, NAMES, classes=np.array([1, 0, 1]), class_names=("ok", "both"),
        class_labels=np.array([[0, 0], [1, 1]], dtype=np.uint8), label_names=("a", "b"),
    )  # fmt: skip
    assert Multilabel().targets(data).values.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_classes_alone_are_refused_with_the_task_that_serves() -> None:
    data = Samples(NAMES, NAMES, classes=np.array([0, 1, 1]), class_names=("ok", "dent"))
    with pytest.raises(UserError, match=r"ok, dent.*task=multiclass"):
        Multilabel().targets(data)


def test_no_label_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1 label"):
        Multilabel().targets(Samples(NAMES, NAMES, labels=np.zeros((3, 0), np.uint8)))


def test_unknown_weighting_is_refused() -> None:
    with pytest.raises(UserError, match="choose none or balanced"):
        Multilabel(class_weights="yes")  # type: ignore[arg-type]


def test_balanced_weights_make_positives_weigh_as_much_as_negatives() -> None:
    values = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]])
    weights = Multilabel(class_weights="balanced").class_weights(values, 3)
    assert weights.tolist() == [3.0, 1.0, 1.0]
    assert Multilabel().class_weights(values, 3) is None


def test_loss_is_the_binary_cross_entropy_of_each_run() -> None:
    parts = [random_part(seed) for seed in (1, 2)]
    logits, values = (torch.stack(found) for found in zip(*parts, strict=True))
    weights = torch.tensor([[0.5, 1.0, 4.0], [2.0, 1.0, 0.25]])
    plain, weighted = Multilabel().loss(logits, values, None), Multilabel().loss(logits, values, weights)
    assert plain.shape == weighted.shape == (2,)
    for run, (own, labels) in enumerate(parts):
        p = torch.sigmoid(own.double())
        for found, weight in ((plain, torch.ones(3)), (weighted, weights[run])):
            expected = -(weight * labels * p.log() + (1 - labels) * (1 - p).log()).mean()
            assert float(found[run]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("number", [1, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_sklearn(seed: int, number: int) -> None:
    logits, values = random_part(seed, number)
    found = evaluate(logits, values, targets_of(number))
    true, predicted = values.numpy(), (logits > 0).int().numpy()
    each = {"average": None} if number > 1 else {"average": "binary"}
    recall = np.atleast_1d(sk.recall_score(true, predicted, **each))
    f1 = np.atleast_1d(sk.f1_score(true, predicted, **each))
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["micro_f1"] == pytest.approx(sk.f1_score(true.ravel(), predicted.ravel()))
    precision = [sk.average_precision_score(true[:, i], logits[:, i].numpy()) for i in range(number)]
    assert found["map"] == pytest.approx(np.mean(precision), abs=1e-6)
    assert found["exact_match"] == pytest.approx(sk.accuracy_score(true, predicted))
    for index, name in enumerate("abcdef"[:number]):
        assert found[f"recall/{name}"] == pytest.approx(recall[index])
        assert found[f"f1/{name}"] == pytest.approx(f1[index])
    any_true, any_predicted = true.any(axis=1), predicted.any(axis=1)
    assert found["escape_rate"] == pytest.approx(1 - sk.recall_score(any_true, any_predicted))
    assert found["overkill_rate"] == pytest.approx(1 - sk.recall_score(~any_true, ~any_predicted))


def test_logits_within_0_and_1_are_still_logits() -> None:
    logits = torch.tensor([[0.2, 0.1], [0.3, 0.4]])  # probabilities of 0.52 to 0.60: all predicted
    found = evaluate(logits, torch.ones(2, 2, dtype=torch.int64), targets_of(2))
    assert found["exact_match"] == 1.0


def test_sure_predictions_keep_their_rank() -> None:
    logits, values = torch.tensor([[40.0], [30.0], [20.0]]), torch.tensor([[0], [0], [1]])
    assert evaluate(logits, values, targets_of(1))["map"] == pytest.approx(1 / 3)
    assert evaluate(logits.flip(0), values, targets_of(1))["map"] == pytest.approx(1.0)


def test_absent_labels_enter_macro_f1_only_if_predicted() -> None:
    values = torch.tensor([[1, 0, 0], [1, 0, 0]])
    logits = torch.tensor([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    found = evaluate(logits, values, targets_of(3))
    expected = sk.f1_score(values, (logits > 0).int(), average="macro", zero_division=np.nan)
    assert found["macro_f1"] == pytest.approx(expected) == pytest.approx((2 / 3 + 0) / 2)
    assert found["f1/b"] == 0
    assert math.isnan(found["f1/c"])
    assert found["map"] == pytest.approx(sk.average_precision_score(values[:, 0], logits[:, 0]))


def test_rates_without_a_denominator_are_nan() -> None:
    good = evaluate(-torch.ones(4, 2), torch.zeros(4, 2, dtype=torch.int64), targets_of(2))
    assert good["overkill_rate"] == 0
    assert good["exact_match"] == 1
    assert all(math.isnan(good[name]) for name in ("escape_rate", "macro_f1", "micro_f1", "map", "recall/a"))
    faulty = evaluate(torch.ones(4, 2), torch.ones(4, 2, dtype=torch.int64), targets_of(2))
    assert faulty["escape_rate"] == 0
    assert math.isnan(faulty["overkill_rate"])


def test_outputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UserError, match="NaN or infinite"):
        evaluate(torch.tensor([[float("nan")]]), torch.tensor([[1]]), targets_of(1))


def test_images_without_a_label_have_no_labels() -> None:
    data = Samples(NAMES, NAMES, labels=LABELS, label_names=("a", "b"), unlabelled=(0,))
    assert Multilabel().targets(data).values.tolist() == [[-1, -1], [1, 1], [0, 1]]
    classes = Samples(
        NAMES, NAMES, classes=np.array([1, -1, 0]), class_names=("ok", "both"), unlabelled=(1,),
        class_labels=np.array([[0, 0], [1, 1]], dtype=np.uint8), label_names=("a", "b"),
    )  # fmt: skip
    assert Multilabel().targets(classes).values.tolist() == [[1, 1], [-1, -1], [0, 0]]
    with pytest.raises(UserError, match="none of the 3 images has a label"):
        Multilabel().targets(Samples(NAMES, NAMES, unlabelled=(0, 1, 2)))
