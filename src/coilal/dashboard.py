"""Build the W&B dashboard of a study that was run with logger=wandb.

python -m coilal.dashboard study=NAME
python -m coilal.dashboard study=NAME save=false
python -m coilal.dashboard --help
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, run_main, shows_errors
from coilal.common.folder_names import study_name
from coilal.common.types import UserError
from coilal.evidence.reading import find_studies
from coilal.run_directory.files import RunName, study_of

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace


def tasks_and_models(folders: Iterable[Path]) -> list[tuple[str, str]]:
    """Return the pairs of task and model among run directories, sorted."""
    names = (RunName.of(folder.relative_to(study_of(folder)).as_posix()) for folder in folders)
    return sorted({(name.task, name.model) for name in names if name})


def send(workspace: Workspace) -> str:
    """Save a workspace at W&B and return its address.

    Raises:
        UserError: W&B has no key, does not answer or refuses.
    """
    import requests
    from wandb.errors import Error

    from coilal.runs.loggers.wandb_key import has_key, without_key

    if not has_key():
        raise UserError("W&B has no API key: run `wandb login`, set WANDB_API_KEY, or look only, with save=false.")
    try:
        workspace.entity = workspace.entity or _default_entity()
        return str(workspace.save().url)
    except (Error, requests.RequestException, ValueError) as error:
        raise UserError(
            f"W&B did not take the dashboard ({type(error).__name__}: {without_key(error)}). Are network, entity "
            "and project right? The project exists once a run is uploaded; save=false needs no network."
        ) from None


def _default_entity() -> str:
    import wandb

    return str(wandb.Api().default_entity)


@hydra.main(config_path=conf_folder(), config_name="dashboard")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Send or print the dashboard that the settings describe."""
    study = study_name(cfg.study)
    pairs = tasks_and_models(find_studies(Path(cfg.outputs), [study]))
    from coilal.runs.loggers.workspace import workspace

    built = workspace(study, pairs, cfg.project, cfg.entity or "")
    print(send(built) if cfg.save else json.dumps(built._spec, indent=1))


if __name__ == "__main__":
    run_main(main, "dashboard")
