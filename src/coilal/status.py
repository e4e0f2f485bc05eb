"""Show how it stands with the grid of a study, without starting anything.

python -m coilal.status study=NAME
python -m coilal.status study=NAME outputs=FOLDER --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from coilal.cli import run_main
from coilal.sweep.overview import Overview, print_table
from coilal.types import UserError

SETTINGS = {"study": "default", "outputs": "outputs"}  # as in conf/train.yaml, read without Hydra to be quick


def main() -> None:
    """Print the overview that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m coilal.status", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="study=NAME", help="the study, and outputs=FOLDER")
    parser.add_argument("--json", action="store_true", help="for machines: one object with everything")
    arguments = parser.parse_args()
    settings = {**SETTINGS, **_settings(arguments.settings)}
    overview = Overview.of(Path(settings["outputs"], settings["study"]))
    if arguments.json:
        json.dump(overview.as_json(), sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        print_table(overview)


def _settings(given: Sequence[str]) -> dict[str, str]:
    settings = {}
    for argument in given:
        key, equals, value = argument.partition("=")
        if not equals or key not in SETTINGS or not value:
            raise UserError(f"{argument!r} is no setting of coilal.status; it knows study=NAME and outputs=FOLDER")
        settings[key] = value
    return settings


if __name__ == "__main__":
    run_main(main)
