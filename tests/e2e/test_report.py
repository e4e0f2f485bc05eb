"""The report of whole studies, from run directories to the page."""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from coilal.common.types import UserError
from coilal.evidence.reading import Finding, Run
from coilal.evidence.report import write_report
from coilal.evidence.report_settings import ReportSettings
from tests.commands import command
from tests.conftest import SMALL
from tests.studies import Simulated, write_run, write_study

pytestmark = pytest.mark.slow

SETTINGS = ReportSettings(resamples=200, gallery=2)
FIGURES = {
    "headline", "curves", "curves_other", "difference", "noninferiority", "penalty", "savings", "cost", "recall",
    "escape_overkill", "confusion_margin", "confusion_random", "class_mix", "phases", "batches",
}  # fmt: skip


class FakeImages:
    """Coils as the names say, and grey images."""

    def __init__(self, run: Run) -> None:
        self.groups = {f"Spule{k:03}_Image{i:04}.jpg": f"Spule{k:03}" for k in range(20) for i in range(30)}

    def thumbnails(self, names):
        return [np.full((28, 21), 9 * k, dtype=np.uint8) for k in range(len(names))]


def no_images(run: Run) -> FakeImages:
    raise UserError("the folder /nowhere does not exist")


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))))


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.08, "entropy": 0.0}, range(10)))
    return tmp_path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    """A study of four strategies and ten seeds, and its report with a gallery."""
    folder = tmp_path_factory.mktemp("full")
    effects = {"random": 0.0, "margin": 0.08, "entropy": 0.001, "uncertainty": -0.08}
    write_study(folder / "s", Simulated(effects, range(10), noise=0.01))
    return write_report(folder, ["s"], folder / "r", SETTINGS, FakeImages)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_report_answers_in_words(full: tuple[Path, list[Finding]]) -> None:
    page, findings = full
    text = text_of(page)
    assert findings == []
    answer = text[: text.index("Learning curves")]
    first = text[: text.index("The research questions")]
    assert re.search(
        r"Choosing images with margin is better than with random: macro F1 0\.\d+ takes \d+ labels", first
    )
    assert re.search(r"With 100 labels the model passes faulty test images as good: [\d.]+ % with margin", first)
    assert re.search(r"At the assumed 0\.125 EUR a label margin pays", first)
    for word in ("AULC", "Holm", "κ", "break-even price"):
        assert word in text[text.index("What the words mean") :]
    assert re.search(
        r"margin surpasses random: \+0\.0\d+ AULC \[\+0\.0\d+, \+0\.0\d+\], p < 0\.001, 10 seeds", answer
    )
    assert "uncertainty falls below random: −0.0" in answer
    assert "margin is not worse than random by more than δ = 0.02" in answer
    assert "entropy is not worse than random by more than δ = 0.02" in answer
    assert "Not shown, because the interval reaches below −δ: uncertainty." in answer
    assert re.search(r"entropy: [+−]0\.\d+ AULC .* 10 seeds find a difference of 0\.0\d+ or more", answer)
    assert re.search(r"margin: macro F1 0\.\d+ takes \d+ \[\d+, \d+\] labels, \d+ \[\d+, \d+\] with random", answer)
    assert "Break-even price of a label in EUR" in answer


def test_every_figure_is_there_twice_and_the_page_needs_nothing_else(full: tuple[Path, list[Finding]]) -> None:
    page, _ = full
    folder = page.parent / "multiclass/tiny"
    assert {path.stem for path in folder.glob("*.png")} == {path.stem for path in folder.glob("*.svg")} == FIGURES
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.verify()
    source = page.read_text(encoding="utf-8")
    assert source.count('<img class="drawing"') == len(FIGURES)
    assert source.count("<img ") == len(FIGURES) + 4 * 2 * SETTINGS.gallery, "small images"
    assert len(re.findall(r"<figcaption>[^<]*(?:Conclude|Higher is better)", source)) == len(FIGURES)
    assert not re.search(r'(src|href)="(?!data:|#)', source), "no address outside the page"
    assert "<script" not in source
    for name in ("tests", "aulc", "curves", "difference", "penalty", "savings", "cost", "rare_classes", "phases"):
        assert len(pd.read_csv(folder / f"{name}.csv")) > 0
    assert len(pd.read_csv(page.parent / "runs.csv")) == 40


def test_the_same_runs_give_the_same_bytes(full: tuple[Path, list[Finding]], tmp_path: Path) -> None:
    page, _ = full
    write_report(page.parents[1], ["s"], tmp_path, SETTINGS, FakeImages)
    assert digest(tmp_path) == digest(page.parent)


def test_one_seed_gets_curves_and_no_p_values(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0, "margin": 0.05}, seeds=[0]))
    page, findings = write_report(tmp_path, ["s"], tmp_path / "r", SETTINGS, FakeImages)
    text = text_of(page)
    assert "One seed decides nothing" in text
    assert "one seed only" in text
    assert not re.search(r"\bp [=<]|p Holm|p Wilcoxon", text)
    assert "2 strategies, 1 seed each · 20 to 100 labels in 4 queries" in text
    assert "So few runs give neither bands nor tests." in text
    assert "band" not in text.replace("neither bands nor tests", ""), "there is none"
    assert "tests below" not in text
    assert "intervals of single strategies" not in text
    assert (tmp_path / "r/multiclass/tiny/curves.png").exists()
    assert not (tmp_path / "r/multiclass/tiny/noninferiority.png").exists()
    assert [finding.what for finding in findings] == ["one seed only"]


