"""Predict the images of a folder with the model of a run, or write the model as one file.

python -m coilal.predict run=RUNDIR data.root=FOLDER
python -m coilal.predict run=RUNDIR export=onnx out=FILE.onnx
python -m coilal.predict --help
"""

from __future__ import annotations

import sys

from coilal.common.cli import asks_for_help, given_settings, log_with_times, run_main

HELP = """\
Predict the images of a folder with the model of a run, or write the model as one file.

  python -m coilal.predict run=RUNDIR data.root=FOLDER
  python -m coilal.predict run=RUNDIR export=onnx

RUNDIR is the directory of a finished run (outputs/STUDY/TASK/MODEL/STRATEGY/split0/seed0) or of a labelling
session. All images in FOLDER and its sub-folders are predicted, stored as those of the run were. Two tables are
written, one row an image and one row a group (coil), with predictions.json beside them, which says where the line
was drawn and why. After a kill the same command goes on.

Where the run has validation images and they are still there, the line is drawn on them: at most overkill=5 percent
of the good ones are taken for faulty; of coils as many, by a threshold of their own. Otherwise it is the class of
the largest probability, or 0.5 for a label, and a coil is faulty if any of its views is.

  out=FILE               predictions.csv, with predictions_groups.csv beside it; or the exported model
  overkill=5             percent of the good validation images (coils) that may be taken for faulty
  data.source.group_pattern=REGEX    what names the group in a file name; as the run has it. null: no groups
  classes=[A,B]          refuse a run that knows other classes
  class_folders=false    folders in FOLDER are no classes, though those of the run's data are
  data.labels=TABLE      refuse a table of other classes
  data.image.size=[H,W] data.image.mode=L …    refuse a run of another size, mode, fit, range or page
  export=onnx            write backbone and head as one file, checked against the run: onnx or torchscript
  cache.dir=FOLDER model.weights=FILE trainer.accelerator=cpu    where they are other than for the run
  force=true             replace files that are there

Exit code: 0 done, 2 something is wrong that you can mend."""


def main() -> None:
    """Do what the command line asks for."""
    if asks_for_help():
        print(HELP)
        return
    log_with_times()
    from coilal.prediction.request import SETTINGS, Request

    request = Request.of(given_settings(sys.argv[1:], SETTINGS, "coilal.predict"))
    if request.export is None:
        from coilal.prediction.predict import predict

        predict(request)
    else:
        from coilal.prediction.export import export

        export(request)


if __name__ == "__main__":
    run_main(main)
