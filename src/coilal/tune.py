"""Take over what a hyperparameter search has found.

python -m coilal.tune apply study=NAME
python -m coilal.tune apply study=NAME model=tiny task=multiclass out=FOLDER replace=true

Writes the best values to outputs/<study>/tuned, or to FOLDER; runs on the same images take them with --config-dir
and that folder. Values that a search of more trials or on other data has found are replaced with replace=true only.
out=packaged writes to conf/hparams/tuned of a checkout, where every run on any data finds them. Figures of the
search lie in outputs/<study>/optuna.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from coilal.common.cli import conf_folder, given_settings, run_main
from coilal.common.folder_names import study_name
from coilal.common.machine import ensure_writable
from coilal.common.types import UserError

SETTINGS = {"study": "default", "outputs": "outputs", "model": "", "task": "", "out": "", "replace": "false"}
PACKAGED = "packaged"


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m coilal.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["apply"], help="write the best values of each search of a study")
    parser.add_argument("settings", nargs="*", metavar="study=NAME", help=", ".join(f"{key}=…" for key in SETTINGS))
    settings = {**SETTINGS, **given_settings(parser.parse_args().settings, SETTINGS, "coilal.tune")}
    if settings["replace"] not in ("true", "false"):
        raise UserError(f"replace is '{settings['replace']}'; allowed: true or false")
    study = Path(settings["outputs"], study_name(settings["study"]))
    packaged = settings["out"] == PACKAGED
    out = Path(settings["out"] or study / "tuned").expanduser()
    folder = packaged_folder(Path(conf_folder())) if packaged else out / "hparams" / "own"
    ensure_writable(folder, "Give a folder of your own with out=FOLDER.")
    from coilal.sweep.search.apply import apply, searches

    for database in searches(study, model=settings["model"], task=settings["task"]):
        for path in apply(database, folder, for_all_data=packaged, replace=settings["replace"] == "true"):
            print(path)
    if not packaged:
        print(f"Runs on the same images take these values with {taken_with(out)}")


def packaged_folder(conf: Path) -> Path:
    """Return where a checkout has the values that coilal comes with.

    Raises:
        UserError: coilal is installed as a package, whose files are not the user's.
    """
    if not (conf.parent / "pyproject.toml").exists():
        raise UserError("coilal is installed as a package: give a folder of your own for the values, out=FOLDER")
    return conf / "hparams" / "tuned"


def taken_with(out: Path) -> str:
    """Return the command of runs that take the values in a folder."""
    return shlex.join(["python", "-m", "coilal.train", "--config-dir", str(out)]) + " …"


if __name__ == "__main__":
    run_main(main)
