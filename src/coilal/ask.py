"""Label without the page: write what is to be labelled next as files, and take files of answers.

python -m coilal.ask study=line3
python -m coilal.ask study=line3 answers=FILE
python -m coilal.ask --help
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from coilal.common.cli import asks_for_help, run_main
from coilal.common.types import UserError

HELP = """\
Label without the page: write what is to be labelled next as files, and take files of answers.

  python -m coilal.ask data=coils data.root=FOLDER study=line3 label.classes=[ok,dent]    begin
  python -m coilal.ask study=line3                                                          ask again
  python -m coilal.ask study=line3 answers=FILE                                             tell, and ask for more
  python -m coilal.ask study=line3 export=coco out=FILE.json                                leave

The session is that of python -m coilal.label: one can be exchanged for the other at any time. Asking writes
asked.csv (fill in its last columns), asked.html (thumbnails) and a task file of Label Studio, into out=FOLDER or
the run directory. Answers are that table, or an export of Label Studio (JSON, JSON-MIN, CSV).

  answers=FILE       tell what stands there, learn from it, and ask for the next batch
  who=NAME           has answered, where the file does not say; spreadsheet
  out=FOLDER         for the files; outputs/STUDY/…/seed0/asked
  found_at=ADDRESS   what addresses of images begin with in Label Studio; /data/local-files/?d=
  export=FORM        write all labels to out=: table (what data=coils reads), coco, yolo (folders of links)

Other settings are those of coilal.label; of a session that has begun they need not be given again."""

OWN = {"answers": "", "who": "spreadsheet", "out": "", "found_at": "", "export": ""}


def main() -> None:
    """Do what the command line asks for."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    own, others = parted(sys.argv[1:])
    if own["export"] and not own["out"]:
        raise UserError("say with out= where the labels are to be written.")
    from coilal.labelling.elsewhere import export, take_answers, write_asked
    from coilal.labelling.run import LabellingRun
    from coilal.labelling.stored import settings_of

    run = LabellingRun(settings_of(others))
    try:
        if own["export"]:
            export(run, own["export"], Path(own["out"]).expanduser())
            print(f"labels: {own['out']}")
            return
        if own["answers"]:
            take_answers(run, Path(own["answers"]).expanduser(), own["who"])
        run.advance()
        folder = Path(own["out"]).expanduser() if own["out"] else run.folder / "asked"
        number = write_asked(run, folder, own["found_at"] or None)
        print(_to_be_labelled(number, folder))
    finally:
        run.close()


def _to_be_labelled(number: int, folder: Path) -> str:
    if number == 0:
        return "nothing is left to be labelled"
    return f"{'1 image is' if number == 1 else f'{number} images are'} to be labelled: {folder}"


def parted(arguments: Sequence[str]) -> tuple[Mapping[str, str], list[str]]:
    """Return the settings of this command, and those of the session."""
    from coilal.common.typed import unquoted

    own, others = dict(OWN), []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key in OWN:
            own[key] = unquoted(value)
        else:
            others.append(argument)
    return own, others


if __name__ == "__main__":
    if asks_for_help():
        print(HELP)
    else:
        run_main(main)
