"""Where metrics go besides the run directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from coilal.runs.settings import Settings
from coilal.runs.trainer import build_loggers

Composed = Callable[..., DictConfig]


def test_loggers_write_into_the_run_directory(composed: Composed, tmp_path: Path) -> None:
    settings = Settings.of(composed(f"outputs={tmp_path}", "study=s", "logger=[tensorboard,lightning_csv]"))
    own = tmp_path / "s/multiclass/tiny/entropy/split0/seed0"
    assert [Path(str(each.log_dir)).is_relative_to(own) for each in build_loggers(settings)] == [True, True]


def test_of_a_run_that_an_earlier_version_has_begun_they_go_on_where_it_lies(
    composed: Composed, tmp_path: Path
) -> None:
    earlier = tmp_path / "s/multiclass/tiny/entropy/seed0"
    earlier.mkdir(parents=True)
    (earlier / "status.json").write_text('{"seeds": {"split": 0}}')
    settings = Settings.of(composed(f"outputs={tmp_path}", "study=s", "logger=[tensorboard,lightning_csv]"))
    assert [Path(str(each.log_dir)).is_relative_to(earlier) for each in build_loggers(settings)] == [True, True]
