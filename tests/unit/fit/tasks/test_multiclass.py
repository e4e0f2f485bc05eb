from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_class_weight

from coilal.common.types import Samples, Targets, UserError
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.tasks.task import Task

LABELS = np.array([[0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1]], dtype=np.uint8)
SAME_NAME = np.array([[1, 1, 0], [0, 0, 1]], dtype=np.uint8)
FAULTS = ("double", "gap", "cross")


def samples(**fields) -> Samples:
    number = len(fields.get("labels", fields.get("classes")))
    names = tuple(f"{i}.jpg" for i in range(number))
    return Samples(names=names, groups=names, **fields)


def labelled() -> Samples:
    return samples(labels=LABELS, label_names=FAULTS)


def targets_of(number: int, **fields) -> Targets:
    names = tuple("abcdefgh"[:number])
    return Targets("multiclass", np.zeros(0, np.int64), names, np.ones(0, np.bool_), **fields)


def random_part(seed: int, number: int = 5, images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(number, (images,), generator=generator)
    logits = torch.randn(images, number, generator=generator) + 1.5 * torch.nn.functional.one_hot(values, number)
    return logits, values


def evaluate(logits, values, targets) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Multiclass().evaluate(logits, values, targets)


def test_it_is_a_task() -> None:
    task: Task = Multiclass()
    assert (task.kind, task.primary) == ("multiclass", "macro_f1")


def test_combinations_that_occur_become_classes_in_documented_order() -> None:
    targets = Multiclass().targets(labelled())
    assert targets.names == ("none", "double", "gap", "double+gap", "gap+cross", "double+gap+cross")
    assert targets.values.tolist() == [0, 3, 2, 0, 1, 5, 4]
    assert targets.good_class == 0
    assert targets.used.all()
    np.testing.assert_array_equal(targets.class_labels[targets.values], LABELS)


def test_all_combinations_get_the_codes_of_the_real_table() -> None:
    every = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=np.uint8)
    targets = Multiclass().targets(samples(labels=every, label_names=("d", "g", "c")))
    # Error_Multi 0…7 of the real table, counted there
    assert targets.names == ("none", "d", "g", "c", "d+g", "d+c", "g+c", "d+g+c")


def test_without_a_fault_free_image_there_is_no_good_class() -> None:
    targets = Multiclass().targets(samples(labels=LABELS[[1, 2]], label_names=FAULTS))
    assert targets.names == ("gap", "double+gap")
    assert targets.good_class is None
    logits, values = random_part(0, number=2)
    assert not {"escape_rate", "overkill_rate"} & set(evaluate(logits, values, targets))


def test_classes_of_the_data_come_first() -> None:
    data = samples(classes=np.array([2, 0, 1]), class_names=("ok", "dent", "crack"), good_class=0)
    targets = Multiclass().targets(data)
    assert targets.names == ("ok", "dent", "crack")
    assert targets.values.tolist() == [2, 0, 1]
    assert targets.good_class == 0


def test_single_leaves_out_images_with_several_faults(caplog) -> None:
    with caplog.at_level("INFO"):
        targets = Multiclass(classes="single").targets(labelled())
    assert targets.names == ("none", "double", "gap")
    assert targets.values.tolist() == [0, -1, 2, 0, 1, -1, -1]
    assert targets.used.tolist() == [True, False, True, True, True, False, False]
    assert "3 of 7 images" in caplog.text
    assert "without a class of its own: cross" in caplog.text


def test_single_reads_faults_through_the_classes() -> None:
    whole = Multiclass().targets(labelled())
    data = samples(
        classes=whole.values,
        class_names=tuple("abcdef"),
        class_labels=whole.class_labels,
        label_names=FAULTS,
    )
    assert Multiclass(classes="single").targets(data).values.tolist() == [0, -1, 2, 0, 1, -1, -1]


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        (Multiclass("single"), samples(classes=np.array([0, 1]), class_names=("x", "y")), "classes=all"),
        (Multiclass(), samples(labels=LABELS[[0, 3]], label_names=FAULTS), "at least 2 classes"),
        (Multiclass(), samples(labels=SAME_NAME, label_names=("a", "b", "a+b")), "same name"),
        (Multiclass(), Samples(names=("a",), groups=("a",)), "neither classes nor labels"),
    ],
)
def test_data_that_do_not_serve_are_refused(task: Multiclass, data: Samples, message: str) -> None:
    with pytest.raises(UserError, match=message):
        task.targets(data)


@pytest.mark.parametrize("setting", [{"classes": "each"}, {"class_weights": "balance"}])
def test_unknown_settings_are_refused(setting: dict[str, str]) -> None:
    with pytest.raises(UserError, match="choose"):
        Multiclass(**setting)


def test_balanced_weights_agree_with_sklearn() -> None:
    values = np.repeat([0, 1, 2, 4], [50, 7, 1, 12])
    weights = Multiclass(class_weights="balanced").class_weights(values, 5).numpy()
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2, 4]), y=values)
    np.testing.assert_allclose(weights[[0, 1, 2, 4]], expected, rtol=1e-6)
    assert weights[3] == 1.0
    assert Multiclass().class_weights(values, 5) is None


