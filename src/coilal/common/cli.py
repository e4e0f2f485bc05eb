"""What the entry points share: where the configuration lies, and how errors are shown."""

from __future__ import annotations

import difflib
import functools
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from omegaconf import DictConfig

from coilal.common import machine, output
from coilal.common.signals import PATIENCE_S, Ended, Listener, ended_by, exit_code
from coilal.common.types import CellsFailed, UserError

T = TypeVar("T")


def conf_folder() -> str:
    """Return the folder of the configuration: beside the package in a wheel, else in the repository."""
    package = Path(__file__).parents[1]
    packed = package / "conf"
    return str(packed if packed.is_dir() else package.parents[1] / "conf")


def run_documented(
    main: Callable[[], int | None], help_text: str, arguments: Sequence[str], patience_s: float = PATIENCE_S
) -> None:
    """Call the main function of a command on Hydra, whose own help would be that of coilal.train.

    Args:
        main: see ``run_main``.
        help_text: what ``--help`` shows.
        arguments: for Hydra; those of the command line that ask for help count before them.
        patience_s: see ``run_main``.
    """
    if asks_for_help():
        run_main(lambda: print(help_text))
        return
    sys.argv[1:] = arguments
    run_main(main, patience_s=patience_s)


def asks_for_help() -> bool:
    """Return whether the command line asks for help."""
    return bool({"--help", "-h"} & set(sys.argv[1:]))


def log_with_times() -> None:
    """Log to stdout, each line with the time, in a command that Hydra does not start."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )


def run_main(main: Callable[[], int | None], config_name: str = "train", patience_s: float = PATIENCE_S) -> None:
    """Call the main function of a command; show errors that the user can mend without a traceback.

    What nobody reads of the output (``| head``) is dropped, and the command goes on; see ``coilal.common.output``.

    Exit codes: 0 done, 2 wrong input or settings, 130 interrupted (Ctrl-C), 143 ended by SIGTERM (129 by SIGHUP),
    1 (with a traceback) anything else.

    Args:
        main: the main function; returns the exit code.
        config_name: of the settings, for what Hydra says of them.
        patience_s: seconds that the function has to end in when it is told to.
    """
    from coilal.common.typed import as_typed, passed_over

    output.secure()
    machine.tell_of_threads()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come here instead of being printed by Hydra
    sys.argv[1:] = as_typed(sys.argv[1:])
    for line in passed_over(sys.argv[1:]):
        print(f"note: {line}", file=sys.stderr)
    with Listener(patience_s) as listener:
        try:
            code = main()
            if listener.told is not None:  # a library has swallowed its exception
                raise Ended(listener.told)
        except BaseException as error:
            if (number := ended_by(error) or listener.told) is not None:
                listener.say_farewell(number)
                sys.exit(exit_code(number))
            if isinstance(error, SystemExit) and not error.code:
                _tell_loss()
            _show(error, config_name)
            raise
        _tell_loss()
        if code:
            sys.exit(code)


def _show(error: BaseException, config_name: str) -> None:
    """Show an error that the user can mend, and end; return for anything else."""
    from hydra.errors import HydraException

    if isinstance(error, UserError):
        _fail(str(error))
    if isinstance(error, CellsFailed):
        _fail(str(error), error.code)
    if isinstance(error, HydraException):
        cause = user_error(error)
        if cause is not None or not os.environ.get("COILAL_TRACEBACK"):
            _fail(str(cause) if cause else explain(str(error), sys.argv[1:], config_name))
    elif isinstance(error, ValueError) and _raised_by_hydra(error):
        _fail(str(error))
    elif isinstance(error, Exception) and not os.environ.get("COILAL_TRACEBACK") and (cause := user_error(error)):
        _fail(str(cause))


def _raised_by_hydra(error: BaseException) -> bool:
    """Return whether Hydra itself found a command line wrong; it has no exception of its own for some faults."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("hydra.")


def shows_errors(task: Callable[[DictConfig], T]) -> Callable[[DictConfig], T]:
    """Decorate what a Hydra main function does: show an error that the user can mend before Hydra sees it.

    Hydra would put a line with all overrides in front. In a grid the launcher gathers the errors of the cells.
    """

    @functools.wraps(task)
    def shown(cfg: DictConfig) -> T:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        try:
            if "cache" in cfg:
                machine.house_libraries(machine.cache_folder(str(cfg.cache.dir)))  # before they are imported
            return task(cfg)
        except Exception as error:
            cause = user_error(error)
            if cause is None or HydraConfig.get().mode is not RunMode.RUN:
                raise
            _fail(str(cause))

    return shown


