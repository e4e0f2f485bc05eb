"""Every yaml under conf composes with the defaults, is commented, and builds what it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.data.checks import SMALL_BUDGET
from coilal.data.division import Division
from coilal.data.splits import PARTS, draw_parts
from coilal.features.build import build_backbone
from coilal.run_directory.data_record import DataRecord
from coilal.run_directory.identity import flatten
from coilal.runs.rules import RULES
from coilal.runs.settings import Settings

CONF = Path(conf_folder())
GROUPS = sorted(p.name for p in CONF.iterdir() if p.is_dir() and p.name != "hydra")
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
ALL_FILES = sorted(CONF.rglob("*.yaml"))
OF_A_FOLDER = {("data", "coils"), ("data", "folder"), ("experiment", "deep_pcb"), ("experiment", "magnetic_tile")}
Composed = Callable[..., DictConfig]
Chosen = Callable[[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def chosen() -> Chosen:
    """Return the checked settings with one choice of a group, each composed once."""

    @cache
    def settings(group: str, option: str) -> dict[str, Any]:
        GlobalHydra.instance().clear()
        needed = ["data.root=somewhere"] if (group, option) in OF_A_FOLDER else []
        with initialize_config_dir(config_dir=str(CONF)):
            return dict(Settings.of(compose("train", overrides=[f"{group}={option}", *needed])).config)

    return settings


def test_the_groups_of_the_manual_are_there() -> None:
    expected = {"data", "model", "task", "strategy", "budget", "trainer", "logger", "hparams", "experiment"}
    assert expected <= set(GROUPS)


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: str(p.relative_to(CONF)))
def test_every_file_begins_with_a_comment(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), CHOICES, ids=lambda v: str(v))
def test_every_choice_composes_and_resolves(group: str, option: str, chosen: Chosen) -> None:
    config = chosen(group, option)
    named = config.get(group)
    if group in ("model", "task", "strategy"):
        assert named["name"] == option, "the name in the run directory is the name of the file"


@pytest.mark.parametrize("path", sorted((CONF / "hparams" / "tuned").glob("*.yaml")), ids=lambda p: p.stem)
def test_tuned_values_belong_to_a_model_and_a_task(path: Path, composed: Composed) -> None:
    pairs = {
        f"{m.stem}_{t.stem}": (m.stem, t.stem) for m in CONF.glob("model/*.yaml") for t in CONF.glob("task/*.yaml")
    }
    model, task = pairs[path.stem]
    cfg = composed(f"model={model}", f"task={task}")
    assert cfg.hparams.source in {path.stem, path.stem.removesuffix("_from_multiclass")}, "a replay may share"


@pytest.mark.parametrize("task", [path.stem.removeprefix("tiny_") for path in CONF.glob("hparams/tuned/tiny_*")])
def test_tuned_values_say_which_images_of_the_rendered_coils_they_were_chosen_with(
    task: str, composed: Composed
) -> None:
    settings = Settings.of(composed(f"task={task}"))
    samples, chosen = instantiate(settings.data.source).read(), settings.hparams.chosen_on
    assert chosen is not None
    assert chosen.source == settings.hparams.source
    now = DataRecord.of(samples, None, None).aspects
    assert (chosen.labels, chosen.groups) == (now["labels"], now["groups"])
    assert chosen.division is not None
    part = draw_parts(samples, Division.of(chosen.division, chosen.split))
    found = re.search(
        r", (\d+) of the validation split", (CONF / f"hparams/tuned/{chosen.source}.yaml").read_text()
    )
    assert found is not None
    assert np.count_nonzero(part == PARTS.index("validation")) == int(found[1])


@pytest.mark.parametrize("option", [o for g, o in CHOICES if g == "trainer" and o != "gpu"])
def test_trainers_build(option: str, composed: Composed) -> None:
    trainer = instantiate(composed(f"trainer={option}").trainer, logger=False, enable_checkpointing=False)
    assert trainer.max_epochs > 0


def test_the_arguments_of_a_network_can_be_typed_as_the_comment_has_them(composed: Composed) -> None:
    typed = re.search(r'"(\+model\.trunk\.arguments=[^"]+)"', (CONF / "model/mobilenet.yaml").read_text())
    assert typed is not None
    assert composed("model=mobilenet", typed[1]).model.trunk.arguments == {"pad_type": "same"}


@pytest.mark.parametrize("option", [o for g, o in CHOICES if g == "budget"])
def test_budgets_build(option: str, composed: Composed) -> None:
    counts = instantiate(composed(f"budget={option}").budget).counts()
    assert all(later > earlier for earlier, later in pairwise(counts))


def test_the_small_budget_is_what_messages_say_of_it(composed: Composed) -> None:
    assert instantiate(composed("budget=small").budget).counts()[-1] == SMALL_BUDGET


@pytest.mark.parametrize("option", [o for g, o in CHOICES if g == "task"])
def test_tasks_build(option: str, composed: Composed) -> None:
    task = instantiate(composed(f"task={option}").task.module)
    assert task.kind in ("multiclass", "multilabel")


@pytest.mark.slow
@pytest.mark.parametrize("option", [o for g, o in CHOICES if g == "model"])
def test_models_build_and_give_features(option: str, composed: Composed) -> None:
    model: Any = composed(f"model={option}", "model.weights=none").model
    backbone = build_backbone(
        instantiate(model.trunk),
        None,
        (56, 42),
        model.pooling,
        model.trainable,
        tuple(model.normalisation.values()),
        0,
    )
    images = torch.randint(0, 256, (2, 1, 56, 42), dtype=torch.uint8)
    with torch.inference_mode():
        features = backbone.suffix(backbone.prefix(images))
    assert features.shape == (2, backbone.features)
    assert torch.isfinite(features).all()
    assert not torch.equal(features[0], features[1])


def test_no_yaml_is_unreachable() -> None:
    reachable = {CONF / group / f"{option}.yaml" for group, option in CHOICES} | {
        CONF / "train.yaml",
        CONF / "report.yaml",
        CONF / "dashboard.yaml",
    }
    reachable |= set((CONF / "hparams").glob("*/*.yaml")) | set((CONF / "hparams_search").glob("space/*.yaml"))
    reachable |= set((CONF / "hydra").rglob("*.yaml"))
    assert set(ALL_FILES) == reachable
    for path in ALL_FILES:
        OmegaConf.load(path)


@pytest.mark.slow
def test_every_rule_is_of_a_setting_that_there_is(chosen: Chosen) -> None:
    known = {key for group, option in CHOICES for key in flatten(chosen(group, option))}
    holding = {key[:end] for key in known for end, letter in enumerate(key) if letter == "."}
    assert set(RULES) <= known | holding
