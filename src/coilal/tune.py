"""Take over what a hyperparameter search has found.

python -m coilal.tune apply study=NAME
python -m coilal.tune apply study=NAME model=tiny task=multiclass out=MY_CONF

Writes the best values to where hparams=auto looks for them: conf/hparams/tuned of a checkout, or FOLDER/hparams/own
with out=FOLDER, which runs take with --config-dir FOLDER. Figures of the search lie in outputs/<study>/optuna.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from coilal.cli import conf_folder, given_settings, run_main
from coilal.machine import ensure_writable
from coilal.types import UserError

SETTINGS = {"study": "default", "outputs": "outputs", "model": "", "task": "", "out": ""}


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m coilal.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["apply"], help="write the best values of each search of a study")
    parser.add_argument("settings", nargs="*", metavar="study=NAME", help=", ".join(f"{key}=…" for key in SETTINGS))
    settings = {**SETTINGS, **given_settings(parser.parse_args().settings, SETTINGS, "coilal.tune")}
    from coilal.sweep.tuned import apply, searches

    folder = values_folder(settings["out"], Path(conf_folder()))
    ensure_writable(folder, "Give a folder of your own with out=FOLDER.")
    for database in searches(
        Path(settings["outputs"], settings["study"]), model=settings["model"], task=settings["task"]
    ):
        written = apply(database, folder)
        for path in written:
            print(path)
    if settings["out"]:
        print(f"Runs take these values with: python -m coilal.train --config-dir {settings['out']} …")


def values_folder(out: str, conf: Path) -> Path:
    """Return where the values are written: ``tuned`` of the checkout, or ``own`` of the user's folder.

    Raises:
        UserError: coilal is installed as a package, whose files are not the user's, and no folder is given.
    """
    if out:
        return Path(out) / "hparams" / "own"
    if not (conf.parent / "pyproject.toml").exists():
        raise UserError(
            "coilal is installed as a package: give a folder of your own for the values with out=FOLDER"
        )
    return conf / "hparams" / "tuned"


if __name__ == "__main__":
    run_main(main)
