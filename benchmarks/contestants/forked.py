"""Work shared out over forked processes: the cheapest way to use all cores, nothing is imported or copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[Item], Result]


def shared_out(work: Work[Item, Result], items: Sequence[Item], processes: int) -> list[Result]:
    """Return the result of each item, in order; every process takes each so many-th item, this one too.

    A forked process has none of the threads of its parent: torch must be told to use one before the fork.

    Raises:
        EOFError: a process died; it has said why on stderr.
    """
    context = get_context("fork")
    children, ends = [], []
    for first in range(1, min(processes, len(items))):
        receiver, sender = context.Pipe(duplex=False)
        children.append(context.Process(target=_send, args=(sender, work, items[first::processes])))
        children[-1].start()
        sender.close()  # else this process would wait for itself if the child died
        ends.append(receiver)
    shares = [[work(item) for item in items[::processes]], *(receiver.recv() for receiver in ends)]
    for child in children:
        child.join()
    return [shares[number % processes][number // processes] for number in range(len(items))]


def _send(sender: Connection, work: Work[Item, Result], items: Sequence[Item]) -> None:
    sender.send([work(item) for item in items])
