"""Write the report of a study: the answer in words, figures, tables.

python -m coilal.report study=NAME
python -m coilal.report study=[tile,pcb]
python -m coilal.report --help
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import yaml
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from coilal.common.cli import conf_folder, run_main, shows_errors
from coilal.common.folder_names import study_names
from coilal.common.instantiate import instantiate
from coilal.common.machine import ensure_writable
from coilal.common.types import DataSource, ImageFormat, Samples
from coilal.evidence.reading import LEFT_OUT, Finding, Run, place
from coilal.evidence.report import write_report
from coilal.evidence.report_settings import Prices, ReportSettings
from coilal.sweep.book import damaged_launches, read_launches
from coilal.sweep.states import states, study_cells

log = logging.getLogger(__name__)

THUMBNAIL = 160  # pixels of the longer side


@dataclass(frozen=True)
class DataImages:
    """Groups and thumbnails of the images of a data source."""

    source: DataSource
    samples: Samples
    image: ImageFormat

    @cached_property
    def groups(self) -> Mapping[str, str]:
        """Return image name → group."""
        return dict(zip(self.samples.names, self.samples.groups, strict=True))

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {name: i for i, name in enumerate(self.samples.names)}

    def thumbnails(self, names: Sequence[str]) -> Sequence[NDArray[np.uint8]]:
        """Return small images, uint8 (H, W) or (H, W, 3)."""
        part = self.samples.subset(np.array([self._ids[name] for name in names]))
        with tempfile.TemporaryDirectory() as folder:
            pixels = np.array(self.source.decode(part, self.image, Path(folder)).pixels)
        return [np.moveaxis(image, 0, -1).squeeze() for image in pixels]


def images_of(run: Run) -> DataImages:
    """Return the images of a run's data set.

    Raises:
        UserError: they cannot be read.
    """
    settings: Any = yaml.load((run.folder / "config.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)[
        "data"
    ]
    source: DataSource = instantiate(settings["source"])
    samples = source.read()
    image = ImageFormat.of(settings["image"])
    scale = min(1.0, THUMBNAIL / max(image.size))
    size = (round(image.size[0] * scale), round(image.size[1] * scale))
    limits = run.status["data"].get("range")
    if limits is not None:  # that of all images; range=auto would be decided over those that are shown
        image = replace(image, range=(float(limits[0]), float(limits[1])))
    return DataImages(source, samples, replace(image, size=size))


def settings_of(cfg: DictConfig) -> ReportSettings:
    """Return the settings of the report.

    Raises:
        UserError: one of them makes no sense.
    """
    values: Any = OmegaConf.to_container(cfg.compare, resolve=True)
    prices: Any = OmegaConf.to_container(cfg.prices, resolve=True)
    lists = {"targets", "target_shares", "what_if"}

    def plain(node: dict[str, Any]) -> dict[str, Any]:
        return {key: tuple(value) if key in lists else value for key, value in node.items()}

    return ReportSettings(**plain(values), prices=Prices(**plain(prices)))


def without_directory(outputs: Path, studies: Sequence[str]) -> list[Finding]:
    """Return the cells of grids that left no run directory: they failed at the start, or never began."""
    cells = [cell for study in studies for cell in study_cells(outputs / study, read_launches(outputs / study))]
    damaged = [
        Finding(str(study), what, LEFT_OUT) for study in studies for what in damaged_launches(outputs / study)
    ]
    found = states(cell for cell in cells if not cell.folder.is_dir()).values()
    return damaged + [
        Finding(
            place(cell.cell.folder), f"launched, but there is no run directory ({cell.state}: {cell.why})", LEFT_OUT
        )
        for cell in found
    ]


@hydra.main(config_path=conf_folder(), config_name="report")
@shows_errors
def main(cfg: DictConfig) -> None:
    """Write the report that the settings describe."""
    studies = study_names(cfg.study)
    outputs = Path(cfg.outputs)
    out = Path(cfg.out) if cfg.out else outputs / "+".join(studies) / "report"
    logging.getLogger("coilal.data").setLevel(logging.WARNING)  # thumbnails are no news
    ensure_writable(out, "Give another folder with out=FOLDER.")
    known = without_directory(outputs, studies)
    page, findings = write_report(outputs, studies, out, settings_of(cfg), images_of, known)
    for finding in findings:
        log.warning("%s: %s; %s", finding.where, finding.what, finding.consequence)
    log.info("report: %s", page)


if __name__ == "__main__":
    run_main(main, "report")
