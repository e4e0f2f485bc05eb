"""The settings of a run as the code behind the door knows them: read and checked once, then never changed.

``runs.run.run`` and ``runs.prepare.check`` are the doors, and ``sweep.compose`` for the cells of a grid; whoever
stands behind them takes ``Settings`` or a part of them, and nobody a DictConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from coilal.active.label_noise import Confusion, LabelNoise
from coilal.common.folder_names import study_name
from coilal.common.types import ImageFormat, Kind, Targets, UserError
from coilal.data.division import Division
from coilal.features import key
from coilal.inspection.line import Inspection
from coilal.run_directory.files import RunName, run_folder
from coilal.runs.rules import checked

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from coilal.features.backbone import Pooling
    from coilal.features.boundary import StoragePrecision

Part = TypeVar("Part", bound="DataclassInstance")

Node = Mapping[str, Any]
"""Settings with ``_target_`` that ``common.instantiate`` builds an object from."""


@dataclass(frozen=True)
class Seeds:
    """Number of the split, seeds of the starting set, and of training and the strategy."""

    split: int
    start: int
    train: int


@dataclass(frozen=True)
class Data:
    """Where images and labels come from, how they are stored, and the shares of the split."""

    given: Node
    source: Node
    image: ImageFormat
    split: Mapping[str, Any]


@dataclass(frozen=True)
class Head:
    """Widths of the hidden layers of the trained head, and the dropout of its inputs."""

    hidden: tuple[int, ...]
    dropout: float


@dataclass(frozen=True)
class OptimizerSettings:
    """Learning rates of the head and of the backbone's trained part, and the weight decay of both."""

    lr_head: float
    lr_backbone: float
    weight_decay: float


@dataclass(frozen=True)
class Model:
    """The backbone, its weights and cut, and the head.

    Attributes:
        given: all settings of the model as they were given, those of your own included; see ``features.key``.
        trainable: ``head``, ``all`` or a number of blocks; see ``features.backbone.Backbone``.
    """

    given: Node
    name: str
    hub: str | None
    weights: str | None
    trunk: Node
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    pooling: Pooling
    trainable: str | int
    batch_size: int
    compile: bool
    head: Head
    optimizer: OptimizerSettings

    @property
    def trains_the_head_alone(self) -> bool:
        """Whether nothing of the backbone is trained."""
        return self.trainable == "head"


@dataclass(frozen=True)
class TaskSettings:
    """What is learnt, and the task whose selection is replayed, or None."""

    name: str
    replay: Kind | None
    lr_scale: float
    module: Node


@dataclass(frozen=True)
class Cache:
    """Where and how decoded images and outputs are kept; see ``features.boundary.CacheSettings``."""

    dir: str
    precision: StoragePrecision
    max_gb: float | None
    memory_gb: float


@dataclass(frozen=True)
class AugmentationSettings:
    """How views differ from the images; see ``features.augment.Augmentation``."""

    views: int
    shift: float
    brightness: float
    contrast: float
    horizontal_flip: bool


@dataclass(frozen=True)
class ChosenOn:
    """What a search has chosen hyperparameters on.

    Attributes:
        source: which hyperparameters, as ``Hparams.source``: files of values lie over one another.
        split: number of the split.
        division: ``data.split``; None: the data gave the split.
        labels: digest of labels, and
        groups: of groups; see ``DataRecord.aspects``.
    """

    source: str
    split: int
    division: Mapping[str, Any] | None
    labels: str
    groups: str


@dataclass(frozen=True)
class Hparams:
    """Where hyperparameters come from, the images that they were found on, whether those matter, and the split."""

    source: str
    data: str | None = None
    any_data: bool = False
    chosen_on: ChosenOn | None = None


