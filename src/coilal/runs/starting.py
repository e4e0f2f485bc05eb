"""Who chooses the starting set: a draw, or a strategy that looks at features alone."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from coilal.active.strategies.strategy import Strategy
from coilal.common.cli import conf_folder
from coilal.common.instantiate import instantiate
from coilal.common.types import UserError

STRATEGIES = Path(conf_folder()) / "strategy"
DRAWN = ("random", "stratified")


def starter(start: str) -> Strategy | None:
    """Return the strategy that chooses the starting set; None where it is drawn.

    Args:
        start: ``budget.start``.

    Raises:
        UserError: it is neither a way to draw nor a strategy that can begin.
    """
    if start in DRAWN:
        return None
    found = {path.stem: path for path in sorted(STRATEGIES.glob("*.yaml"))}
    loaded: Strategy | None = instantiate(OmegaConf.load(found[start])) if start in found else None
    if loaded is not None and loaded.needs_no_model and loaded.needs:
        return loaded
    fitting = [name for name, path in found.items() if _needs_features_alone(path)]
    raise UserError(
        f"budget.start is '{start}': choose {', '.join(DRAWN)}, or a strategy that looks at features alone, since "
        f"nothing is labelled yet: {', '.join(fitting)}."
    )


def _needs_features_alone(path: Path) -> bool:
    needs = OmegaConf.to_object(OmegaConf.load(path)).get("needs", [])  # type: ignore[union-attr]
    return bool(needs) and all(need.endswith("features") for need in needs)
