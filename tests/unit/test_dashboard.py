"""The dashboard's specification, without network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coilal.common.types import UserError
from coilal.dashboard import send, tasks_and_models
from coilal.runs.loggers.workspace import workspace


def test_a_panel_for_each_model_and_task_grouped_by_strategy() -> None:
    folders = [Path(f"outputs/s/{task}/tiny/margin/seed{seed}") for task in ("a", "b") for seed in (0, 1)]
    pairs = tasks_and_models(folders)
    assert pairs == [("a", "tiny"), ("b", "tiny")]
    section = workspace("s", pairs, "coilal", "me")._spec["spec"]["section"]
    curves, areas, costs = section["panelBankConfig"]["sections"]
    assert [panel["config"]["metrics"] for panel in curves["panels"]] == [["curve/a/tiny"], ["curve/b/tiny"]]
    assert [panel["config"]["metrics"] for panel in areas["panels"]] == [["aulc/a/tiny"], ["aulc/b/tiny"]]
    assert [panel["config"]["metrics"] for panel in costs["panels"]] == [["query_s/a/tiny"], ["query_s/b/tiny"]]
    for panel in curves["panels"] + areas["panels"] + costs["panels"]:
        assert panel["config"]["groupBy"] == "strategy.value.name"
        assert (panel["config"]["groupAgg"], panel["config"]["groupArea"]) == ("mean", "stddev")
    assert all(panel["config"]["xAxis"] == "labelled" for panel in curves["panels"])
    (runs,) = section["runSets"]
    assert [group["name"] for group in runs["grouping"]] == ["strategy.value.name"]
    assert '"s"' in json.dumps(runs["filters"])


def test_without_a_key_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilal.runs.loggers.wandb_key.has_key", lambda: False)
    with pytest.raises(UserError, match="wandb login"):
        send(workspace("s", [("a", "tiny")], "coilal", ""))