@dataclass(frozen=True)
class OracleSettings:
    """How often, and as what, the simulated oracle tells a wrong label; see ``active.label_noise``."""

    error_rate: float = 0.0
    confusion: Confusion | None = None

    @property
    def errs(self) -> bool:
        """Whether it may tell a wrong label."""
        return self.error_rate > 0 or bool(self.confusion)

    def of(self, targets: Targets, seed: int) -> LabelNoise | None:
        """Return what makes an oracle err in data with these classes or labels, None where it never does.

        Raises:
            UserError: ``oracle.confusion`` names others, or sums to more than 1.
        """
        if not self.errs:
            return None
        return LabelNoise(targets.names, targets.kind, self.error_rate, self.confusion, seed)


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        config: all of them as config.yaml keeps them, references resolved.
        split: number of the split.
        division: which of the possible divisions of the data that is.
        score_validation: true, false or ``auto``; see ``conf/train.yaml``.
        inspection: how a line decides; runs stored by earlier versions have no such settings.
        loggers: one for each place besides the run directory that metrics go to.
        overrides: the settings as they were typed on the command line, () where there was none.
    """

    config: Mapping[str, Any]
    study: str
    split: int
    division: Division
    seed: int
    seeds: Seeds
    outputs: Path
    records: Path
    force: bool
    tf32: bool
    score_validation: bool | str
    inspection: Inspection
    data: Data
    model: Model
    task: TaskSettings
    strategy: Node
    budget: Node
    oracle: OracleSettings
    trainer: Node
    loggers: tuple[Node, ...]
    hparams: Hparams
    cache: Cache
    augmentation: AugmentationSettings
    overrides: tuple[str, ...]

    @classmethod
    def of(cls, cfg: DictConfig) -> Settings:
        """Return the settings of a composed configuration, if each of them can be used.

        Raises:
            UserError: lists what is missing or cannot be used; see ``runs.rules.checked`` and ``Division.of``.
        """
        config = checked(cfg)
        data, split = _data(config), _split(config)
        return cls(
            config=config,
            study=study_name(_at(config, "study")),  # a number, where one was typed
            split=split,
            division=Division.of(data.split, split),
            seeds=_part(Seeds, config, "seeds"),
            outputs=Path(_at(config, "outputs")),
            records=Path(_at(config, "records")),
            data=data,
            model=_model(config),
            task=_part(TaskSettings, config, "task"),
            loggers=tuple((config.get("logger") or {}).values()),
            hparams=_hparams(config),
            oracle=_part(OracleSettings, {"oracle": {}, **config}, "oracle"),
            inspection=Inspection(**config.get("inspection", {})),
            cache=_part(Cache, config, "cache"),
            augmentation=_augmentation(config),
            overrides=tuple(HydraConfig.get().overrides.task) if HydraConfig.initialized() else (),
            **{name: _at(config, name) for name in ("seed", "force", "tf32", "score_validation")},
            **{name: _at(config, name) for name in ("strategy", "budget", "trainer")},
        )

    def folder(self, task: str | None = None) -> Path:
        """Return the run directory; with ``task``, that of the run which differs in its task alone."""
        return run_folder(self.outputs / self.study, self.run_name(task))

    def run_name(self, task: str | None = None) -> RunName:
        """Return what the run is called by, within its study; with ``task``, as ``folder``."""
        names = (task or self.task.name, self.model.name, self.strategy["name"])
        return RunName(*names, split=self.split, seed=self.seed)

    def title(self) -> str:
        """Return what is run, for people; split 0 is named where its division is made for several."""
        several = self.split or self.division.folds or self.division.by
        split = (f"split {self.split}",) if several else ()
        return " · ".join((self.kind(), self.strategy["name"], *split, f"seed {self.seed}"))

    def kind(self) -> str:
        """Return task and model, for people."""
        return f"{self.task.name} · {self.model.name}"

    def features(self) -> list[Any]:
        """Return what stored outputs depend on, as far as the settings alone tell."""
        return [self.data.given, key.of_settings(self.model.given), self.trainer["precision"]]


def _split(config: Mapping[str, Any]) -> int:
    """Return the number of the split; settings stored by earlier versions have ``seeds.split`` alone.

    Raises:
        UserError: they contradict each other.
    """
    drawn: int = _at(config, "seeds.split")
    number: int = config.get("split", drawn)
    if number != drawn:
        raise UserError(
            f"split is {number} and seeds.split {drawn}: give split={drawn} alone, which names the directory, too."
        )
    return number


def _data(config: Mapping[str, Any]) -> Data:
    image, split = _at(config, "data.image"), _at(config, "data.split")
    return Data(_at(config, "data"), _at(config, "data.source"), ImageFormat.of(image), split)


def _model(config: Mapping[str, Any]) -> Model:
    own = ("trunk", "name", "pooling", "trainable", "batch_size", "compile")
    mean, std = (config["model"]["normalisation"].get(name) for name in ("mean", "std"))
    return Model(
        given=config["model"],
        hub=config["model"].get("hub"),
        weights=config["model"].get("weights"),
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        head=Head(tuple(_at(config, "model.head.hidden")), _at(config, "model.head.dropout")),
        optimizer=_part(OptimizerSettings, config, "model.optimizer"),
        **{name: _at(config, f"model.{name}") for name in own},
    )


def _hparams(config: Mapping[str, Any]) -> Hparams:
    given = _part(Hparams, config, "hparams")
    chosen = None if given.chosen_on is None else _part(ChosenOn, config, "hparams.chosen_on")
    return replace(given, chosen_on=chosen)


def _augmentation(config: Mapping[str, Any]) -> AugmentationSettings:
    known = [field.name for field in fields(AugmentationSettings)]
    if unknown := [name for name in _at(config, "augmentation") if name not in known]:
        raise UserError(f"augmentation has no setting {', '.join(unknown)}; it has {', '.join(known)}")
    return _part(AugmentationSettings, config, "augmentation")


def _part(kind: type[Part], config: Mapping[str, Any], section: str) -> Part:
    """Return a section of the settings; what else stands there is for nobody here."""
    given = _at(config, section)
    names = [field.name for field in fields(kind) if field.name in given or field.default is MISSING]
    return kind(**{name: _at(config, f"{section}.{name}") for name in names})


def _at(config: Mapping[str, Any], dotted: str) -> Any:
    """Return a setting by its dotted key.

    Raises:
        UserError: there is none.
    """
    value: Any = config
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise UserError(f"settings that cannot be used:\n  {dotted} is missing")
        value = value[part]
    return value