def test_what_is_wrong_stands_at_the_top(outputs: Path) -> None:
    shutil.rmtree(outputs / "s/multiclass/tiny/random/seed4")
    write_study(outputs / "s", Simulated({"entropy": 0.0}, seeds=[1], overrides={"trainer.max_epochs": 3}))
    (outputs / "s/multiclass/tiny/margin/seed2/cycles.csv").write_text("")
    page, _ = write_report(outputs, ["s"], outputs / "r", SETTINGS, no_images)
    text = text_of(page)
    top = text[: text.index("The answer")]
    for expected in ("random with seed 4", "trainer.max_epochs 3 instead of 50", "cycles.csv is damaged"):
        assert expected in top
    assert "Left out, like the images" in text
    assert "margin surpasses random" in text
    assert ", 8 seeds" in text, "9 of random, without the damaged one of margin"


def test_without_baseline_there_are_curves(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"margin": 0.0, "entropy": 0.1}))
    page, _ = write_report(tmp_path, ["s"], tmp_path / "r", SETTINGS, FakeImages)
    assert "There are no finished runs of random to compare with" in text_of(page)


def test_of_random_alone_the_page_says_once_that_nothing_is_compared(tmp_path: Path) -> None:
    write_study(tmp_path / "s", Simulated({"random": 0.0}, labelled=(20, 40)))
    page, _ = write_report(tmp_path, ["s"], tmp_path / "r", SETTINGS, FakeImages)
    text = text_of(page)
    answers = text[text.index("The research questions") :]
    assert answers.count("There are runs of random only: nothing is compared.") == 1
    assert "RQ2 ·" not in answers
    assert "RQ3 ·" not in answers
    assert "1 strategy, 5 seeds · 20 to 40 labels in 1 query" in text


def test_the_level_of_the_whole_pool_is_drawn(outputs: Path) -> None:
    write_run(outputs / "s/multiclass/tiny/whole_pool/seed0", [600], np.array([0.91]))
    write_report(outputs, ["s"], outputs / "r", SETTINGS, no_images)
    svg = (outputs / "r/multiclass/tiny/curves.svg").read_text()
    assert "whole pool (600 labels" in svg, "matplotlib keeps the text as a comment"


def test_several_studies_are_ranked_over_settings_and_not_over_seeds(tmp_path: Path) -> None:
    effects = {"random": 0.0, "margin": 0.08, "entropy": 0.04}
    for study in ("tile", "pcb"):
        for model in ("a", "b", "c")[: 3 if study == "tile" else 2]:
            write_study(tmp_path / study, Simulated(effects, range(3), [20, 40, 60], model=model))
    page, _ = write_report(tmp_path, ["tile", "pcb"], tmp_path / "r", ReportSettings(resamples=100), no_images)
    text = text_of(page)
    assert "5 settings. Friedman" in text
    assert "With fewer than 10 settings the test is only roughly right" in text
    assert len(pd.read_csv(tmp_path / "r/ranks_multiclass.csv")) == 5
    fewest = pd.read_csv(tmp_path / "r/fewest_labels.csv")
    assert set(fewest["study"]) == {"tile", "pcb"}
    assert fewest.groupby(["study", "target"])["strategy"].first().eq("margin").all()


def test_too_few_settings_are_not_ranked(outputs: Path) -> None:
    write_study(outputs / "s", Simulated({"random": 0.0, "margin": 0.1, "entropy": 0.0}, range(2), model="other"))
    page, _ = write_report(outputs, ["s"], outputs / "r", SETTINGS, no_images)
    assert "There are 2 settings and 3 common strategies: too few to rank" in text_of(page)
    assert not list((outputs / "r").glob("ranks_*"))


def report(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return command("coilal.report", *arguments, cwd=cwd)


def test_an_empty_study_is_an_error_with_code_2(tmp_path: Path) -> None:
    done = report("study=nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert "there are no runs in outputs/nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_reads_real_runs_and_never_loads_torch(tmp_path: Path, cache: Path) -> None:
    grid = ("strategy=random,margin", "seed=0,1", *SMALL, "hydra.launcher.processes=1")
    done = command("coilal.train", "-m", *grid, "study=real", f"cache.dir={cache}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    code = (
        "import sys; sys.argv = ['report', 'study=real', 'compare.resamples=100'];"
        "from coilal.report import main; main(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs/real/report"
    assert (folder / "index.html").exists()
    drawn = {path.stem for path in (folder / "multiclass/tiny").glob("*.svg")}
    unsure = {"cost", "penalty", "curves_other", "recall", "escape_overkill"}
    assert drawn >= FIGURES - unsure, "what is drawn needs a target that is reached, wins, or three cycles"


def test_several_splits_are_the_unit_and_the_first_line_says_what_that_means(
    tmp_path: Path,
) -> None:
    effects, labelled = {"random": 0.0, "margin": 0.08}, (20, 40, 60)
    simulated = Simulated(effects, (0, 1), labelled, splits=(0, 1, 2), split_noise=0.005)
    write_study(tmp_path / "s", simulated)
    page, findings = write_report(tmp_path, ["s"], tmp_path / "r", ReportSettings(resamples=100), no_images)
    text = text_of(page)
    assert findings == []
    assert text.index("This answer is on further coils like these: it rests on 3 splits × 2 seeds") < text.index(
        "RQ1"
    )
    assert "Where the spread of Δ comes from" in text
    assert "p Wilcoxon" not in text
    folder = page.parent / "multiclass/tiny"
    assert (folder / "spread.png").exists()
    table = pd.read_csv(folder / "tests.csv")
    assert table["units"].tolist() == ["3 splits × 2 seeds"]
    assert table["pairs"].tolist() == ["0/0 0/1 1/0 1/1 2/0 2/1"]
    assert pd.read_csv(page.parent / "runs.csv")["split"].tolist() == [0, 0, 1, 1, 2, 2] * 2
