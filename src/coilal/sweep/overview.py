"""The grid of a study as people and machines read it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coilal.common.long_work import duration
from coilal.common.types import UserError
from coilal.run_directory.files import RunName
from coilal.sweep.alive import slurm_end
from coilal.sweep.book import Launch, damaged_launches, read_launches, read_outcome
from coilal.sweep.cells import Cell
from coilal.sweep.states import STATES, CellState, State, count, states, study_cells

STYLES: Mapping[State, str] = {
    "done": "green",
    "running": "cyan",
    "paused": "yellow",
    "queued": "blue",
    "failed": "bold red",
    "damaged": "bold red",
    "stale": "red",
    "missing": "yellow",
}


@dataclass(frozen=True)
class Overview:
    """How it stands with a study.

    Attributes:
        study: its folder.
        cells: one entry a cell: finished ones first, then by state, then by name.
        commands: what is to be typed so that the rest gets done.
        is_refused: whether a cell failed for what has to be put right before: settings, data or the machine.
        findings: records of launches that cannot be read, and what to do.
    """

    study: Path
    cells: tuple[CellState, ...]
    commands: tuple[str, ...]
    is_refused: bool = False
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Path) -> Overview:
        """Look at a study.

        Raises:
            UserError: there is no such study.
        """
        launches = read_launches(study)
        cells = study_cells(study, launches)
        findings = damaged_launches(study)
        if not cells:
            raise UserError("; ".join([f"there is no run and no grid in {study}{_others(study)}", *findings]))
        found = sorted(states(cells).values(), key=lambda state: (STATES.index(state.state), state.cell.name))
        is_refused = any(map(_is_refused, found))
        return cls(study, tuple(found), tuple(_commands(found, launches)), is_refused, tuple(findings))

    def as_json(self) -> dict[str, Any]:
        """Return everything as what JSON can hold."""
        return {
            "study": str(self.study),
            "counts": {state: sum(cell.state == state for cell in self.cells) for state in STATES},
            "cells": [_cell_json(cell) for cell in self.cells],
            "commands": list(self.commands),
            "findings": list(self.findings),
        }


def print_table(overview: Overview, console: Console | None = None) -> None:
    """Print one line a cell, and what is to be typed so that the rest gets done."""
    # Off a terminal rich would cut the table at 80 columns, and with it the reasons.
    console = console or Console(width=None if os.isatty(1) else 200)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("run", "left"), ("state", "left"), ("cycles", "right"), ("start", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for cell in overview.cells:
        table.add_row(
            cell.cell.name,
            Text(cell.state, STYLES[cell.state]),
            str(cell.cycles or ""),
            _local(cell.start),
            "" if cell.seconds is None else duration(cell.seconds),
            Text(_why(cell)),
        )
    console.print(table)
    console.print(f"{overview.study}: {count(overview.cells)}", highlight=False, markup=False, soft_wrap=True)
    for finding in overview.findings:
        console.print(f"left out: {finding}", highlight=False, markup=False, soft_wrap=True)
    if overview.commands:
        first = " (failed runs once what is named above has been put right)" if overview.is_refused else ""
        console.print(f"The rest gets done with{first}", highlight=False, soft_wrap=True)
        for command in overview.commands:
            console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)


def _is_refused(cell: CellState) -> bool:
    """Return whether a cell failed with an error that says what to do, and not with a traceback."""
    outcome = read_outcome(cell.cell) if cell.state == "failed" else None
    return outcome is not None and outcome.error == cell.why and not outcome.tail


def _why(cell: CellState) -> str:
    end = slurm_end(cell.job) if cell.job and cell.state in ("stale", "missing") else None
    return f"{cell.why} ({end})" if end else cell.why


def _commands(found: Sequence[CellState], launches: Sequence[Launch]) -> list[str]:
    """Return the latest command that covers each unfinished cell; a run of its own has a command of its own."""
    last = {cell.name: launch for launch in launches for cell in launch.cells}
    commands: dict[str, None] = {}  # in order, without repetition
    for state in found:
        if state.state not in ("done", "damaged") and not state.claimed:
            launch = last.get(state.cell.name)
            commands[_as_typed(launch) if launch else _single(state.cell)] = None
    return list(commands)


def _as_typed(launch: Launch) -> str:
    elsewhere = Path(launch.folder) != Path.cwd()
    return f"cd {shlex.quote(launch.folder)} && {launch.command}" if elsewhere else launch.command


def _single(cell: Cell) -> str:
    return shlex.join(["python", "-m", "coilal.train", *cell.overrides])


def _cell_json(state: CellState) -> dict[str, Any]:
    name = RunName.of(state.cell.name)
    assert name is not None
    return {
        "run": str(state.cell.folder),
        "task": name.task,
        "model": name.model,
        "strategy": name.strategy,
        "split": name.split or 0,
        "seed": name.seed,
        "state": state.state,
        "why": _why(state) or None,
        "job": str(state.job) if state.job else None,
        "start": state.start,
        "end": state.end,
        "seconds": state.seconds,
        "cycles": state.cycles,
        "overrides": list(state.cell.overrides),
    }


def _others(study: Path) -> str:
    known = sorted(path.name for path in study.parent.glob("*") if path.is_dir())
    return f"; studies in {study.parent}: {', '.join(known)}" if known else ""


def _local(time: str | None) -> str:
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""
