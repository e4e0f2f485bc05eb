"""Types and ranges of the settings: what is refused before anything is loaded or written.

What depends on the data, the model or another setting is checked where it is used. The trainer's own settings
are Lightning's, except those that a run relies on.

No library does it: groups of settings are open to a user's own, so that OmegaConf's structured configs, which also
know no ranges and stop at the first fault, fit none of them, and of pydantic nothing but a wrapper around functions
as those below would be used, its messages rewritten.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from coilal.common import folder_names
from coilal.common.types import UserError
from coilal.run_directory.identity import flatten


@dataclass(frozen=True)
class Rule:
    """What a setting may be.

    Attributes:
        allowed: the values that fit, in words.
        fits: whether a value is one of them.
    """

    allowed: str
    fits: Callable[[Any], bool]


def whole(least: int, most: int | None = None) -> Rule:
    """Return the rule of a whole number; true and false are none."""

    def fits(value: Any) -> bool:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return is_whole and value >= least and (most is None or value <= most)

    return Rule(
        f"a whole number, {least} or more" if most is None else f"a whole number from {least} to {most}", fits
    )


def number(least: float, below: float = math.inf) -> Rule:
    """Return the rule of a finite number."""

    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < below

    return Rule(f"a number, {least} or more" + ("" if below == math.inf else f" and below {below}"), fits)


def above(least: float, below: float) -> Rule:
    """Return the rule of a number between two others."""

    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least < value < below

    return Rule(f"a number above {least} and below {below}", fits)


def between(least: float, most: float) -> Rule:
    """Return the rule of a number from one to another, both allowed."""

    def fits(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

    return Rule(f"a number from {least} to {most}", fits)


def _shown(value: Any) -> str:
    """Return a value as it is written in YAML and on the command line."""
    return f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)


def one_of(*choices: str | bool) -> Rule:
    """Return the rule of a choice; 1 is not true."""
    words = [_shown(choice) if isinstance(choice, bool) else choice for choice in choices]

    def fits(value: Any) -> bool:
        return any(value == choice and type(value) is type(choice) for choice in choices)

    return Rule(f"{', '.join(words[:-1])} or {words[-1]}", fits)


def list_of(item: Rule, length: int | None = None) -> Rule:
    """Return the rule of a list, of a given length or any."""

    def fits(value: Any) -> bool:
        return isinstance(value, list) and length in (None, len(value)) and all(map(item.fits, value))

    return Rule(f"a list of {'any length' if length is None else length}, each {item.allowed}", fits)


def or_null(rule: Rule) -> Rule:
    """Return a rule that allows null as well."""
    return Rule(f"{rule.allowed}, or null", lambda value: value is None or rule.fits(value))


def one_or_more(item: Rule) -> Rule:
    """Return the rule of one thing or a list of them."""
    several = list_of(item)
    return Rule(f"{item.allowed}, or a list of them", lambda value: item.fits(value) or several.fits(value))


def mapping_of(item: Rule) -> Rule:
    """Return the rule of keys that all have values of one kind."""

    def fits(value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(item.fits, value.values()))

    return Rule(f"{{KEY: VALUE, …}}, each VALUE {item.allowed}", fits)


def list_of_channels(least: float, words: str) -> Rule:
    """Return the rule of a number for each channel of an image, or one for all."""

    def fits(value: Any) -> bool:
        numbers = isinstance(value, list) and all(isinstance(v, int | float) and v is not True for v in value)
        return numbers and len(value) in (1, 3) and all(least <= v <= 1 for v in value)

    return Rule(
        f"a list of 1 or 3 numbers, each {words}, as [0.45] (images count from 0, black, to 1, white)", fits
    )


def _is_separator(value: Any) -> bool:
    return isinstance(value, str) and (len(value) == 1 or value == r"\t")


TEXT = Rule("text (in a file, a number in quotes: '123')", lambda value: isinstance(value, str) and value != "")
SWITCH = one_of(True, False)
NUMBER_OR_TEXT = Rule(
    "text or a number",
    lambda value: isinstance(value, str | int | float) and not isinstance(value, bool) and value != "",
)
NAME = Rule(folder_names.ALLOWED, folder_names.fits)
COLUMN = or_null(one_or_more(TEXT))
SHARE = above(0, below=1)  # no run can do without a validation or a test split
PRECISION = Rule(
    "32-true, bf16-mixed or, on a GPU, 16-mixed (head, loss and logits are float32 in each)",
    lambda value: str(value) in ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16"),
)


def _is_range(value: Any) -> bool:
    if value in ("auto", "dtype"):
        return True
    return list_of(number(-math.inf), 2).fits(value) and -math.inf < value[0] < value[1]


def _is_chosen_on(value: Any) -> bool:
    texts, shares = ("source", "labels", "groups"), ("validation", "test")
    if not isinstance(value, Mapping) or not whole(0).fits(value.get("split")):
        return False
    division = value.get("division")
    drawn = isinstance(division, Mapping) and all(number(0, below=1).fits(division.get(key)) for key in shares)
    return (division is None or drawn) and all(TEXT.fits(value.get(key)) for key in texts)


def _is_one_device(value: Any) -> bool:
    return (value in (1, "1", "auto") and value is not True) or list_of(whole(0), 1).fits(value)


ONE_DEVICE = Rule("1, auto, or the number of one GPU in brackets, as [0]; a run takes one", _is_one_device)
PIXEL_RANGE = Rule("auto, dtype or two numbers, the smaller first, as in [0,4095]", _is_range)

RULES: Mapping[str, Rule] = {
    "force": SWITCH,
    "score_validation": one_of("auto", True, False),
    "inspection.overkill": number(0, below=100),
    "inspection.top": whole(1),
    "outputs": TEXT,
    "records": TEXT,
    "study": NAME,
    "split": whole(0, 2**32 - 1),
    "seed": whole(0, 2**32 - 1),
    "seeds.split": whole(0, 2**32 - 1),
    "seeds.start": whole(0, 2**32 - 1),
    "seeds.train": whole(0, 2**32 - 1),
    "data.root": TEXT,
    "data.labels": or_null(TEXT),
    "data.split.validation": SHARE,
    "data.split.test": SHARE,
    "data.split.folds": or_null(whole(2)),
    "data.split.by": or_null(TEXT),
    "data.image.size": list_of(whole(8, 16384), 2),  # others are typing errors: no network sees a fault in them
    "data.image.fit": one_of("squash", "crop", "letterbox"),
    "data.image.mode": one_of("L", "RGB"),
    "data.image.range": PIXEL_RANGE,
    "data.image.page": or_null(whole(1)),
    "data.source.coils": whole(1, 999),
    "data.source.bobbins": whole(1, 3),
    "data.source.lightings": whole(1, 3),
    "data.source.images_per_coil": whole(4, 960),
    "data.source.seed": whole(0),
    "data.source.separator": Rule("one character in quotes, as ';', or '\\t' for a tab", _is_separator),
    "data.source.group_pattern": or_null(TEXT),
    "data.source.image_column": one_or_more(TEXT),
    "data.source.class_column": COLUMN,
    "data.source.group_column": COLUMN,
    "data.source.doubt_column": COLUMN,
    "data.source.label_columns": COLUMN,
    "data.source.ignored_columns": list_of(TEXT),
    "data.source.good_class": COLUMN,
    "data.source.label_names": or_null(mapping_of(NUMBER_OR_TEXT)),
    "data.source.class_codes": or_null(mapping_of(mapping_of(list_of(TEXT)))),
    "hparams.data": or_null(TEXT),
    "hparams.any_data": SWITCH,
    "hparams.chosen_on": or_null(
        Rule(
            "what coilal.tune apply writes: {source: TEXT, split: NUMBER, labels: TEXT, groups: TEXT, division: "
            "null or {validation: SHARE, test: SHARE, …}}",
            _is_chosen_on,
        )
    ),
    "model.name": NAME,
    "data.source.split_column": COLUMN,
    "data.source.attribute_column": or_null(TEXT),
    "data.source.split_folders": one_of("auto", True, False),
    "data.source.unlabelled": one_of("drop", "error", "pool"),
    "data.source.similar_names": one_of("error", "merge", "keep"),
    "data.source.no_value": list_of(TEXT),
    "model.normalisation.mean": or_null(list_of_channels(0, "from 0 to 1")),
    "model.normalisation.std": or_null(list_of_channels(1e-6, "above 0 and up to 1")),
    "model.compile": SWITCH,
    "model.batch_size": whole(1),
    "model.head.hidden": list_of(whole(1)),
    "model.head.dropout": number(0, below=1),
    "model.optimizer.lr_head": number(0),
    "model.optimizer.lr_backbone": number(0),
    "model.optimizer.weight_decay": number(0),
    "task.name": Rule(
        f"{folder_names.ALLOWED}, and not {' or '.join(folder_names.TAKEN)}",
        lambda value: folder_names.fits(value) and value not in folder_names.TAKEN,
    ),
    "task.lr_scale": number(0),
    "strategy.name": NAME,
    "strategy.per_group": or_null(whole(1)),
    "strategy.groups": or_null(whole(1)),
    "strategy.passes": whole(2),
    "strategy.dropout": number(0, below=1),
    "strategy.query.typical": whole(0),
    "budget.initial": whole(0),
    "budget.query": whole(0),
    "budget.cycles": whole(0),
    "budget.start": NAME,
    "budget.ahead": whole(0),
    "budget.labelled": list_of(whole(1)),
    "oracle.error_rate": between(0, 1),
    "oracle.confusion": or_null(mapping_of(mapping_of(between(0, 1)))),
    "label.classes": list_of(NUMBER_OR_TEXT),
    "label.audit": whole(0),
    "label.reask": number(0, below=1),
    "label.show_guess": SWITCH,
    "label.host": TEXT,
    "label.port": whole(0, 65535),
    "label.open": SWITCH,
    "label.least_gain": above(0, 1),
    "label.error": number(0),
    "label.decisions": whole(1),
    "label.annotator_hour": or_null(above(0, math.inf)),
    "label.currency": TEXT,
    "trainer.max_epochs": whole(1),
    "trainer.precision": PRECISION,
    "trainer.devices": ONE_DEVICE,
    "tf32": SWITCH,
    "cache.dir": TEXT,
    "cache.max_gb": or_null(number(0)),
    "cache.memory_gb": number(0),
    "augmentation.views": whole(0),
    "augmentation.shift": number(0, below=1),
    "augmentation.brightness": number(0, below=1),
    "augmentation.contrast": number(0, below=1),
    "augmentation.horizontal_flip": SWITCH,
}
"""The rule of each setting by its dotted key; settings that are not here are checked where they are used."""


SECTIONS = (
    "data",
    "data.source",
    "model.trunk",
    "task.module",
    *sorted({key.rpartition(".")[0] for key in RULES} - {"", "label"}),
)
"""Settings that hold others."""
OPTIONAL = (
    *("split", "data.split.folds", "data.split.by"),
    *("data.root", "data.labels", "data.source", "data.image.range", "data.image.page"),
    *("strategy.passes", "strategy.dropout", "strategy.query"),
    *("budget", "hparams", "oracle", "inspection", "label", "trainer.devices"),
)
"""Settings that only some choices of a group have, or that have a default elsewhere, with what they hold."""


SECRET = re.compile(r"(^|[._])(api_?key|token|password|secret)$", re.IGNORECASE)
"""Names of settings that are passwords of some kind."""
ASSIGNED = re.compile(r"(api_?key|token|password|secret)=(?![$\s])", re.IGNORECASE)
"""A password in a line of shell, as launchers have them; one that is read there, A=$(cat FILE), is none."""


def checked(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings with all references resolved, without Hydra's own, if each of them can be used.

    Raises:
        UserError: lists every setting that is missing or breaks its rule, with its value and what is allowed; or
            a setting is a secret, which is not shown.
    """
    config = resolved(cfg)
    flat = flatten(config)
    refuse_secrets(flat)
    flat |= _mappings(config)
    wrong = _no_sections(config) or _without_repeated(_broken_rules(flat), cfg)
    if wrong:
        raise UserError("settings that cannot be used:\n  " + "\n  ".join(wrong))
    return config


