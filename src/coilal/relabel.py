"""Write a queue of labelled images for a second look: those whose label a model that has not seen them doubts most.

python -m coilal.relabel run=RUNDIR
python -m coilal.relabel --help
"""

from __future__ import annotations

import sys

from coilal.common.cli import asks_for_help, given_settings, log_with_times, run_main

HELP = """\
Write a queue of labelled images for a second look: those whose label a model that has not seen them doubts most.

  python -m coilal.relabel run=RUNDIR

RUNDIR is the directory of a finished run (outputs/STUDY/TASK/MODEL/STRATEGY/split0/seed0) or of a labelling
session. Heads are trained on the backbone's features with a fifth of the groups (coils) left out at a time, and
judge the labels of those. RUNDIR/relabel.csv is written anew: one row a labelled image, the most doubtful first.
Look at the first ones, and correct the table of your data, or the session on its page. The run is not changed.

  out=FILE               another file than RUNDIR/relabel.csv
  cache.dir=FOLDER model.weights=FILE trainer.accelerator=cpu    where they are other than for the run

Exit code: 0 done, 2 something is wrong that you can mend."""


def main() -> None:
    """Do what the command line asks for."""
    if asks_for_help():
        print(HELP)
        return
    log_with_times()
    from coilal.prediction.relabel import SETTINGS, RelabelRequest, relabel

    relabel(RelabelRequest.of(given_settings(sys.argv[1:], SETTINGS, "coilal.relabel")))


if __name__ == "__main__":
    run_main(main)
