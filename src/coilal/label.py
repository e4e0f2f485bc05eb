"""Label images, those first that teach the most, on a page in the browser.

python -m coilal.label data=coils data.root=FOLDER study=line3 label.classes=[ok,dent,scratch]
python -m coilal.label --help
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, run_documented, shows_errors

if TYPE_CHECKING:
    from coilal.labelling.run import LabellingRun

HELP = """\
Label images, those first that teach the most, on a page in the browser.

  python -m coilal.label data=coils data.root=FOLDER study=line3 label.classes=[ok,dent,scratch]
  python -m coilal.label data=coils data.root=FOLDER study=line3 label.classes=[gap,scratch] task=multilabel
  python -m coilal.label study=line3                                                     go on

FOLDER holds the images; a table (labels.csv there, or data.labels=TABLE) may label some of them. An audit set is
labelled first, which measures how good the model is; then the images that the strategy asks for. The model learns
while you label. Every answer is on the disk before the next image is shown: stop with Ctrl-C at any moment, the
same command goes on. What was told lies in outputs/STUDY/TASK/MODEL/STRATEGY/split0/seed0/labels.csv.

Takes the settings of a run (python -m coilal.train --help lists them) and, from conf/label/session.yaml:
  label.classes=[A,B]    names of the classes, in the order of their keys
  label.audit=64         images that measure, at least; 0: none
  label.reask=0.05       share of a batch that is asked a second time
  label.show_guess=true  show what the model takes an image for
  label.host=NAME label.port=8571 label.open=false
  budget.initial=24 budget.query=24    images of the starting set and of a batch
  strategy.per_group=4   views of one coil in a batch, at most"""


SESSION = "label=session"
PATIENCE_S = 5.0  # for the label table and the session's state, on a slow disk
TYPED = tuple(sys.argv[1:])
"""The arguments as they were typed, before they are made ready for Hydra."""


@hydra.main(config_path=conf_folder(), config_name="train")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Serve the page, and learn from what is told on it until Ctrl-C."""
    from coilal.labelling.opened import note_opened
    from coilal.labelling.page.app import build
    from coilal.labelling.page.server import serve
    from coilal.labelling.run import LabellingRun
    from coilal.labelling.stored import goes_on, settings_of
    from coilal.runs.settings import Settings

    session = LabellingRun(settings_of(given) if goes_on(given := typed()) else Settings.of(cfg))
    label = session.label
    token = kept_token(session.folder / ".token")
    app = build(session.desk, token, [label.host])
    server, port = serve(app, label.host, label.port)
    name = socket.gethostname() if label.host in ("0.0.0.0", "::") else label.host  # all addresses of this machine
    page = f"http://{f'[{name}]' if ':' in name else name}:{port}/"
    note_opened(session.folder, page)
    address = f"{page}?token={token}"
    print(f"label here: {address}", flush=True)
    if label.host not in ("127.0.0.1", "localhost", "::1"):
        print("Whoever has this address can label; what goes to and fro is not encrypted.", flush=True)
    if label.open:
        webbrowser.open_new_tab(address)
    try:
        session.work()
    finally:
        server.should_exit = True
        print(what_is_kept(session), flush=True)


def typed() -> list[str]:
    """Return what was typed of the settings."""
    return [override for override in HydraConfig.get().overrides.task if override != SESSION]


def what_is_kept(session: LabellingRun) -> str:
    """Return what a session leaves, and what can be typed next: a line each."""
    from coilal.common.typed import shell

    audit, pool = (len(each.labelled[0]) for each in session.sessions)
    unsure = sum(len(each.unsure) for each in session.sessions)
    folder = session.folder
    use = f"to use the model: python -m coilal.predict run={shell(str(folder))} data.root=FOLDER"
    lines = [
        "",
        f"saved: {audit} label{'' if audit == 1 else 's'} of the audit set and {pool} to learn from, in {folder}",
        f"label table: {folder / 'labels.csv'}",
        *([_of_unsure(session, unsure)] if unsure else []),
        *([use] if session.has_model else []),
        f"to go on: python -m coilal.label {' '.join(map(shell, TYPED))}",
    ]
    return "\n".join(lines)


def _of_unsure(session: LabellingRun, number: int) -> str:
    from coilal.common.typed import shell

    images = "1 image is" if number == 1 else f"{number} images are"
    report = f"python -m coilal.report {shell(f'study={session.settings.study}')}"
    return f"unsure: {images} not learnt from; the page's gallery has a filter «unsure», and {report} lists them"


def kept_token(path: Path) -> str:
    """Return the secret of a session, the same at each start, so that an open page goes on."""
    if path.exists() and (kept := path.read_text(encoding="ascii").strip()):
        return kept
    token = secrets.token_urlsafe(24)
    partial = path.with_name(f"{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(token.encode("ascii") + b"\n")
    partial.replace(path)
    return token


def with_session(arguments: Sequence[str]) -> list[str]:
    """Return the arguments for Hydra, with the settings of a session."""
    given = any(argument.startswith("label=") for argument in arguments)
    return [*arguments, *([] if given else [SESSION])]


if __name__ == "__main__":
    run_documented(main, HELP, with_session(sys.argv[1:]), PATIENCE_S)
