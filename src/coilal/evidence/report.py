"""Writes the report of one or several studies from their run directories."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from joblib import cpu_count
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from coilal.common.signals import in_pool_process, pool_of_processes
from coilal.common.types import UserError
from coilal.evidence import words
from coilal.evidence.across import across_sections
from coilal.evidence.analysis import analyse
from coilal.evidence.answer import answer
from coilal.evidence.comparison import Comparison, compare
from coilal.evidence.desk import Desk, Images, write_table
from coilal.evidence.headline import headline
from coilal.evidence.labelling import Session, measured_seconds
from coilal.evidence.page import Chapter, render
from coilal.evidence.plots import looks_of
from coilal.evidence.reading import Finding, Run, find_studies, read_runs
from coilal.evidence.report_settings import ReportSettings
from coilal.evidence.sections import labelling_section, sections
from coilal.run_directory.files import write_atomically
from coilal.run_directory.learning_curve import Look, readable

ImagesOf = Callable[[Run], Images]
"""Gives the data set of a run; raises UserError where it cannot be read."""
FEW = 4
"""Up to so many comparisons are drawn in this process: starting others would take longer."""


@dataclass(frozen=True)
class Job:
    """One comparison to be analysed and drawn, in whatever process."""

    comparison: Comparison
    settings: ReportSettings
    folder: Path
    looks: dict[str, Look]
    images_of: ImagesOf
    several_studies: bool


def write_report(
    outputs: Path,
    studies: Sequence[str],
    out: Path,
    settings: ReportSettings,
    images_of: ImagesOf,
    known: Sequence[Finding] = (),
) -> tuple[Path, list[Finding]]:
    """Read the runs of the studies and write the report.

    Args:
        outputs: folder of all studies.
        studies: names of the studies.
        out: where the report is written.
        settings: how runs are compared.
        images_of: gives the images; with several comparisons it must be picklable.
        known: what is to be said besides what the run directories show.

    Returns:
        The page, and what its reader must know about the runs.

    Raises:
        UserError: there are no runs, or none that is finished.
    """
    folders = find_studies(outputs, studies)
    with _progress() as progress:
        reading = progress.add_task("reading runs", total=len(folders))
        runs: list[Run] = []
        findings: list[Finding] = list(known)
        for found in read_runs(folders, settings.column):
            if isinstance(found, Run):
                runs.append(found)
            else:
                findings.append(found)
            progress.advance(reading)
        if not runs:
            reasons = "\n".join(f"  {finding.where}: {finding.what}" for finding in findings[:10])
            raise UserError(f"none of the {words.runs_text(len(folders))} can be used:\n{reasons}")
        people, runs = [run for run in runs if run.is_labelling], [run for run in runs if not run.is_labelling]
        labelled = [Session.of(run) for run in people]
        settings = replace(settings, prices=replace(settings.prices, measured=measured_seconds(labelled)))
        comparisons, mixed = compare(runs, settings.baseline)
        findings += mixed
        looks = looks_of(settings.baseline, {name for c in comparisons for name in (*c.strategies, *c.bounds)})
        jobs = [
            Job(c, settings, out / _folder(c, studies), looks, images_of, len(studies) > 1) for c in comparisons
        ]
        drawing = progress.add_task("comparing and drawing", total=len(jobs))
        chapters = []
        for chapter in _chapters(jobs):
            chapters.append(chapter)
            progress.advance(drawing)
    across = across_sections(comparisons, settings, out) if len(comparisons) > 1 else []
    of_people = [labelling_section(session, out, settings.prices) for session in labelled]
    runs += people
    write_table(out / "findings.csv", pd.DataFrame(findings, columns=["where", "what", "consequence"]))
    write_table(out / "runs.csv", _runs_table(runs, settings))
    page = out / "index.html"
    title = f"Active learning on {words.listed(list(studies))}"
    facts = _facts(runs, settings)
    write_atomically(page, render(title, facts, chapters, of_people, across, findings, settings.baseline))
    return page, findings


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        console=Console(stderr=True),
    )


def _folder(comparison: Comparison, studies: Sequence[str]) -> str:
    path = f"{comparison.task}/{comparison.model}"
    return f"{comparison.study}/{path}" if len(studies) > 1 else path


def _chapters(jobs: Sequence[Job]) -> Iterable[Chapter]:
    workers = min(cpu_count(), len(jobs))
    if len(jobs) <= FEW or workers < 2:
        yield from map(chapter, jobs)
        return
    # spawn: a fork is unsafe beside the threads of the progress bar
    pool = ProcessPoolExecutor(workers, get_context("spawn"), in_pool_process)
    with pool_of_processes(pool):
        yield from pool.map(chapter, jobs)


def chapter(job: Job) -> Chapter:
    """Analyse and draw one comparison."""
    analysis = analyse(job.comparison, job.settings)
    images, reason = _images(job)
    desk = Desk(analysis, job.folder, job.looks, images, reason)
    comparison = job.comparison
    title = f"{comparison.model} · {comparison.task}"
    depth = 3 if job.several_studies else 2
    return Chapter(
        title=f"{comparison.study} · {title}" if job.several_studies else title,
        anchor=comparison.name.replace("/", "-"),
        facts=_chapter_facts(comparison),
        folder=f"{'/'.join(job.folder.parts[-depth:])}/",
        headline=headline(desk),
        answer=answer(analysis),
        sections=sections(desk),
    )


def _images(job: Job) -> tuple[Images | None, str]:
    """Return the data set, or why it cannot be read: the runs may come from another machine."""
    try:
        return job.images_of(job.comparison.any_run), ""
    except UserError as error:
        return None, str(error)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _chapter_facts(comparison: Comparison) -> str:
    run = comparison.any_run
    counted = sorted({words.units_text(comparison.units(runs)) for runs in comparison.runs.values()})
    sizes = [each.status["data"]["split"] for runs in comparison.runs.values() for each in runs.values()]
    pool, test = (_range([size[part] for size in sizes]) for part in ("pool", "test"))
    strategies = words.counted(len(comparison.runs), "strategy", "strategies")
    queries = words.counted(len(run.cycles) - 1, "query", "queries")
    random_weights = " · random weights: says nothing about the model" if run.status["weights"] == "random" else ""
    return (
        f"{strategies}, {' or '.join(counted)}{' each' if len(comparison.runs) > 1 else ''} · "
        f"{run.labelled[0]} to {run.labelled[-1]} labels in {queries} · "
        f"{pool} images in the pool, {test} in the test split{random_weights}"
    )


def _runs_table(runs: Sequence[Run], settings: ReportSettings) -> pd.DataFrame:
    names = ("study", "task", "model", "strategy", "split", "seed")
    return pd.DataFrame(
        [
            {
                **{name: getattr(run, name) for name in names},
                "aulc": math.nan if run.is_labelling else run.aulc(settings.column),
            }
            for run in runs
        ]
    )


def _facts(runs: Sequence[Run], settings: ReportSettings) -> dict[str, str]:
    commits = sorted({str(run.status["git_commit"])[:10] for run in runs})
    compared = {
        "metric": f"{readable(settings.column)} on the test split",
        "baseline": settings.baseline,
        "not worse": f"less than {settings.margin:g} AULC below it",
    }
    return {
        "runs": str(len(runs)),
        **({} if all(run.is_labelling for run in runs) else compared),  # nothing is compared in sessions
        "intervals": words.level(settings.confidence),
        "code": ", ".join(commits),
    }
