from __future__ import annotations

import socket
import urllib.request

import pytest

from coilal.common.types import UserError
from coilal.labelling.page.app import build
from coilal.labelling.page.server import serve
from tests.unit.labelling.fake_desk import FakeDesk


def test_it_serves_at_a_free_port_until_it_is_told_to_end() -> None:
    server, port = serve(build(FakeDesk(), "secret", []), "127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/page.css") as reply:
            assert reply.status == 200
    finally:
        server.should_exit = True


def test_replies_do_not_wait_for_the_ones_before() -> None:
    server, _ = serve(build(FakeDesk(), "secret", []), "127.0.0.1", 0)
    try:
        (listening,) = server.servers[0].sockets
        assert listening.proto == socket.IPPROTO_TCP  # else asyncio leaves Nagle's algorithm on: 40 ms a reply
    finally:
        server.should_exit = True


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UserError, match=r"another session may be open there.*label\.port=0"):
            serve(build(FakeDesk(), "secret", []), "127.0.0.1", other.getsockname()[1])


def test_a_host_that_is_none_is_said() -> None:
    with pytest.raises(UserError, match=r"label\.host=no\.such\.host\.invalid"):
        serve(build(FakeDesk(), "secret", []), "no.such.host.invalid", 0)
