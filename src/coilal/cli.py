"""What the entry points share: where the configuration lies, and how errors are shown."""

from __future__ import annotations

import difflib
import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from omegaconf import DictConfig

from coilal import machine, output
from coilal.types import CellsFailed, UserError

T = TypeVar("T")


def conf_folder() -> str:
    """Return the folder of the configuration: beside the package in a wheel, else in the repository."""
    package = Path(__file__).parent
    packed = package / "conf"
    return str(packed if packed.is_dir() else package.parents[1] / "conf")


def run_main(main: Callable[[], int | None], config_name: str = "train") -> None:
    """Call the main function of a command; show errors that the user can mend without a traceback.

    What nobody reads of the output (``| head``) is dropped, and the command goes on; see ``coilal.output``.

    Exit codes: 0 done, 2 wrong input or settings, 130 interrupted (Ctrl-C), 1 (with a traceback) anything else.
    """
    from hydra.errors import HydraException

    output.secure()
    machine.tell_of_threads()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come here instead of being printed by Hydra
    try:
        code = main()
    except UserError as error:
        _fail(str(error))
    except CellsFailed as error:
        _fail(str(error), error.code)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # what Lightning makes of it
            _interrupted()
        if not end.code:
            _tell_loss()
        raise
    except HydraException as error:
        cause = user_error(error)
        if cause is None and os.environ.get("COILAL_TRACEBACK"):
            raise
        _fail(str(cause) if cause else explain(str(error), sys.argv[1:], config_name))
    except Exception as error:
        cause = user_error(error)
        if cause is None or os.environ.get("COILAL_TRACEBACK"):
            raise
        _fail(str(cause))
    _tell_loss()
    if code:
        sys.exit(code)


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
    keys = {setting.partition("=")[0] for setting in known}
    settings = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in keys or not value:
            raise UserError(f"{argument!r} is no setting of {command}; it knows {', '.join(known)}")
        settings[key] = value
    return settings


def explain(message: str, arguments: list[str], config_name: str = "train") -> str:
    """Add the nearest right setting or choice to Hydra's message about one that does not exist."""
    found = re.search(r"Could not override '([^']+)'", message)
    if not found:
        return message.partition("\nConfig search path")[0].rstrip() + _nearest_choice(message)
    key = found.group(1)
    near = difflib.get_close_matches(key, _keys(arguments, config_name), n=3, cutoff=0.6)
    if not near:
        return message
    return f"There is no setting '{key}'. Did you mean {' or '.join(near)}?"


def _nearest_choice(message: str) -> str:
    """Return the hint to Hydra's message about a choice that its group does not have, or nothing."""
    found = re.search(r"Could not find '(.+)/([^'/]+)'", message)
    if not found:
        return ""
    group, choice = found.groups()
    choices = [path.stem for path in (Path(conf_folder()) / group).glob("*.yaml")]
    near = difflib.get_close_matches(choice, choices, n=3, cutoff=0.6)
    return f"\nDid you mean {' or '.join(f'{group}={name}' for name in near)}?" if near else ""


def _keys(arguments: list[str], config_name: str) -> list[str]:
    """Return all dotted keys of the configuration with the group choices among the arguments."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    folder = conf_folder()
    groups = {child.name for child in Path(folder).iterdir() if child.is_dir()}
    choices = [a.split(",")[0] for a in arguments if a.split("=")[0] in groups and "=" in a]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=folder):
        config = compose(config_name, overrides=choices)

    def walk(node: DictConfig, prefix: str) -> list[str]:
        keys: list[str] = []
        for key in map(str, node):
            keys.append(f"{prefix}{key}")
            child = node._get_node(key)
            if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
                keys += walk(child, f"{prefix}{key}.")
        return keys

    return walk(config, "")


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


def _interrupted() -> NoReturn:
    print("interrupted; the same command goes on where this one stopped", file=sys.stderr, flush=True)
    sys.exit(128 + signal.SIGINT)


def _tell_loss() -> None:
    if lost := output.loss():
        _fail(f"{lost}; whatever else the command was to do is done")


def _fail(message: str, code: int = 2) -> NoReturn:
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