def given_settings(arguments: Sequence[str], known: Collection[str], command: str) -> dict[str, str]:
    """Return the ``key=value`` arguments of a command that Hydra does not read.

    Args:
        arguments: what was given.
        known: the settings as the message shows them, ``key`` or ``key=WHAT``.
        command: name of the command.

    Raises:
        UserError: an argument is none of the command's settings.
    """
    from coilal.common.typed import unquoted

    keys = {setting.partition("=")[0] for setting in known}
    settings = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in keys or not value:
            raise UserError(f"{argument!r} is no setting of {command}; it knows {', '.join(known)}")
        settings[key] = unquoted(value)
    return settings


_OVERKILL = (
    "what share of the fault-free may be rejected is a setting of the run (inspection.overkill): each cycle keeps "
    "its thresholds. Do the runs again with it: python -m coilal.train inspection.overkill=… study=ANOTHER"
)
ELSEWHERE = {"compare.overkill": _OVERKILL, "inspection.overkill": _OVERKILL}
"""Settings that are looked for in a command that has none of that name → where they are."""


def explain(message: str, arguments: list[str], config_name: str = "train") -> str:
    """Say what is wrong with the settings where Hydra's message does not, and what can be typed instead."""
    from coilal.common.typed import unreadable

    if "Error when parsing index" in message and (advice := unreadable(arguments)):
        return advice
    if found := re.search(r"Ambiguous value for argument '(.*)'\n1\. To use", message, re.DOTALL):
        return _ambiguous(found[1])
    if found := re.search(r"Error merging override (.*)", message, re.DOTALL):
        return f"{found[1].strip()} is of the wrong type; python -m coilal.train --cfg hydra shows what is meant"
    found = re.search(r"Could not (?:override|delete from config\.) '([^']+)'", message)
    if not found:
        return message.partition("\nConfig search path")[0].rstrip() + _nearest_choice(message)
    key, known = found[1], _keys(arguments, config_name)
    if key in known:
        return _new_keys(key, arguments) or message
    if key in ELSEWHERE:
        return f"There is no setting '{key}' here: {ELSEWHERE[key]}"
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    near += [name for name in known if name.endswith(f".{key}") and name not in near][:3]
    return f"There is no setting '{key}'." + (f" Did you mean {' or '.join(near)}?" if near else "")


def _ambiguous(argument: str) -> str:
    """Return what can be typed for several values in a single run: text, a list, or a sweep."""
    from coilal.common.typed import TEXTS, as_argument

    key, _, text = argument.partition("=")
    text_meant = f" If it is one text: {as_argument(key, text)}." if key in TEXTS else ""
    return f"{argument} names several values, and this is one run.{text_meant} -m makes a run of each."


def _new_keys(key: str, arguments: Sequence[str]) -> str:
    """Return how keys are added that a section does not have: a value in braces only changes those it has."""
    from coilal.common.typed import shell

    given = [argument for argument in arguments if argument.startswith(f"{key}=")]
    return f"{key} has no such keys; new ones are added with {shell(f'++{given[-1]}')}" if given else ""


def _nearest_choice(message: str) -> str:
    """Return the hint to Hydra's message about a choice that its group does not have, or nothing."""
    found = re.search(r"Could not find '(.+)/([^'/]+)'", message)
    if not found:
        return ""
    group, choice = found.groups()
    choices = [path.stem for path in (Path(conf_folder()) / group).glob("*.yaml")]
    near = difflib.get_close_matches(choice, choices, n=3, cutoff=0.6)
    return f"\nDid you mean {' or '.join(f'{group}={name}' for name in near)}?" if near else ""


def _groups() -> list[str]:
    """Return the groups of the configuration."""
    return [child.name for child in Path(conf_folder()).iterdir() if child.is_dir()]


def _keys(arguments: list[str], config_name: str) -> list[str]:
    """Return all dotted keys of the configuration with the group choices among the arguments."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    groups = _groups()
    choices = [a.split(",")[0] for a in arguments if a.split("=")[0] in groups and "=" in a]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=conf_folder()):
        config = compose(config_name, overrides=choices)

    def walk(node: Mapping[Any, Any], prefix: str) -> list[str]:
        keys: list[str] = []
        for key, child in node.items():
            keys.append(f"{prefix}{key}")
            if isinstance(child, Mapping):
                keys += walk(child, f"{prefix}{key}.")
        return keys

    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return walk(plain, "")


def user_error(error: BaseException) -> UserError | None:
    """Return what the user can mend: a UserError that Hydra wrapped, or what the machine refused at first."""
    refused: UserError | None = None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return cause
        refused = machine.refusal(cause) or refused  # the first one: the others followed from it
        cause = cause.__cause__ or cause.__context__
    return refused


def _tell_loss() -> None:
    if lost := output.loss():
        _fail(f"{lost}; whatever else the command was to do is done")


def _fail(message: str, code: int = 2) -> NoReturn:
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
