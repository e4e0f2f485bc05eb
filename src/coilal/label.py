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

import hydra
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, run_documented, shows_errors

HELP = """\
Label images, those first that teach the most, on a page in the browser.

  python -m coilal.label data=coils data.root=FOLDER study=line3 label.classes=[ok,dent,scratch]
  python -m coilal.label data=coils data.root=FOLDER study=line3 label.classes=[gap,scratch] task=multilabel

FOLDER holds the images; a table (labels.csv there, or data.labels=TABLE) may label some of them. An audit set is
labelled first, which measures how good the model is; then the images that the strategy asks for. The model learns
while you label. Every answer is on the disk before the next image is shown: stop with Ctrl-C at any moment, the
same command goes on. What was told lies in outputs/STUDY/TASK/MODEL/STRATEGY/seed0/labels.csv.

Takes the settings of a run (python -m coilal.train --help lists them) and, from conf/label/session.yaml:
  label.classes=[A,B]    names of the classes, in the order of their keys
  label.audit=64         images that measure, at least; 0: none
  label.reask=0.05       share of a batch that is asked a second time
  label.show_guess=true  show what the model takes an image for
  label.host=NAME label.port=8571 label.open=false
  budget.initial=24 budget.query=24    images of the starting set and of a batch
  strategy.per_group=4   views of one coil in a batch, at most"""


@hydra.main(config_path=conf_folder(), config_name="train")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Serve the page, and learn from what is told on it until Ctrl-C."""
    from coilal.labelling.page.app import build
    from coilal.labelling.page.server import serve
    from coilal.labelling.run import LabellingRun
    from coilal.runs.settings import Settings

    session = LabellingRun(Settings.of(cfg))
    label = session.label
    token = kept_token(session.folder / ".token")
    app = build(session.desk, token, [label.host])
    server, port = serve(app, label.host, label.port)
    name = socket.gethostname() if label.host in ("0.0.0.0", "::") else label.host  # all addresses of this machine
    address = f"http://{f'[{name}]' if ':' in name else name}:{port}/?token={token}"
    print(f"label here: {address}", flush=True)
    if label.host not in ("127.0.0.1", "localhost", "::1"):
        print("Whoever has this address can label; what goes to and fro is not encrypted.", flush=True)
    if label.open:
        webbrowser.open_new_tab(address)
    try:
        session.work()
    except KeyboardInterrupt:
        print(f"labels: {session.folder / 'labels.csv'}; the same command goes on", flush=True)
    finally:
        server.should_exit = True


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
    return [*arguments, *([] if given else ["label=session"])]


if __name__ == "__main__":
    run_documented(main, HELP, with_session(sys.argv[1:]))