def test_loss_is_the_cross_entropy_of_each_run() -> None:
    parts = [random_part(seed) for seed in (1, 2)]
    logits, values = (torch.stack(found) for found in zip(*parts, strict=True))
    weights, task = torch.rand(2, 5), Multiclass()
    plain, weighted = task.loss(logits, values, None), task.loss(logits, values, weights)
    assert plain.shape == weighted.shape == (2,)
    for run, (own, labels) in enumerate(parts):
        log_p = own.double() - own.double().logsumexp(1, keepdim=True)
        surprise = -log_p[torch.arange(len(labels)), labels]
        assert float(plain[run]) == pytest.approx(float(surprise.mean()), rel=1e-5)
        weight = weights[run][labels]
        assert float(weighted[run]) == pytest.approx(float((surprise * weight).sum() / weight.sum()), rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_sklearn(seed: int) -> None:
    logits, values = random_part(seed)
    found = evaluate(logits, values, targets_of(5))
    true, predicted = values.numpy(), logits.argmax(1).numpy()
    assert found["macro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="macro"))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(true, predicted))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(true, predicted))
    recall, f1 = sk.recall_score(true, predicted, average=None), sk.f1_score(true, predicted, average=None)
    for index, name in enumerate("abcde"):
        assert found[f"recall/{name}"] == pytest.approx(recall[index])
        assert found[f"f1/{name}"] == pytest.approx(f1[index])


def test_inspection_rates_agree_with_a_count_by_hand() -> None:
    targets = Multiclass().targets(labelled())
    logits, values = random_part(7, number=6)
    found = evaluate(logits, values, targets)
    faults = [set(name.split("+")) - {"none"} for name in targets.names]
    pairs = [(faults[t], faults[p]) for t, p in zip(values.tolist(), logits.argmax(1).tolist(), strict=True)]
    faulty, good = [p for t, p in pairs if t], [p for t, p in pairs if not t]
    assert found["escape_rate"] == pytest.approx(sum(not p for p in faulty) / len(faulty))
    assert found["overkill_rate"] == pytest.approx(sum(bool(p) for p in good) / len(good))
    for fault in FAULTS:
        shown = [fault in p for t, p in pairs if fault in t]
        assert found[f"fault_recall/{fault}"] == pytest.approx(sum(shown) / len(shown))


def test_absent_classes_enter_macro_f1_only_if_predicted() -> None:
    true, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 2])  # 2 predicted, 3 not even that
    logits = torch.nn.functional.one_hot(torch.from_numpy(predicted), 4).float()
    found = evaluate(logits, torch.from_numpy(true), targets_of(4))
    assert math.isnan(found["f1/d"])
    assert found["f1/c"] == 0
    assert math.isnan(found["recall/c"])
    assert found["macro_f1"] == pytest.approx(sk.f1_score(true, predicted, average="macro", zero_division=0))
    every = sk.f1_score(true, predicted, average="macro", labels=range(4), zero_division=np.nan)
    assert found["macro_f1"] == pytest.approx(every)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_rates_without_a_denominator_are_nan() -> None:
    logits = torch.eye(3)
    only_good = evaluate(logits, torch.zeros(3, dtype=torch.int64), targets_of(3, good_class=0))
    assert math.isnan(only_good["escape_rate"])
    assert only_good["overkill_rate"] == pytest.approx(2 / 3)
    only_faulty = evaluate(logits, torch.ones(3, dtype=torch.int64), targets_of(3, good_class=0))
    assert math.isnan(only_faulty["overkill_rate"])


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(ValueError, match="no images"):
        evaluate(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), targets_of(3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_refused(bad: float) -> None:
    logits, values = random_part(0)
    logits[3, 1] = bad
    with pytest.raises(UserError, match="NaN or infinite"):
        evaluate(logits, values, targets_of(5))


def test_images_without_a_label_have_no_class_and_make_none() -> None:
    known = samples(classes=np.array([1, -1, 0]), class_names=("a", "b"), unlabelled=(1,))
    assert Multiclass().targets(known).values.tolist() == [1, -1, 0]
    zeroed = np.where(np.arange(7)[:, None] == 1, 0, LABELS).astype(np.uint8)
    for classes in ("all", "single"):
        without = replace(labelled(), labels=zeroed[[1, 2, 4]], unlabelled=(0,), names=("1", "2", "3"))
        targets = Multiclass(classes).targets(without)  # type: ignore[arg-type]
        assert targets.names == ("double", "gap")
        assert targets.values.tolist() == [-1, 1, 0]
        assert targets.used.all(), "they are kept for the pool"
        assert targets.is_labelled.tolist() == [False, True, True]


@pytest.mark.parametrize("fields", [{}, {"classes": np.array([-1, -1]), "class_names": ()}])
def test_data_without_any_label_are_refused(fields: dict) -> None:
    with pytest.raises(UserError, match="none of the 2 images has a label"):
        Multiclass().targets(Samples(("a", "b"), ("a", "b"), unlabelled=(0, 1), **fields))
