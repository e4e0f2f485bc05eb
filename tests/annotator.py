"""A simulated annotator: drives the labelling page's interface as the page does, and knows the truth."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.commands import Command

PATIENCE_S = 120.0


class Served:
    """``python -m coilal.label`` and a client of its page.

    Args:
        typed: settings of the session.
        cwd: where it is typed.
        port: of the page; 0 for any that is free.
    """

    def __init__(self, typed: tuple[str, ...], cwd: Path, port: int = 0) -> None:
        self.command = Command("coilal.label", *typed, "label.open=false", f"label.port={port}", cwd=cwd)
        self.client: httpx.Client | None = None

    def enter(self) -> httpx.Client:
        """Wait for the address, and return a client that has been let in."""
        self.address = self._wait_for_address()
        base, _, token = self.address.partition("/?token=")
        self.client = httpx.Client(base_url=base, headers={"Origin": base}, timeout=30)
        assert self.client.get("/", params={"token": token}).status_code == 303
        return self.client

    def kill(self) -> None:
        if self.command.poll() is None:
            self.command.send_signal(signal.SIGKILL)
            self.command.wait(PATIENCE_S)

    def stop(self) -> str:
        """End it as Ctrl-C does, and return what it printed."""
        self.command.send_signal(signal.SIGINT)
        out, err = self.command.communicate(PATIENCE_S)
        return out + err

    def _wait_for_address(self) -> str:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := re.search(r"label here: (\S+)", self.command.so_far()):
                return found[1]
            if self.command.poll() is not None:
                raise AssertionError(self.command.communicate(1))
            time.sleep(0.02)
        raise AssertionError(f"no address: {self.command.so_far()}")


@dataclass
class Annotator:
    """Answers what is shown, from the truth, and counts.

    Attributes:
        truth: label by image name.
        error_rate: share of answers that are another class.
        told: what was acknowledged, by image name, second looks left out.
        looks: acknowledged second looks, by image name.
    """

    truth: Mapping[str, str]
    error_rate: float = 0.0
    told: dict[str, list[str]] = field(default_factory=dict)
    looks: dict[str, list[str]] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(0))

    def label(self, client: httpx.Client, most: int, who: str = "sim#1") -> int:
        """Answer at most so many images; return how many were answered, fewer if all is labelled."""
        after: int | None = None
        answered = 0
        end = time.monotonic() + PATIENCE_S
        while answered < most:
            params = {"who": who} if after is None else {"who": who, "after": after}
            shown = client.get("/api/next", params=params).json()["shown"]
            if shown is None:
                if client.get("/api/progress", params={"who": who}).json()["finished"]:
                    break
                assert time.monotonic() < end, "nothing was asked for"
                time.sleep(0.01)
                continue
            self.answer(client, shown, who)
            after, answered, end = shown["number"], answered + 1, time.monotonic() + PATIENCE_S
        return answered

    def answer(self, client: httpx.Client, shown: Mapping[str, Any], who: str, again: bool = False) -> None:
        """Tell the label of an image, and note that it was acknowledged."""
        name, is_second = shown["name"], shown["stage"] == "again"
        body = {"who": who, "number": shown["number"], "label": self._said(name), "seconds": 1.5}
        before = len(self.told.get(name, [])) + len(self.looks.get(name, []))
        more = {"saw_guess": False, "second_look": is_second, "id": f"{name} {before}", "again": again}
        reply = client.post("/api/tell", json={**body, **more})
        assert reply.status_code == 200, reply.text
        (self.looks if is_second else self.told).setdefault(name, []).append(str(body["label"]))

    def _said(self, name: str) -> str:
        right = self.truth[name]
        if not self.error_rate or self.random.random() >= self.error_rate:
            return right
        return self.random.choice(sorted(set(self.truth.values()) - {right}))
