"""Settings as they are typed or written in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import optuna
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from coilal.common.cli import conf_folder, explain
from coilal.common.folder_names import study_name
from coilal.common.instantiate import instantiate
from coilal.common.typed import as_typed, passed_over
from coilal.common.types import UserError
from coilal.runs.hparams import ensure_found_on
from coilal.runs.rules import checked
from coilal.runs.settings import Hparams
from coilal.sweep.rows import expand
from coilal.sweep.search.apply import ensure_replaceable
from coilal.sweep.search.space import check_sampler, check_space
from tests.inputs.case import Case

TITLE = "Settings"
PLACE = 40

OWN = ("data=coils", "data.root=somewhere")


def typed(*arguments: str, show: str = "study") -> Callable[[Path], str]:
    """Return what reads a command line as the commands do; it returns the value of a setting."""

    def try_it(_: Path) -> str:
        GlobalHydra.instance().clear()
        given = as_typed(arguments)
        with initialize_config_dir(config_dir=conf_folder()):
            try:
                cfg = compose("train", overrides=given)
            except HydraException as error:
                raise UserError(explain(str(error), given)) from error
        checked(cfg)
        instantiate(cfg.budget)
        return f"{show} is {OmegaConf.select(cfg, show)!r}"

    return try_it


def searched(*arguments: str, sampler: str = "TPESampler") -> Callable[[Path], str]:
    """Return what looks at the space of a search as ``-m hparams_search=…`` does."""

    def try_it(_: Path) -> str:
        groups = {"strategy": "random", "model": "tiny"}
        config = OmegaConf.create({"trainer": {"max_epochs": 10}})
        others = check_space(OverridesParser.create().parse_overrides(list(arguments)), groups, config)
        check_sampler(OmegaConf.create({"_target_": sampler}), {"a": optuna.distributions.FloatDistribution(0, 1)})
        return f"searched, and not written by coilal.tune apply: {', '.join(others)}"

    return try_it


def _said_about(*arguments: str) -> Callable[[Path], str]:
    return lambda _: "; ".join(passed_over(arguments))


def _deleted(_: Path) -> str:
    overrides = OverridesParser.create().parse_overrides(["strategy=random,margin", "~data.source.label_names"])
    return "; ".join(" ".join(cell) for cell in expand([{}], overrides))


def _not_installed(_: Path) -> str:
    there, sys.modules["cmaes"] = sys.modules.get("cmaes"), None  # type: ignore[assignment]
    try:
        return searched(sampler="optuna.samplers.CmaEsSampler")(_)
    finally:
        del sys.modules["cmaes"]
        if there:
            sys.modules["cmaes"] = there


def _better_values(folder: Path) -> str:
    target = folder / "tiny_multiclass.yaml"
    target.write_text("# study s, trial 1 of 20 completed ones of 20\nhparams: {data: 5e2f}")
    ensure_replaceable(target, "5e2f", 4)
    return ""


def _values_of(data: str) -> Callable[[Path], str]:
    hparams = Hparams("own/tiny_multiclass", data)

    def try_it(_: Path) -> str:
        ensure_found_on(hparams, "5e2f")
        return "used"

    return try_it


CASES: list[Case] = [
    Case("`study=2026_11_28` (a number to Hydra)", "read", "study is '2026_11_28'", typed("study=2026_11_28")),
    Case("`study=007`", "read", "study is '007'", typed("study=007")),
    Case("`study=..`, `study=/abs`, `study=a/b`", "refused", "allowed: a name of a folder", typed("study=..")),
    Case(
        "the same for `coilal.status`, `report`, `dashboard`, `tune`",
        "refused",
        "outputs=FOLDER",
        lambda _: study_name("a/b"),
    ),
    Case("`task.name=report`, a folder of another use", "refused", "and not report", typed("task.name=report")),
    Case("`data.root=Müller (neu)`", "refused", "\"data.root='Müller (neu)'\"", typed("data.root=Müller (neu)")),
    Case(
        "`\"data.root='Müller (neu)'\"`",
        "read",
        "is 'Müller (neu)'",
        typed("data=coils", "data.root='Müller (neu)'", show="data.root"),
    ),
    Case(
        "`data.root=My Folder`, not quoted", "refused", "\"data.root='My Folder'\"", typed("data.root=My", "Folder")
    ),
    Case("`data.root=a,b` in a single run", "refused", "\"data.root='a,b'\"", typed("data.root=a,b")),
    Case(
        "`data.source.good_class=01`",
        "read",
        "is '01'",
        typed(*OWN, "data.source.good_class=01", show="data.source.good_class"),
    ),
    Case(
        "`data.source.label_columns=[1,2]`",
        "read",
        "is ['1', '2']",
        typed(*OWN, "data.source.label_columns=[1,2]", show="data.source.label_columns"),
    ),
    Case(
        "`budget.qurey=3` with `data=coils`", "refused", "Did you mean budget.query", typed(*OWN, "budget.qurey=3")
    ),
    Case(
        "`group_pattern=null`",
        "refused",
        "Did you mean data.source.group_pattern",
        typed(*OWN, "group_pattern=null"),
    ),
    Case(
        '`"data.source.label_names={a: b}"`, keys that are not there',
        "refused",
        '"++data.source.label_names={a: b}"',
        typed(*OWN, "data.source.label_names={a: b}"),
    ),
    Case("`+budget.foo=1`", "refused", "has no setting foo", typed("+budget.foo=1")),
    Case("`data.split=0.2`, a section", "refused", "settings of its own", typed("data.split=0.2")),
    Case("`~data.image.size`", "refused", "data.image.size is missing", typed("~data.image.size")),
    Case(
        "`data.source.class_codes=5`",
        "refused",
        "allowed: {KEY: VALUE, …}",
        typed(*OWN, "data.source.class_codes=5"),
    ),
    Case(
        "`budget._target_=coilal.nope`, a class that is not there",
        "refused",
        "cannot be found",
        typed("budget._target_=coilal.nope"),
    ),
    Case(
        "`budget._target_=os.getcwd`, of another package",
        "refused",
        "no other code",
        typed("budget._target_=os.getcwd"),
    ),
    Case(
        "`trainer.devices=7`, more than a run takes",
        "refused",
        "1, auto, or the number of one GPU",
        typed("trainer.devices=7"),
    ),
    Case("`data.split.validation=0`", "refused", "a number above 0 and below 1", typed("data.split.validation=0")),
    Case("`seed=1.5`, `seed=-1`", "refused", "allowed: a whole number from 0", typed("seed=1.5")),
    Case(
        "`seed=1 seed=2`",
        "read, with a line",
        "the last one counts, seed=2",
        _said_about("seed=1", "seed=2"),
    ),
    Case(
        "`budget.labelled=[8,16]` with `budget.query=4`",
        "read, with a line",
        "budget.query does not count",
        _said_about("budget.labelled=[8,16]", "budget.query=4"),
    ),
    Case("`~data.source.label_names` in a grid", "read", "strategy=margin ~data.source.label_names", _deleted),
    Case("`cache.max_gb=choice(null,1)`", "refused", "cache.max_gb=null,1", typed("cache.max_gb=choice(null,1)")),
    Case("a search over `strategy=random,margin`", "refused", "cannot vary it", searched("strategy=random,margin")),
    Case(
        "a search over `data.image.fit=squash,crop`, other images for each trial",
        "refused",
        "compared on the same images",
        searched("data.image.fit=squash,crop"),
    ),
    Case("a search over `seed=1,2`", "refused", "hydra.sweeper.seeds", searched("seed=1,2")),
    Case(
        "`trainer.max_epochs=range(1,4)` in a search",
        "refused",
        '"trainer.max_epochs=int(interval(1,4))"',
        searched("trainer.max_epochs=range(1,4)"),
    ),
    Case(
        "`trainer.max_epochs=interval(1,4)` in a search",
        "refused",
        "would try fractions",
        searched("trainer.max_epochs=interval(1,4)"),
    ),
    Case(
        "a search over `budget.query=8,16`",
        "read, with a line",
        "not written by coilal.tune apply: budget.query",
        searched("budget.query=8,16"),
    ),
    Case(
        "`hydra/sweeper/sampler=grid` with an interval",
        "refused",
        "an interval of them",
        searched(sampler="optuna.samplers.GridSampler"),
    ),
    Case(
        "`hydra/sweeper/sampler=motpe`",
        "refused",
        "no longer part of Optuna",
        searched(sampler="x.raise_motpe_removed"),
    ),
    Case("`hydra/sweeper/sampler=cmaes` without its package", "refused", "needs the package cmaes", _not_installed),
    Case("`coilal.tune apply` over values of more trials", "refused", "replace=true replaces them", _better_values),
    Case("found values, on the images they were found on", "read", "used", _values_of("5e2f")),
    Case("found values, on other images", "refused", "hparams.any_data=true", _values_of("0a1b")),
]