def _broken_rules(flat: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with each setting that is missing or breaks its rule, by its dotted key."""
    return {
        key: f"{key} is {_shown(flat[key])}; allowed: {rule.allowed}" if key in flat else f"{key} is missing"
        for key, rule in RULES.items()
        if (key in flat or not _optional(key)) and not rule.fits(flat.get(key))
    }


def _without_repeated(broken: Mapping[str, str], cfg: DictConfig) -> list[str]:
    """Leave out settings that say what another one says, as ``seeds.start: ${seed}`` does."""
    if not broken:
        return []
    written = as_written(cfg)
    return [what for key, what in broken.items() if str(written.get(key)).strip("${}") not in RULES]


def _optional(key: str) -> bool:
    return any(f"{key}.".startswith(f"{name}.") for name in OPTIONAL)


def _mappings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by dotted key that have a rule as a whole, which a flat list of settings lacks."""
    found: dict[str, Any] = {}
    for key in RULES:
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping):
            found[key] = value
    return found


def _no_sections(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with settings that hold others: one that was replaced by a value or is not there."""
    wrong = []
    for section in dict.fromkeys(SECTIONS):
        value: Any = config
        for part in section.split("."):
            value = value.get(part) if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            example = next(key for key in (*RULES, f"{section}._target_") if key.startswith(f"{section}."))
            wrong.append(f"{section} is {_shown(value)}; allowed: settings of its own, as {example}")
    return wrong


def refuse_secrets(flat: Mapping[str, Any]) -> None:
    """Refuse settings (by dotted key) that are secrets.

    Raises:
        UserError: names the setting, without its value.
    """
    key = os.environ.get("WANDB_API_KEY")
    for name, value in flat.items():
        if SECRET.search(name) or ASSIGNED.search(str(value)) or (key and key in str(value)):
            raise UserError(
                f"{name} holds a secret, and settings are written to files and logs. Give W&B's key with "
                "`wandb login` or in the environment variable WANDB_API_KEY."
            )


def refuse_secret_overrides(overrides: Iterable[str]) -> None:
    """Refuse a command line (``key=value``, Hydra's own settings included) that holds a secret: it is recorded.

    Raises:
        UserError: names the setting, without its value.
    """
    refuse_secrets(dict(override.lstrip("+").split("=", 1) for override in overrides if "=" in override))


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return the settings of the run, without Hydra's own."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings with all references resolved, without Hydra's own.

    Raises:
        UserError: a setting that the user must give is missing.
    """
    try:
        return {str(key): _plain(cfg[key]) for key in cfg if key != "hydra"}
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or str(error)
        raise UserError(f"the setting {key} is needed: give it as {key}=…") from error


def _plain(value: Any) -> Any:
    is_node = OmegaConf.is_config(value)
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if is_node else value


def as_written(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings by dotted key, references as they stand."""
    config = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(config, dict)
    return flatten({str(key): value for key, value in config.items()})
