"""Show how it stands with the grid of a study, without starting anything.

python -m coilal.status study=NAME
python -m coilal.status study=NAME outputs=FOLDER --json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from coilal.common.cli import given_settings, run_main
from coilal.common.folder_names import study_name
from coilal.sweep.overview import Overview, print_table

SETTINGS = {"study": "default", "outputs": "outputs"}  # as in conf/train.yaml, read without Hydra to be quick


def main() -> None:
    """Print the overview that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m coilal.status", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="study=NAME", help="the study, and outputs=FOLDER")
    parser.add_argument("--json", action="store_true", help="for machines: one object with everything")
    arguments = parser.parse_args()
    settings = {**SETTINGS, **given_settings(arguments.settings, ("study=NAME", "outputs=FOLDER"), "coilal.status")}
    overview = Overview.of(Path(settings["outputs"], study_name(settings["study"])))
    if arguments.json:
        print(json.dumps(overview.as_json(), indent=1))  # ASCII: JSON on any terminal
    else:
        print_table(overview)


if __name__ == "__main__":
    run_main(main)
