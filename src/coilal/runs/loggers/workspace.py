"""The W&B workspace of a study: learning curves, AULC and the cost of queries, by strategy."""

from __future__ import annotations

from collections.abc import Sequence

import wandb_workspaces.reports.v2.interface as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from coilal.runs.loggers import keys

STRATEGY = "strategy.name"


def workspace(study: str, settings: Sequence[tuple[str, str]], project: str, entity: str) -> ws.Workspace:
    """Return the workspace, not yet sent; lines and bars are means over all runs, bands one standard deviation.

    Args:
        study: name of the study, the group of its runs.
        settings: task and model of each panel.
        project: W&B project.
        entity: W&B user or team.
    """
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Study {study}",
        sections=[
            ws.Section(name="Learning curves", panels=[_curve(*pair) for pair in settings], is_open=True),
            ws.Section(
                name="Area under the learning curve",
                panels=[_bars(f"AULC: {_title(*pair)}", keys.aulc(*pair)) for pair in settings],
                is_open=True,
            ),
            ws.Section(
                name="Query cost",
                panels=[
                    _bars(f"Seconds of inference and selection: {_title(*pair)}", keys.query_seconds(*pair))
                    for pair in settings
                ],
                is_open=True,
            ),
        ],
        settings=ws.WorkspaceSettings(x_axis=keys.LABELLED),
        runset_settings=ws.RunsetSettings(
            filters=expr.And(expr.Metric("Group") == study),
            groupby=[expr.Config(STRATEGY)],
        ),
    )


def _title(task: str, model: str) -> str:
    return f"{task}, {model}"


def _curve(task: str, model: str) -> wr.LinePlot:
    return wr.LinePlot(
        title=_title(task, model),
        x=keys.LABELLED,
        y=[keys.curve(task, model)],
        title_x="labelled images",
        groupby=wr.Config(STRATEGY),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        smoothing_type="none",
    )


def _bars(title: str, key: str) -> wr.BarPlot:
    return wr.BarPlot(
        title=title,
        metrics=[key],
        groupby=wr.Config(STRATEGY),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )
