"""Real processes with real streams: what a test captures is not what a terminal, a pipe or a disk does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coilal.common.output import PLAIN

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")
COMMAND = """
import logging, sys
from rich.console import Console
from rich.table import Table
from coilal.common.cli import run_main
def main():
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    for number in range(LINES):
        logging.info("line %d × – · …", number)
    print("prüfung 中 \\udce4")
    table = Table("name")
    table.add_row("Löcher → 5")
    Console().print(table)
    open(sys.argv[1], "w").write("done")
run_main(main)
"""


def command(tmp_path: Path, lines: int = 1) -> list[str]:
    script = tmp_path / "command.py"  # UTF-8, as the locale's arguments may not be
    script.write_text(COMMAND.replace("LINES", str(lines)), encoding="utf-8")
    return [sys.executable, str(script), str(tmp_path / "work")]


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "LC_ALL", "LANG")}
    return {**kept, **changes}


@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "utf-8"},
    ],
    ids=str,
)
def test_characters_that_the_terminal_lacks_are_written_otherwise(tmp_path: Path, locale: dict[str, str]) -> None:
    done = subprocess.run(command(tmp_path), capture_output=True, env=environment(**locale), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    unicode = locale.get("PYTHONIOENCODING") == "utf-8"
    latin = locale.get("PYTHONIOENCODING") == "latin-1"
    text = done.stdout.decode("utf-8" if unicode else "latin-1" if latin else "ascii")
    assert ("line 0 × – · …" if unicode else "line 0 × - · ..." if latin else "line 0 x - - ...") in text
    assert ("prüfung 中" if unicode else "prüfung \\u4e2d" if latin else "pr\\xfcfung \\u4e2d") in text
    assert "\\udce4" in text  # what no encoding has: a byte of a file name that is not UTF-8
    assert (tmp_path / "work").read_text() == "done"


def test_every_replacement_is_ascii() -> None:
    assert all(text.isascii() for text in PLAIN.values())


@pytest.mark.parametrize("streams", ["", "2>&1"])
def test_a_command_whose_reader_goes_does_its_work(tmp_path: Path, streams: str) -> None:
    script = f'"$@" {streams} | head -1; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command(tmp_path, 20_000)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("line 0")
    assert (tmp_path / "work").read_text() == "done"


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_told_at_the_end(tmp_path: Path) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(command(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output could not be written (No space left on device)")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "work").read_text() == "done"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "2>&-"])
def test_a_stream_that_is_closed_from_the_start_takes_no_file(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(["bash", "-c", f'exec "$@" {closed}', "bash", *command(tmp_path)], check=False)
    assert done.returncode == 0
    assert (tmp_path / "work").read_text() == "done"  # and nothing of the output


def test_what_a_full_disk_took_is_noted_where_there_is_room_again(tmp_path: Path) -> None:
    work = """
import errno, io, os, sys
from coilal.common import output
output.secure()
raw, write = sys.stdout.buffer.raw, io.FileIO.write
os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
print("lost", flush=True)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)
print("kept", flush=True)
"""
    if not FULL.exists():
        pytest.skip("there is no /dev/full here")
    log = tmp_path / "log"
    subprocess.run([sys.executable, "-c", work, str(log)], check=True)
    assert log.read_text() == "\n[5 bytes are missing here: No space left on device]\nkept\n"


def test_json_is_json_on_any_terminal(tmp_path: Path) -> None:
    run = tmp_path / "prüfung" / "multiclass" / "tiny" / "random" / "seed0"
    run.mkdir(parents=True)
    (run / "status.json").write_text(json.dumps({"state": "done"}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "coilal.status", "study=prüfung", f"outputs={tmp_path}", "--json"],
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert json.loads(done.stdout)["study"] == str(tmp_path / "prüfung")
