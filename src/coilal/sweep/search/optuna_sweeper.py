"""A hyperparameter search with Optuna: Hydra's sweeper, made to continue and to run each trial on several seeds."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import Timeout
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl, create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import Trial

from coilal.common.machine import acquired
from coilal.common.typed import quoted
from coilal.common.types import UserError
from coilal.run_directory.files import WAY_OUT
from coilal.runs.rules import checked
from coilal.sweep.search.notes import bury_killed, check_same, finished, readable
from coilal.sweep.search.space import check_sampler, check_space, grid_size, values_given
from coilal.sweep.search.trials import TrialLauncher

log = logging.getLogger(__name__)

# What settings may name as a sampler (Hydra's own list, which it keeps inside a function).
SAMPLERS = ("hydra_plugins.hydra_optuna_sweeper.*", "optuna.samplers.*")


class Search(OptunaSweeperImpl):
    """Proposes trials, has them run by the launcher, and stores them; goes on to the total number of trials.

    Args:
        sampler: settings of the sampler; built when it is known how many trials there are.
        folder: run directories of the trials, ``<folder>/trial<number>``.
        seeds: the runs of a trial.
        settings: those of Hydra's Optuna sweeper.
    """

    def __init__(self, sampler: DictConfig, folder: str, seeds: Sequence[int], **settings: Any) -> None:
        values_given(settings, seeds)
        super().__init__(sampler=None, **settings)
        self.sampler_settings, self.folder, self.seeds = sampler, Path(folder), list(seeds)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        assert self.launcher is not None
        self.trials = TrialLauncher(self.launcher, self.seeds)
        self.launcher = self.trials  # type: ignore[assignment]  # of a launcher the sweeper calls only launch
        self.settings = checked(config)
        own = [f"{key}={self.settings[key]}" for key in ("study", "outputs")]
        self.apply = shlex.join(["python", "-m", "coilal.tune", "apply", *own])

    def sweep(self, arguments: list[str]) -> None:
        """Do the trials that are missing.

        Raises:
            UserError: space or sampler cannot be used, the study was made with other settings, is in use, or no
                trial of it could be completed.
        """
        self._check(arguments)
        optuna.logging.disable_default_handler()  # its lines go where all others go
        optuna.logging.enable_propagation()
        self.folder.mkdir(parents=True, exist_ok=True)
        Path(self.sweep_dir).mkdir(parents=True, exist_ok=True)  # for the sweeper's summary
        try:
            with acquired(self.folder / ".lock", WAY_OUT, timeout=0):
                self._sweep_alone(arguments)
        except Timeout:
            raise UserError(f"another search is working in {self.folder}; wait for it") from None

    def _sweep_alone(self, arguments: list[str]) -> None:
        with readable(str(self.storage)):
            self._go_on(arguments)

    def _go_on(self, arguments: list[str]) -> None:
        study = optuna.create_study(
            study_name=self.study_name,
            storage=self.storage,
            directions=self._get_directions(),  # type: ignore[arg-type]
            load_if_exists=True,
        )
        check_same(study, self._description(arguments))
        if killed := bury_killed(study):
            log.info("left unfinished, and not counted: trial %s", ", ".join(map(str, killed)))
        total, done = min(self.n_trials, self.most), finished(study)
        self.n_trials = max(0, int(total) - done)
        if self.n_trials == 0:
            log.info("all %d trials of %s are done; hydra.sweeper.n_trials=… asks for more", total, self.storage)
        else:
            log.info("%d of %d trials are done, %d to do", done, total, self.n_trials)
            self.sampler = self._sampler(len(study.trials))
            # The sweeper would take what the command line fixes for a part of the grid.
            kept = {name: values for name, values in (self.params or {}).items() if name not in self.fixed}
            self.params = OmegaConf.create(kept)
            try:
                super().sweep(arguments)
            except ValueError as error:
                if not _completed(study):
                    raise UserError(f"no trial of {self.storage} could be completed; see above") from error
                raise
        if best := _completed(study):
            log.info(
                "best of %d completed trials: %s; %s takes it over", len(best), study.best_trial.number, self.apply
            )

    def _check(self, arguments: list[str]) -> None:
        """Refuse what cannot work, before anything is made."""
        assert self.config is not None
        self._process_searchspace_config()
        given = [*self._parse_sweeper_params_config(), *arguments]
        groups = self.config.hydra.runtime.choices
        others = check_space(OverridesParser.create().parse_overrides(given), groups, self.config)
        if others:
            log.info("%s: no hyperparameters, so that coilal.tune apply will not write them", ", ".join(others))
        space, fixed, _ = create_params_from_overrides(given)
        self.fixed = set(fixed)
        space = {name: kind for name, kind in space.items() if name not in fixed}
        check_sampler(self.sampler_settings, space)
        self.most = grid_size(self.sampler_settings, space)

    def _sampler(self, trials: int) -> Any:
        """Return the sampler. With the same seed again it would propose again what it proposed at the start."""
        seed = self.sampler_settings.seed
        changed = {} if seed is None else {"seed": seed + trials}
        return instantiate(self.sampler_settings, _execution_whitelist_=SAMPLERS, **changed)

    def _description(self, arguments: list[str]) -> dict[str, Any]:
        """Return all that makes two searches the same: settings, space, fixed values and seeds."""
        space, given, _ = create_params_from_overrides([*self._parse_sweeper_params_config(), *arguments])
        return {
            "settings": self.settings,
            "space": {name: distribution_to_json(kind) for name, kind in space.items() if name not in given},
            "fixed": {name: value for name, value in given.items() if name in (self.params or {})},
            "seeds": self.seeds,
        }

    def _configure_trials(
        self,
        trials: list[Trial],
        search_space_distributions: dict[str, BaseDistribution],
        fixed_params: dict[str, Any],
        fixed_overrides: list[str],
    ) -> Sequence[Sequence[str]]:
        """Return the overrides of the proposed trials, each with a study directory of its own."""
        overrides = super()._configure_trials(trials, search_space_distributions, fixed_params, fixed_overrides)
        names = [f"trial{trial.number:04}" for trial in trials]
        self.trials.proposed = [(trial, self.folder / name) for trial, name in zip(trials, names, strict=True)]
        folder, records = quoted(str(self.folder)), quoted(str(self.folder / ".data"))  # one split for all trials
        return [
            (*given, f"outputs={folder}", f"study={name}", f"records={records}")
            for given, name in zip(overrides, names, strict=True)
        ]


def _completed(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
