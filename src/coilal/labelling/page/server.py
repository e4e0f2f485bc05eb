"""Serves the page from a thread of this process."""

from __future__ import annotations

import os
import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette

from coilal.common.types import UserError

START_S = 10.0
"""Seconds that a server may take to start."""
LAST_REPLIES_S = 2
"""Seconds that a server which ends gives to requests that it is at."""


def serve(app: Starlette, host: str, port: int) -> tuple[uvicorn.Server, int]:
    """Serve an application until the process ends, or ``server.should_exit`` is set.

    Args:
        app: what ``build`` returned.
        host: name or address to listen at.
        port: 0 for any that is free.

    Returns:
        The server, and the port that it listens at.

    Raises:
        UserError: the port is taken, or the host is none of this machine's.
    """
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_REPLIES_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="coilal-label-page", daemon=True
    )
    thread.start()
    end = time.monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise UserError(f"the labelling page could not be started at {host}, port {port}.")
        time.sleep(0.01)
    return server, int(listening.getsockname()[1])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(
            f"label.host={host} is no name or address that this machine knows ({error.strerror or error}); "
            "label.host=127.0.0.1 serves this machine alone."
        ) from error
    # Named as TCP, asyncio sends each part of a reply at once; else every second one waits for 40 ms (Nagle).
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere it would let two servers share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise UserError(
            f"the labelling page cannot be served at {host}, port {port} ({error.strerror or error}): another "
            "session may be open there. Close it, or take another one: label.port=0 finds a free one."
        ) from error
    return listening
