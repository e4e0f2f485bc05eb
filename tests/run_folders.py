"""Where the run of composed settings lies."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from coilal.runs.settings import Settings


def run_folder(cfg: DictConfig) -> Path:
    """Return the run directory of settings as the command line composes them."""
    return Settings.of(cfg).folder()
