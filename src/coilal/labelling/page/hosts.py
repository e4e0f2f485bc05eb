"""The names by which a browser may call the server: whoever comes by another one was led here by a foreign page."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import psutil

OWN = ("127.0.0.1", "::1", "localhost")
ALL = {"0.0.0.0", "::", ""}


def allowed(hosts: Sequence[str]) -> frozenset[str]:
    """Return the names and addresses that a Host header may have, in lower case, without port and brackets.

    Args:
        hosts: those that the server was given; ``0.0.0.0`` and ``::`` stand for all of this machine.
    """
    names = {*OWN, *(host for host in hosts if host not in ALL)}
    if ALL & set(hosts):
        names |= {socket.gethostname(), socket.getfqdn()}
        addresses = [address.address for each in psutil.net_if_addrs().values() for address in each]
        names |= {address.partition("%")[0] for address in addresses}
    return frozenset(name.lower() for name in names)


def name_of(header: str) -> str:
    """Return the name or address in a Host header, in lower case; the port does not matter.

    A forwarded port (``ssh -L``, a container's) is another one than the server's, and says nothing of who calls.
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()
