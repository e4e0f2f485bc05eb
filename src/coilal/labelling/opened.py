"""Who has a session open, and where: for those who want to open it a second time."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from coilal.run_directory.files import now, write_atomically

FILE = ".opened.json"


def note_opened(folder: Path, address: str = "") -> None:
    """Note that this process has the session open.

    Args:
        folder: the run directory, whose lock this process holds.
        address: of the page, without its secret; "" without a page.
    """
    about = {"since": now(), "host": socket.gethostname(), "pid": os.getpid(), "address": address}
    write_atomically(folder / FILE, json.dumps(about), durable=False)


def where_open(folder: Path) -> str:
    """Return where a session is open whose directory is locked, and what to do, in sentences."""
    about: Mapping[str, object] = {}
    with suppress(OSError, ValueError):  # it is only just being opened
        about = json.loads((folder / FILE).read_text(encoding="utf-8"))
    place = f" since {about['since']}, by process {about['pid']} on {about['host']}" if about else ""
    page = f", which serves the page at {about['address']}" if about.get("address") else ""
    return (
        f"the labelling session in {folder} is open already{place}{page}. Label there: its terminal shows the "
        "whole address; or end it there with Ctrl-C first. Another study=… begins another session."
    )
