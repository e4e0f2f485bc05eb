from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from coilal.common.cli import conf_folder


@pytest.mark.parametrize(
    ("name", "kind", "replay"),
    [
        ("multiclass", "multiclass", None),
        ("multilabel", "multilabel", None),
        ("multilabel_from_multiclass", "multilabel", "multiclass"),
    ],
)
def test_each_yaml_builds_its_task(name: str, kind: str, replay: str | None) -> None:
    with initialize_config_dir(conf_folder()):
        task = compose(overrides=[f"+task={name}"]).task
    assert (task.name, task.replay) == (name, replay)
    assert instantiate(task.module, _execution_whitelist_="coilal.fit.tasks.*").kind == kind
