"""Names of what the W&B logger writes and the dashboard shows."""

from __future__ import annotations

LABELLED = "labelled"
QUERIED = "queried"


def curve(task: str, model: str) -> str:
    """Return the key of the primary metric; one a model and task, since a panel cannot filter runs."""
    return f"curve/{task}/{model}"


def aulc(task: str, model: str) -> str:
    """Return the key of the area under the learning curve, in the summary."""
    return f"aulc/{task}/{model}"


def query_seconds(task: str, model: str) -> str:
    """Return the key of the seconds spent on choosing images up to a cycle (inference and selection)."""
    return f"query_s/{task}/{model}"
