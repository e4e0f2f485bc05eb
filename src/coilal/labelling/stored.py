"""The settings of a session: as they are typed, or as the session keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder
from coilal.common.folder_names import study_name
from coilal.common.typed import unquoted
from coilal.common.types import UserError
from coilal.labelling.settings import MAY_CHANGE
from coilal.run_directory.files import read_status, run_folders
from coilal.run_directory.health import read_config
from coilal.runs.settings import Settings

PLACE = ("study", "outputs")
"""Settings that say where a session lies, and nothing else of it."""
SHOWN = tuple(f"label.{key}" for key in MAY_CHANGE)
"""Settings that say what is shown and how the page is reached, which may change at each start."""


def settings_of(overrides: Sequence[str]) -> Settings:
    """Return the settings of a session that is begun, or goes on.

    Args:
        overrides: ``key=value``; where they say no more than where the session lies and what it shows where, it
            must have begun.

    Raises:
        UserError: there is no session, or several, or a setting cannot be used.
    """
    given = dict(override.partition("=")[::2] for override in overrides)
    if _is_place(given):
        outputs, study = (unquoted(given.get(*each)) for each in (("outputs", "outputs"), ("study", "default")))
        return _of_begun(Path(outputs, study_name(study)), overrides)
    if not any(key.split(".")[0] == "data" for key in given):
        raise UserError(
            "of a session that has begun give study= and outputs= alone; to begin one, all its settings, data=… "
            f"and data.root=… among them (given: {', '.join(overrides)})."
        )
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        return Settings.of(compose("train", overrides=[*overrides, "label=session"]))


def goes_on(overrides: Sequence[str]) -> bool:
    """Return whether settings name a study, and say no more than where a session lies and what it shows where."""
    given = [override.partition("=")[0] for override in overrides]
    return "study" in given and _is_place(given)


def _is_place(given: Iterable[str]) -> bool:
    return set(given) <= {*PLACE, *SHOWN}


def _of_begun(study: Path, overrides: Sequence[str]) -> Settings:
    folder = _only_session(study)
    config = read_config(folder / "config.yaml")
    shown = OmegaConf.from_dotlist([override for override in overrides if override.partition("=")[0] in SHOWN])
    config["label"] |= shown.get("label", {})
    settings = Settings.of(OmegaConf.create(config))
    if settings.folder().resolve() != folder.resolve():
        raise UserError(
            f"the session in {folder} was begun as {settings.folder()}, and has been moved, or the command runs in "
            "another folder: give all its settings."
        )
    return settings


def _only_session(study: Path) -> Path:
    found = [folder for folder in run_folders(study) if read_status(folder).get("labelling")]
    if not found:
        raise UserError(
            f"there is no labelling session in {study}: begin one with data=… data.root=FOLDER and "
            "label.classes=[A,B]."
        )
    if len(found) > 1:
        raise UserError(f"{study} has several sessions: {', '.join(map(str, found))}; give the settings of one.")
    return found[0]
