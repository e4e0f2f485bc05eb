from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from coilal.common import machine
from coilal.common.types import UserError


def as_uid(uid: int) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    os.seteuid(uid)


@pytest.fixture
def nobody() -> Any:
    """Be a user who owns nothing; skip where that is impossible."""
    as_uid(4242)
    yield
    os.seteuid(0)


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    machine.ensure_writable(tmp_path / "a" / "b", "", locks=True)
    assert not list(tmp_path.iterdir())


def test_a_relative_folder_is_looked_for_from_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    machine.ensure_writable(Path("outputs/x"), "")
    (tmp_path / "outputs").write_text("")
    with pytest.raises(UserError, match="outputs is not a folder"):
        machine.ensure_writable(Path("outputs/x"), "")


@pytest.mark.parametrize("below", [[], ["study", "run"]])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: list[str]) -> None:
    file = tmp_path / "outputs"
    file.write_text("")
    with pytest.raises(UserError, match=r"outputs is not a folder\. Do something else\."):
        machine.ensure_writable(file.joinpath(*below), "Do something else.")


def test_a_link_to_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "outputs").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="outputs is not a folder"):
        machine.ensure_writable(tmp_path / "outputs" / "study", "")


@pytest.mark.parametrize("name", ["s" * 256, "ü" * 128])
@pytest.mark.parametrize("below", [[], ["seed0"]])
def test_a_name_that_is_too_long_is_refused(tmp_path: Path, name: str, below: list[str]) -> None:
    with pytest.raises(UserError, match="more than 255 bytes"):
        machine.ensure_writable(tmp_path.joinpath(name, *below), "")


def test_a_folder_of_another_user_is_refused(tmp_path: Path, nobody: None) -> None:
    with pytest.raises(UserError, match=r"permission denied\. Elsewhere\."):
        machine.ensure_writable(tmp_path / "study", "Elsewhere.")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "your quota of this disk is used up"),
        (errno.EROFS, "read-only"),
    ],
)
def test_what_only_a_try_shows_is_tried(
    tmp_path: Path, number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match=words):
        machine.ensure_writable(tmp_path, "")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_with_folder_and_way_out(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, number)
    machine.ensure_writable(tmp_path, "")  # who needs no locks is served
    for refused in (
        lambda: machine.ensure_writable(tmp_path, "Elsewhere.", locks=True),
        lambda: machine.acquired(tmp_path / ".lock", "Elsewhere.", timeout=0),
        lambda: machine.acquired(tmp_path / ".lock", "Elsewhere."),
    ):
        with pytest.raises(UserError, match=rf"{tmp_path} has no locks .*local disks have them\. Elsewhere\."):
            refused()


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    lock = machine.acquired(tmp_path / ".lock", "")
    with pytest.raises(Timeout):
        machine.acquired(tmp_path / ".lock", "", timeout=0)
    lock.release()
    machine.acquired(tmp_path / ".lock", "", timeout=0).release()


def test_a_lock_of_another_user_is_refused(tmp_path: Path) -> None:
    for folder in tmp_path.parents:
        folder.chmod(folder.stat().st_mode | 0o5) if "pytest" in str(folder) else None
    tmp_path.chmod(0o777)
    (tmp_path / ".lock").touch(0o600)
    as_uid(4242)
    try:
        with pytest.raises(UserError, match=r"\.lock cannot be locked: permission denied"):
            machine.acquired(tmp_path / ".lock", "", timeout=0)
    finally:
        os.seteuid(0)


def test_an_error_of_the_system_is_told_with_its_file() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "data/labels.csv")
    assert str(machine.refusal(error)) == "data/labels.csv: permission denied."
    assert str(machine.refusal(OSError(errno.ENOSPC, "No space left"), Path("x.csv"))) == (
        "x.csv: the disk is full; free some space. Then give the same command again."
    )


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "", "x"), OSError("damaged"), ValueError("x")])
def test_errors_that_may_be_our_own_are_not_the_machines(error: Exception) -> None:
    assert machine.refusal(error) is None
    with pytest.raises(type(error)), machine.writing(Path("x")):
        raise error


def test_a_database_that_cannot_grow_is_told(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "study.db")
    database.execute("pragma max_page_count = 2")
    database.execute("create table t (a)")
    with pytest.raises(sqlite3.OperationalError) as error:
        database.execute("insert into t values (zeroblob(100000))")
    assert "the disk is full; free some space. Then" in str(machine.refusal(error.value))
    with pytest.raises(sqlite3.OperationalError) as other:
        database.execute("select nothing from nowhere")
    assert machine.refusal(other.value) is None


def test_a_home_that_is_not_known_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError()))
    assert machine.expanded("/tmp/x", "cache.dir") == Path("/tmp/x")
    with pytest.raises(UserError, match=r"cache\.dir=~/x .*has none.*cache\.dir=FOLDER, or set HOME"):
        machine.expanded("~/x", "cache.dir")


def test_libraries_are_housed_where_there_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MPLCONFIGDIR", "HF_HOME", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    machine.house_libraries(tmp_path / "cache")
    assert "HF_HOME" not in os.environ  # there is one
    monkeypatch.setenv("HOME", "~")
    machine.house_libraries(tmp_path / "cache")
    assert os.environ["HF_HOME"] == str(tmp_path / "cache" / "libraries" / "huggingface")
    assert os.environ["MPLCONFIGDIR"] == "mine"
    assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).is_dir()


@pytest.mark.parametrize(
    ("error", "words"),
    [(OSError(errno.ENOSPC, "no space"), "error: the disk is full"), (ValueError("ours"), "Traceback")],
)
def test_a_thread_tells_what_the_machine_refused_it(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    machine.tell_of_threads()

    def work() -> None:
        raise error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    shown = capsys.readouterr().err
    assert words in shown
    assert ("Traceback" in shown) == (words == "Traceback")


@pytest.mark.parametrize(("number", "is_refused"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_wait_for_names_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_refused: bool
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="error") if is_refused else nullcontext():
        machine.wait_for_name(tmp_path / "a")


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_a_lack_of_room_is_known_through_what_followed_from_it(tmp_path: Path, number: int, expected: bool) -> None:
    with pytest.raises(UserError) as raised, machine.writing(tmp_path):
        raise OSError(number, os.strerror(number))
    followed = RuntimeError("the run has ended")
    followed.__context__ = raised.value
    assert machine.lacks_room(followed) is expected
    assert not machine.lacks_room(ValueError("ours"))
