"""Weights & Biases: one W&B run for each run, continued when the run is resumed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from coilal.common.types import UserError
from coilal.run_directory.aulc import aulc
from coilal.run_directory.identity import NOT_IDENTITY
from coilal.run_directory.store import Query, Row
from coilal.runs.loggers import keys
from coilal.runs.loggers.run_logger import RunInfo, RunLogger
from coilal.runs.loggers.wandb_files import held_rows, says_the_same
from coilal.runs.loggers.wandb_key import KEY_VARIABLE, has_key, without_key

log = logging.getLogger(__name__)

MODES = ("online", "offline", "disabled")
PICTURE = 96  # pixels of the longer side


class WandbLogger(RunLogger):
    """Logs a run to W&B; whatever goes wrong there is said once, and the run goes on without.

    Args:
        folder: the run directory; W&B's files go to ``wandb/`` in it.
        project: W&B project.
        entity: W&B user or team; None: the default of the account.
        mode: online, offline (``wandb sync`` uploads later) or disabled. Online without a key, or where the
            server does not answer, becomes offline.
        timeout: seconds to wait for the server at the start.
        pictures: whether small pictures of queried images go to W&B.

    Raises:
        UserError: there is no such mode.
    """

    def __init__(
        self,
        folder: str,
        project: str,
        entity: str | None = None,
        mode: str = "online",
        timeout: float = 30,
        pictures: bool = True,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise UserError(f"logger.wandb.mode is '{mode}'; choose {', '.join(MODES)}.")
        self._folder, self._project, self._entity = Path(folder), project, entity
        self._mode, self._timeout, self._pictures = mode, timeout, pictures
        self._given_up = mode == "disabled"
        self._run: Any = None
        self._next_step = 0
        self._info: RunInfo | None = None

    @property
    def name(self) -> str:
        """Return the project."""
        return self._project

    @property
    def version(self) -> str | None:
        """Return the id of the W&B run."""
        return None if self._info is None else self._info.identity

    def begin(self, run: RunInfo) -> None:
        """Start the W&B run, or continue it, and log finished cycles that W&B has not got."""
        self._info = run
        self._try(lambda: self._begin(run))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:  # noqa: ARG002
        """Log a cycle; Lightning's own metrics within a fit have no labelled count and are left out."""
        if keys.LABELLED in metrics:
            self._try(lambda: self._log(metrics))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings come with ``begin``."""

    def end(self, cycles: pd.DataFrame, curve: Path) -> None:
        """Write AULC and total query seconds to the summary, add the curve's picture, and finish."""
        self._try(lambda: self._end(cycles, curve))

    def finalize(self, status: str) -> None:
        """Mark the W&B run as failed if training failed; a good end comes with ``end``.

        A labelling session has no other end than that somebody stops it, which is no failure.
        """
        if status != "success":
            self._try(lambda: self._run.finish(exit_code=0 if "label" in self._known().config else 1))

    def _begin(self, run: RunInfo) -> None:
        self._run = self._start(run)
        self._next_step = self._run.starting_step
        self._run.define_metric(keys.LABELLED)
        self._run.define_metric("*", step_metric=keys.LABELLED)
        for row in self._missing(run):  # cut off before W&B had written it, or finished while W&B had failed
            self._log(row)

    def _end(self, cycles: pd.DataFrame, curve: Path) -> None:
        import wandb

        info = self._known()
        task, model = _task_and_model(info.config)
        area = aulc(cycles["labelled"], cycles[info.metric])
        self._run.summary.update(
            {
                "aulc": area,
                keys.aulc(task, model): area,
                keys.query_seconds(task, model): float(_query_seconds(cycles).sum()),
                "curve_image": wandb.Image(str(curve)),
            }
        )
        self._run.finish()

    def _start(self, run: RunInfo) -> Any:
        """Return the W&B run, online if that works."""
        mode = self._mode
        if mode == "online" and not has_key():
            log.warning("W&B: no API key (%s or `wandb login`), so this run is logged offline", KEY_VARIABLE)
            mode = "offline"
        if mode == "online":
            from wandb.errors import CommError

            try:
                return self._init(run, mode)
            except CommError as error:  # no network, or a server that does not answer
                log.warning("W&B: %s; this run is logged offline", without_key(error))
        return self._init(run, "offline")

    def _init(self, run: RunInfo, mode: str) -> Any:
        import wandb

        config = run.config
        task, model = _task_and_model(config)
        strategy, split, seed = config["strategy"]["name"], config["seeds"]["split"], config["seed"]
        return wandb.init(
            project=self._project,
            entity=self._entity,
            dir=str(self._folder),
            id=run.identity,
            resume="allow",
            reinit="create_new",
            group=str(config["study"]),
            job_type=task,
            name=f"{task} {model} {strategy} split{split} seed{seed}",
            tags=[model, strategy, f"split{split}", f"seed{seed}"],
            config={key: value for key, value in config.items() if key not in {*NOT_IDENTITY, "cache"}},
            settings=wandb.Settings(
                mode=mode,
                init_timeout=self._timeout,
                silent=True,
                console="off",  # the terminal is the progress bar's
                disable_git=True,  # a remote's address may hold a password
                x_save_requirements=False,
                x_transaction_log_flush_interval=1,  # seconds; of its 15, a kill would leave the last cycles out
            ),
        )

    def _log(self, row: Mapping[str, float]) -> None:
        """Log a row of cycles.csv, with the images that were asked for after it."""
        info, cycle = self._known(), int(row["cycle"])
        task, model = _task_and_model(info.config)
        so_far = pd.DataFrame([done for done in info.store.rows if done["cycle"] <= cycle])
        content: dict[str, Any] = {
            **row,
            keys.curve(task, model): row[info.metric],
            keys.query_seconds(task, model): float(_query_seconds(so_far).sum()),
        }
        queried = [query for query in info.store.queries() if query["cycle"] == cycle + 1]
        if queried:
            content[keys.QUERIED] = _table(queried, info.pixels if self._pictures else None)
        # At a step below the last one W&B drops a row; with commit it holds none back until the next one comes.
        step = max(int(row["labelled"]), self._next_step)
        self._run.log(content, step=step, commit=True)
        self._next_step = step + 1

    def _missing(self, run: RunInfo) -> list[Row]:
        """Return the finished cycles that are neither with the server nor in a file for `wandb sync`."""
        rows, version = run.store.rows, self.version
        assert version is not None
        if self._run.resumed:
            # The last step is above the last labelled count where `wandb sync` has met a step twice.
            last = self._run.starting_step - 1
            uploaded = min(last, int(self._run.summary.get(keys.LABELLED, last)))
            rows = [row for row in rows if row["labelled"] > uploaded]
        held = held_rows(self._folder / "wandb", version, self._project, self._entity)
        return [row for row in rows if not any(says_the_same(there, row) for there in held)]

    def _known(self) -> RunInfo:
        assert self._info is not None, "begin() comes first"
        return self._info

    def _try(self, work: Callable[[], None]) -> None:
        """Do some work with W&B; say once what went wrong, and do without W&B from then on.

        The one place where any exception is caught: W&B is another program, a network and a server, which fail
        in ways that nobody can list, and hours of training must not be lost to a picture of them.
        """
        if self._given_up:
            return
        try:
            work()
        except Exception as error:
            self._given_up = True
            log.warning(
                "W&B failed and is left out from here on (%s: %s)", type(error).__name__, without_key(error)
            )


def _task_and_model(config: Mapping[str, Any]) -> tuple[str, str]:
    return str(config["task"]["name"]), str(config["model"]["name"])


def _query_seconds(cycles: pd.DataFrame) -> pd.Series[float]:
    return cycles["infer_s"] + cycles["select_s"]


def _table(queried: Sequence[Query], pixels: Callable[[str], NDArray[np.uint8]] | None) -> Any:
    """Return the table of a batch; ``pixels`` gives an image by its name, or is None where none is to be shown."""
    import wandb

    fields = ["cycle", "rank", "image", "score", "prediction", "confidence", "label"]
    rows: list[Any] = [
        [
            *(query[name] for name in fields),  # type: ignore[literal-required]
            *([] if pixels is None else [wandb.Image(_small(pixels(query["image"])))]),
        ]
        for query in queried
    ]
    columns = [*fields, *([] if pixels is None else ["picture"])]
    return wandb.Table(columns=columns, data=rows, allow_mixed_types=True)


def _small(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((PICTURE, PICTURE))
    return image
