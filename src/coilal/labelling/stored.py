"""The settings of a session: as they are typed, or as the session keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder
from coilal.common.folder_names import study_name
from coilal.common.types import UserError
from coilal.run_directory.files import read_status
from coilal.run_directory.health import read_config
from coilal.runs.settings import Settings

PLACE = ("study", "outputs")
"""Settings that say where a session lies, and nothing else of it."""


def settings_of(overrides: Sequence[str]) -> Settings:
    """Return the settings of a session that is begun, or goes on.

    Args:
        overrides: ``key=value``; where they say no more than where the session lies, it must have begun.

    Raises:
        UserError: there is no session, or several, or a setting cannot be used.
    """
    given = dict(override.partition("=")[::2] for override in overrides)
    if given.keys() <= set(PLACE):
        study = Path(given.get("outputs", "outputs"), study_name(given.get("study", "default")))
        return Settings.of(OmegaConf.create(read_config(_only_session(study) / "config.yaml")))
    if not any(key.split(".")[0] == "data" for key in given):
        raise UserError(
            "of a session that has begun give study= and outputs= alone; to begin one, all its settings, data=… "
            f"and data.root=… among them (given: {', '.join(overrides)})."
        )
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        return Settings.of(compose("train", overrides=[*overrides, "label=session"]))


def _only_session(study: Path) -> Path:
    found = sorted(path.parent for path in study.glob("*/*/*/seed*/status.json"))
    found = [folder for folder in found if read_status(folder).get("labelling")]
    if not found:
        raise UserError(
            f"there is no labelling session in {study}: begin one with data=… data.root=FOLDER and "
            "label.classes=[A,B]."
        )
    if len(found) > 1:
        raise UserError(f"{study} has several sessions: {', '.join(map(str, found))}; give the settings of one.")
    return found[0]
