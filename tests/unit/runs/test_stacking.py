"""Which runs can be trained side by side: what counts is listed nowhere, what does not count is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from omegaconf import DictConfig

from coilal.run_directory.identity import flatten
from coilal.runs.settings import Settings
from coilal.runs.stacking import alike, why_alone

Composed = Callable[..., DictConfig]

HARMLESS = {
    *("seed", "seeds.start", "seeds.train", "study", "outputs", "records", "force", "score_validation"),
    *("model.optimizer.lr_head", "model.optimizer.lr_backbone", "model.optimizer.weight_decay", "task.lr_scale"),
    *("oracle.error_rate", "oracle.confusion"),
    *("inspection.overkill", "inspection.top"),
}
OF_THE_RUN_ITSELF = ("strategy.", "logger.", "hparams.")
"""Beginnings of settings, all of which are harmless."""


def of(config: DictConfig) -> Settings:
    return Settings.of(config)


def test_every_setting_but_a_few_keeps_runs_apart(composed: Composed) -> None:
    settings = of(composed("logger=tensorboard"))
    flat = flatten(settings.config)
    harmless = {
        key for key in flat if alike(replace(settings, config={**flat, key: "another value"})) == alike(settings)
    }
    assert {key for key in harmless if not key.startswith(OF_THE_RUN_ITSELF)} == HARMLESS
    assert {key for key in flat if key.startswith(OF_THE_RUN_ITSELF)} <= harmless


def test_a_setting_that_nobody_has_thought_about_keeps_runs_apart(composed: Composed) -> None:
    assert alike(of(composed("+trainer.benchmark=true"))) != alike(of(composed()))
    assert alike(of(composed("+model.own=1"))) != alike(of(composed()))


def test_other_strategies_seeds_and_rates_stand_side_by_side_with_packaged_weights(composed: Composed) -> None:
    other_run = ("strategy=random", "seed=5", "model.optimizer.lr_head=0.5", "study=b", "score_validation=true")
    assert alike(of(composed(*other_run))) == alike(of(composed()))


def test_features_of_random_weights_depend_on_the_seed(composed: Composed) -> None:
    one, same, another = (
        alike(of(composed("model.weights=none", *given))) for given in ((), ("strategy=random",), ("seed=1",))
    )
    assert one == same
    assert one != another


def test_a_replaying_run_never_stands_beside_its_source_but_beside_others_that_replay(composed: Composed) -> None:
    replay = "task=multilabel_from_multiclass"
    assert alike(of(composed(replay))) != alike(of(composed()))
    assert alike(of(composed(replay, "strategy=margin", "seed=1"))) == alike(of(composed(replay)))


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("model.compile=true", "trainer.max_epochs=7", "trainer.deterministic=true", "trainer.devices=[0]"),
        ("trainer=gpu",),
        ("trainer.precision=bf16",),
        ("trainer.gradient_clip_val=0", "+trainer.accumulate_grad_batches=1", "+trainer.max_steps=-1"),
        ("+trainer.callbacks=[]", "+trainer.profiler=null"),
    ],
)
def test_what_leaves_single_steps_alone_can_be_stacked(composed: Composed, given: tuple[str, ...]) -> None:
    assert why_alone(of(composed(*given))) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("model.trainable=1", "model.trainable=1, and only heads"),
        ("model.trainable=all", "model.trainable=all, and only heads"),
        ("augmentation.views=2", "augmentation.views=2, and views"),
        ("trainer.precision=16-mixed", "trainer.precision=16-mixed may act on the training steps"),
        ("trainer.gradient_clip_val=0.5", "trainer.gradient_clip_val=0.5 may"),
        (
            "+trainer.callbacks=[{_target_: pytorch_lightning.callbacks.LearningRateMonitor}]",
            "trainer.callbacks may",
        ),
        ("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches=2 may"),
        ("+trainer.limit_train_batches=1", "trainer.limit_train_batches=1 may"),
        ("+trainer.max_steps=50", "trainer.max_steps=50 may"),
        ("+trainer.profiler=simple", "trainer.profiler=simple may"),
        ("+trainer.not_thought_of=1", "trainer.not_thought_of=1 may"),
    ],
)
def test_what_may_act_on_single_steps_is_trained_alone_and_named(composed: Composed, given: str, why: str) -> None:
    assert (why_alone(of(composed(given))) or "").startswith(why)
