"""The sections of a report page: figures and tables of one comparison, written as files and kept for the page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from coilal.evidence import labelling, plots, queried, words
from coilal.evidence.analysis import (
    Analysis,
    aulc_table,
    curve_table,
    difference_table,
    peak_memory,
    phase_seconds,
)
from coilal.evidence.comparison import Comparison
from coilal.evidence.cost import Cost
from coilal.evidence.curves import band, difference_curves, mean_curves, plain_curve, whole_pool
from coilal.evidence.penalty import column_means
from coilal.evidence.plots import Curve
from coilal.evidence.reading import Run
from coilal.run_directory.files import write_atomically
from coilal.run_directory.learning_curve import Look, readable

Pixels = NDArray[np.uint8]


class Images(Protocol):
    """The data set that runs were made with, as far as a report needs it."""

    @property
    def groups(self) -> Mapping[str, str]:
        """Return image name → group (coil)."""
        ...

    def thumbnails(self, names: Sequence[str]) -> Sequence[Pixels]:
        """Return small images, uint8 (H, W) or (H, W, 3)."""
        ...


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        name: file name without suffix.
        alt: what is seen, for those who do not see it.
        svg: the figure.
    """

    name: str
    alt: str
    svg: bytes

    @property
    def source(self) -> str:
        """Return the figure as a data address, so that the page needs no other file."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


@dataclass
class Section:
    """A part of a report page.

    Attributes:
        title: heading.
        note: how to read it.
        pictures: figures.
        tables: name and text of each table.
    """

    title: str
    note: str
    pictures: list[Picture] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)


@dataclass(frozen=True)
class Desk:
    """Where the sections of one comparison are made.

    Attributes:
        analysis: the numbers.
        folder: where figures and tables are written.
        looks: strategy → look, the same in the whole report.
        images: the data set, or None where it cannot be read.
        no_images: why it cannot.
    """

    analysis: Analysis
    folder: Path
    looks: Mapping[str, Look]
    images: Images | None
    no_images: str = ""

    @property
    def comparison(self) -> Comparison:
        """Return the runs."""
        return self.analysis.comparison

    def picture(self, name: str, figure: Figure, alt: str) -> Picture:
        """Write a figure and return it for the page."""
        return Picture(name, alt, plots.save(figure, self.folder / name))

    def table(self, name: str, data: pd.DataFrame, shown: pd.DataFrame | None = None) -> tuple[str, pd.DataFrame]:
        """Write a table and return its text for the page."""
        write_table(self.folder / f"{name}.csv", data)
        return name, words.shown(data, {}) if shown is None else shown


def write_table(path: Path, data: pd.DataFrame) -> None:
    """Write a table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data.to_csv(index=False))


def labelling_section(run: Run, folder: Path) -> Section:
    """Return what a labelling session has come to, its figure and table written into a folder."""
    session = labelling.Session.of(run)
    name = f"labelling_{run.task}_{run.model}_{run.strategy}_{run.seed}"
    facts = labelling.facts(session)
    write_table(folder / f"{name}.csv", facts)
    pictures = []
    if session.curve:
        alt = "share of the audit set that the model gets right, against labelled images"
        pictures = [Picture(name, alt, plots.save(labelling.curve_figure(session), folder / name))]
    title = f"{run.study} · {run.model} · {run.task} · {run.strategy}"
    return Section(title, labelling.note(session), pictures, [(name, facts)])


def sections(desk: Desk) -> list[Section]:
    """Return all sections of one comparison; those without data are left out."""
    makers: tuple[Callable[[Desk], Section | None], ...] = (
        _learning_curves,
        _difference,
        _tests,
        _noninferiority,
        _penalty,
        _savings,
        _cost,
        _faults,
        _class_mix,
        _rare,
        _batches,
        _map,
        _gallery,
        _phases,
    )
    with plots.style():
        made = [make(desk) for make in makers]
    return [section for section in made if section is not None]


def _column_panels(desk: Desk, columns: Mapping[str, str]) -> dict[str, dict[str, Curve]]:
    """Return title → strategy → mean over seeds, for columns (title → column) of cycles.csv.

    Without bands: in small panels those of several strategies hide one another.
    """
    return {
        title: {
            name: plain_curve(desk.comparison, desk.comparison.curves(name, column), name)
            for name in desk.comparison.runs
        }
        for title, column in columns.items()
    }


def _learning_curves(desk: Desk) -> Section:
    settings, comparison = desk.analysis.settings, desk.comparison
    areas = aulc_table(comparison, settings.column, settings.confidence)
    curves = mean_curves(comparison, settings)
    name = readable(settings.column)
    line = whole_pool(comparison, settings.column)
    section = Section("Learning curves", "Test metric after each cycle; the small panels show means over seeds.")
    if line is None:
        section.note += (
            " No run has the whole pool labelled: the level that all labels would reach is not known "
            f"(python -m coilal.train … strategy=random strategy.name=whole_pool "
            f"budget.labelled=[{comparison.any_run.pool_size}] adds it)."
        )
    figure = plots.curves_figure(curves, desk.looks, name, band(comparison, settings), line)
    section.pictures.append(desk.picture("curves", figure, f"Learning curves of {', '.join(curves)}: {name}"))
    others = {
        readable(column): column
        for column in comparison.any_run.cycles.columns
        if column.startswith("test/")
        and column.count("/") == 1
        and column != settings.column
        and not column.endswith("_rate")
    }
    if others:
        panels = _column_panels(desk, others)
        figure = plots.panels_figure(panels, desk.looks, "", {})
        section.pictures.append(desk.picture("curves_other", figure, f"Learning curves: {', '.join(others)}"))
    section.tables.append(desk.table("aulc", areas))
    write_table(desk.folder / "curves.csv", curve_table(comparison, settings.column, settings.confidence))
    return section


def _difference(desk: Desk) -> Section | None:
    settings, comparison = desk.analysis.settings, desk.comparison
    if not desk.analysis.results:
        return None
    curves = difference_curves(comparison, settings)
    name = f"{readable(settings.column)} − that of {comparison.baseline}"
    figure = plots.curves_figure(
        curves, desk.looks, name, band(comparison, settings), (0.0, comparison.baseline), bounded=False
    )
    write_table(desk.folder / "difference.csv", difference_table(comparison, settings.column, settings.confidence))
    return Section(
        f"Paired difference to {comparison.baseline}",
        "Runs are paired by seed: same split, starting set and initial weights. Each band holds for one "
        "labelled count, not for the whole curve; the tests below are of the whole curve.",
        [desk.picture("difference", figure, f"Paired difference in {name} over labelled images")],
    )


def _tests(desk: Desk) -> Section | None:
    analysis = desk.analysis
    if not analysis.tested:
        return None
    data = pd.DataFrame([vars(result) for result in analysis.results])
    shown = pd.DataFrame(
        {
            "strategy": data["strategy"],
            "pairs": data["seeds"].map(len),
            "mean Δ AULC": data["mean"].map(words.signed),
            "t interval": [words.interval(r.low, r.high, words.signed) for r in analysis.results],
            "bootstrap": [
                words.interval(r.bootstrap_low, r.bootstrap_high, words.signed) for r in analysis.results
            ],
            "sd of Δ": data["sd"].map(words.number),
            "p (t)": data["p_t"].map(words.p_value),
            "p Holm": data["p_t_holm"].map(words.p_value),
            "p Wilcoxon": data["p_wilcoxon"].map(words.p_value),
            "p Wilcoxon, Holm": data["p_wilcoxon_holm"].map(words.p_value),
            "detectable Δ": data["detectable"].map(words.number),
            f"against {analysis.comparison.baseline}": data["superiority"],
        }
    )
    note = (
        f"Δ is AULC − AULC of {analysis.comparison.baseline}, seed by seed. RQ1 is decided by the two-sided paired "
        f"t-test, Holm-corrected over the strategies, at {analysis.settings.alpha:.2g}. The t interval decides; "
        "the bootstrap interval (from six seeds on) and Wilcoxon's test stand beside it. Detectable: the smallest "
        "mean Δ that so many seeds find at 80 % power, given the spread seen here, without Holm's correction."
    )
    data["seeds"] = data["seeds"].map(lambda seeds: " ".join(map(str, seeds)))
    return Section("Does it surpass the baseline? (RQ1)", note, tables=[desk.table("tests", data, shown)])


def _noninferiority(desk: Desk) -> Section | None:
    analysis, settings = desk.analysis, desk.analysis.settings
    if not analysis.tested:
        return None
    results = [result for result in analysis.results if not np.isnan(result.low)]
    if not results:
        return None
    baseline = analysis.comparison.baseline
    figure = plots.forest_figure(results, settings.margin, settings.confidence, baseline)
    shown = pd.DataFrame(
        {
            "strategy": [result.strategy for result in results],
            "begins at": [words.signed(result.low) for result in results],
            "p (worse by δ)": [words.p_value(result.p_inferior) for result in results],
            "p Holm": [words.p_value(result.p_inferior_holm) for result in results],
            f"not worse by more than δ = {settings.margin:g}": [
                "yes" if result.noninferiority == "not worse" else "not shown" for result in results
            ],
        }
    )
    return Section(
        "Is it not worse? (RQ2)",
        f"Claimed where the interval of Δ lies above −δ, and still does after Holm's correction (one-sided, at "
        f"{settings.alpha / 2:.2g}). A difference that is not significant is no evidence of this.",
        [desk.picture("noninferiority", figure, f"Intervals of the mean Δ AULC against −{settings.margin:g}")],
        [("tests", shown)],
    )


def _penalty(desk: Desk) -> Section | None:
    matrix = desk.analysis.penalty
    if matrix is None:
        return None
    means = column_means(matrix)
    figure = plots.penalty_figure(matrix, means)
    write_table(desk.folder / "penalty.csv", matrix.reset_index(names="beats"))
    return Section(
        "Pairwise penalties",
        "Share of checkpoints at which the strategy of the row beats that of the column (paired two-sided t-test, "
        "p < .05, not corrected; Ash et al. 2020). The column loses: lower column means are better.",
        [desk.picture("penalty", figure, "Pairwise penalty matrix; rows beat columns")],
    )


def _savings(desk: Desk) -> Section | None:
    analysis = desk.analysis
    if analysis.middle is None:
        return None
    metric = readable(analysis.settings.column)
    figure = plots.savings_figure(analysis.savings, desk.looks, metric)
    flat = [(name, saving) for name, found in analysis.savings.items() for saving in found]
    data = pd.DataFrame([{"strategy": name, **vars(saving), "bound": saving.bound} for name, saving in flat])
    shown = pd.DataFrame(
        [
            {
                "strategy": name,
                metric: f"{s.target:.3g}",
                "labels": words.labels_with_interval(s.labels, s.labels_low, s.labels_high, s),
                f"labels, {desk.comparison.baseline}": words.labels_with_interval(
                    s.baseline_labels, s.baseline_low, s.baseline_high, s
                ),
                "saved": words.saving_text(s),
                "pairs": s.seeds,
            }
            for name, s in flat
        ]
    )
    return Section(
        "Labels saved",
        "Labels at which the mean curve first reaches the target, with bootstrap intervals over seeds (from six "
        "seeds on). «> N»: not reached with the N labels that were bought; such runs count as that, and are not "
        f"left out. Dashed line: {desk.comparison.baseline}; grey: its interval.",
        [desk.picture("savings", figure, f"Labels needed for each target of {metric}")],
        [desk.table("savings", data, shown)],
    )


def _cost(desk: Desk) -> Section | None:
    analysis, prices = desk.analysis, desk.analysis.settings.prices
    if analysis.middle is None:
        return None
    target = analysis.targets[analysis.middle]
    flat = [(name, cost) for name, found in analysis.costs.items() for cost in found]
    data = pd.DataFrame(
        [
            {
                "strategy": name,
                "target": c.target,
                "baseline_trained": c.training,
                "label_price": c.price,
                "labels": c.labels,
                "baseline_labels": c.baseline_labels,
                "overhead": c.overhead,
                "baseline_overhead": c.baseline_overhead,
                **{f"cost_{key}": value for key, value in vars(c.strategy).items()},
                **{f"baseline_cost_{key}": value for key, value in vars(c.baseline).items()},
                **{f"break_even_{key}": value for key, value in vars(c.break_even).items()},
                "cost_annotator_s": prices.annotator_seconds(c.strategy.value),
                "baseline_cost_annotator_s": prices.annotator_seconds(c.baseline.value),
                "break_even_annotator_s": prices.annotator_seconds(c.break_even.value),
                "reached": c.reached,
            }
            for name, c in flat
        ]
    )
    here = [(name, cost) for name, cost in flat if cost.target == target]
    section = Section(
        "Cost and break-even price (RQ3)",
        f"Cost to reach {readable(analysis.settings.column)} {target:.3g} (other targets: cost.csv), times as "
        f"measured in the runs. Assumed: {words.money(prices.label)} {prices.currency} a label "
        f"({prices.label_seconds:g} annotator seconds), κ = {prices.kappa:g}, {prices.compute_hour:g} "
        f"{prices.currency} a machine hour, {prices.idle:g} a cycle, {prices.setup:g} once for active learning, "
        f"{prices.search_hours:g} machine hours of hyperparameter search, validation labels "
        f"{'paid' if prices.validation_labels else 'not paid'}. Active learning pays where a label costs more than "
        "the break-even price. The baseline is charged both ways: trained once on all its labels, and every cycle.",
    )
    section.tables.append(desk.table("cost", data, _cost_table(desk, here)))
    section.tables.append(("cost", _what_if_table(desk, here)))
    if any(cost.reached and not cost.baseline.censored for _, cost in here):
        costs = {name: [cost for cost in found if cost.target == target] for name, found in analysis.costs.items()}
        figure = plots.cost_figure(costs, desk.looks, prices.currency)
        section.pictures.append(
            desk.picture(
                "cost",
                figure,
                "Cost relative to the baseline over the price of a label; without intervals, which the table has",
            )
        )
    return section


def _cost_table(desk: Desk, found: Sequence[tuple[str, Cost]]) -> pd.DataFrame:
    prices, baseline = desk.analysis.settings.prices, desk.comparison.baseline

    def seconds(money: float) -> str:
        return words.money(prices.annotator_seconds(money))

    rows = [
        {
            "strategy": name,
            f"{baseline} trained": cost.training,
            f"cost / {prices.currency}": words.cost_text(cost.strategy),
            f"{baseline} / {prices.currency}": words.cost_text(cost.baseline),
            "cost / annotator s": words.cost_text(cost.strategy, seconds),
            f"{baseline} / annotator s": words.cost_text(cost.baseline, seconds),
            f"break-even / {prices.currency}": words.break_even_text(cost.break_even, cost.reached),
            "break-even / annotator s": words.break_even_text(cost.break_even, cost.reached, seconds),
        }
        for name, cost in found
        if cost.price == prices.label
    ]
    return pd.DataFrame(rows)


def _what_if_table(desk: Desk, found: Sequence[tuple[str, Cost]]) -> pd.DataFrame:
    prices = desk.analysis.settings.prices
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, cost in found:
        if cost.price in prices.what_if:
            row = rows.setdefault((name, cost.training), {})
            text = f"{words.cost_text(cost.strategy)} / {words.cost_text(cost.baseline)}"
            row[f"label at {words.money(cost.price)} {prices.currency}"] = text
    names = ["strategy", f"{desk.comparison.baseline} trained"]
    return pd.DataFrame(rows.values(), index=pd.MultiIndex.from_tuples(rows, names=names)).reset_index()


def _faults(desk: Desk) -> Section | None:
    columns = desk.comparison.any_run.cycles.columns
    of = [name for name in columns if name.startswith("test/recall/")]
    panels = {name.removeprefix("test/recall/"): name for name in of}
    if not panels:
        return None
    section = Section(
        "Recall of each class, escapes and overkill",
        "Mean over seeds. Escape rate: faulty images passed as good. Overkill rate: good images rejected.",
    )
    figure = plots.panels_figure(_column_panels(desk, panels), desk.looks, "recall", {})
    section.pictures.append(desk.picture("recall", figure, f"Recall over labelled images of {', '.join(panels)}"))
    of = [name for name in columns if name.startswith("test/fault_recall/")]
    faults = {f"any class with {name.removeprefix('test/fault_recall/')}": name for name in of}
    if faults:
        figure = plots.panels_figure(_column_panels(desk, faults), desk.looks, "recall", {})
        section.pictures.append(desk.picture("fault_recall", figure, f"Recall of each fault: {', '.join(faults)}"))
    rates = {
        title: column
        for title, column in (("escape rate", "test/escape_rate"), ("overkill rate", "test/overkill_rate"))
        if column in columns
    }
    if rates:
        curves = _column_panels(desk, rates)
        figure = plots.panels_figure(
            curves, desk.looks, "share", {}, share=False
        )  # few per cent: a scale of their own
        section.pictures.append(
            desk.picture("escape_overkill", figure, "Escape and overkill rate over labelled images")
        )
    section.tables.append(_faults_table(desk, [*panels.items(), *faults.items(), *rates.items()]))
    return section


def _faults_table(desk: Desk, columns: Sequence[tuple[str, str]]) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "quantity": title,
            **{name: desk.comparison.curves(name, column)[:, -1].mean() for name in desk.comparison.strategies},
        }
        for title, column in columns
    ]
    name, table = desk.table("last_cycle", pd.DataFrame(rows))
    return name, table.rename(columns={"quantity": "after the last cycle, mean over seeds"})


_UNREADABLE = (
    " Not counted are {} images whose labels can be read in more than one way, because the name of a label holds a "
    "+ or is none; earlier versions allowed such names."
)


def _class_mix(desk: Desk) -> Section:
    run = desk.comparison.any_run
    names = list(run.pool)
    panels: dict[str, dict[str, Curve]] = {name: {} for name in names}
    tables, unreadable = [], 0
    for strategy, runs in desk.comparison.runs.items():
        queries = queried.all_queries(runs)
        unreadable += queried.unreadable(queries, names, run.has_classes)
        mix = queried.class_mix(queries, names, run.has_classes)
        for name in names:
            panels[name][strategy] = plain_curve(desk.comparison, mix[[name]].to_numpy().T, strategy)
        table = mix.reset_index(drop=True)
        table.insert(0, "cycle", mix.index, allow_duplicates=True)  # a class may be called cycle
        table.insert(table.shape[1], "strategy", strategy, allow_duplicates=True)
        tables.append(table)
    pool = {name: count / run.pool_size for name, count in run.pool.items()}
    write_table(desk.folder / "class_mix.csv", pd.concat(tables, ignore_index=True))
    figure = plots.panels_figure(panels, desk.looks, "share of batch", pool, "share of the pool")
    return Section(
        "What was queried: classes",
        "Share of each class (label) in the batch of a cycle, mean over seeds. The first point is the starting "
        f"set, the same for all strategies.{_UNREADABLE.format(unreadable) if unreadable else ''}",
        [desk.picture("class_mix", figure, "Share of each class among the queried images, and in the pool")],
    )


def _rare(desk: Desk) -> Section | None:
    run, share = desk.comparison.any_run, desk.analysis.settings.rare_share
    names = list(run.pool)
    rare = queried.rare_classes(run.pool, run.pool_size, share)
    if not rare:
        return None
    most = int(desk.comparison.labelled[-1])
    rows = []
    for strategy, runs in desk.comparison.runs.items():
        queries = queried.all_queries(runs)
        for name in rare:
            until = queried.labels_until_found(queries, name, names, run.has_classes)
            rows.append(
                {
                    "strategy": strategy,
                    "class": name,
                    "in the pool": run.pool[name],
                    "median labels": float(np.median(until)),
                    "seeds that found five": int(np.isfinite(until).sum()),
                    "seeds": len(until),
                }
            )
    data = pd.DataFrame(rows)
    shown = data.assign(text=[words.labels(value, most, 0) for value in data["median labels"]])
    table = shown.pivot_table(index="strategy", columns="class", values="text", aggfunc="first", sort=False)
    table.columns = [f"{name} ({run.pool[name]} in the pool)" for name in table.columns]
    return Section(
        "What was queried: rare classes",
        f"Images labelled until five of a class were among them, median over seeds; classes with less than "
        f"{share:.0%} of the pool. «> {most}»: fewer than five were found.",
        tables=[desk.table("rare_classes", data, table.reset_index())],
    )


def _batches(desk: Desk) -> Section | None:
    title = "What was queried: near-duplicates and groups"
    if desk.images is None:
        note = f"Left out, like the images: the data set of the runs cannot be read here ({desk.no_images})."
        return Section(title, note)
    settings = desk.analysis.settings
    groups = desk.images.groups
    near, spread, tables = {}, {}, []
    for strategy, runs in desk.comparison.runs.items():
        queries = queried.all_queries(runs)
        table = queried.batches(queries, groups, settings.number_pattern, settings.views, settings.turns)
        near[strategy] = plain_curve(desk.comparison, table[["near_duplicates"]].to_numpy().T, strategy)
        spread[strategy] = plain_curve(desk.comparison, table[["groups"]].to_numpy().T, strategy)
        tables.append(table.reset_index().assign(strategy=strategy))
    write_table(desk.folder / "batches.csv", pd.concat(tables, ignore_index=True))
    panels = {"groups (coils) in the batch": spread}
    note = "Groups (coils) that a batch comes from, mean over seeds."
    if any(np.isfinite(curve.mean).any() for curve in near.values()):
        panels["near-duplicates in the batch"] = near
        note += (
            f" Near-duplicate: the same view ({settings.views} a turn) of the same coil, {settings.turns} turns "
            "away at most, was labelled before."
        )
    else:
        note += " Near-duplicates are left out: the image names carry no number (number_pattern)."
    labels = {"groups (coils) in the batch": "groups", "near-duplicates in the batch": "share of batch"}
    figure = plots.panels_figure(panels, desk.looks, "", {}, share=False, ylabels=labels)
    return Section(title, note, [desk.picture("batches", figure, "Groups and near-duplicates in each batch")])


def _map(desk: Desk) -> Section | None:
    title = "What was queried: the map of the pool"
    every = list(desk.comparison.runs.values())
    seed = min(set.intersection(*map(set, every)), default=None)
    if seed is None:
        return Section(title, "Left out: no seed was run by all strategies.")
    found = every[0][seed].pool_map
    if found is None:
        return Section(title, "Left out: the pool has no map, or a damaged one (runs that train blocks keep none).")
    place_of = dict(zip(found.images, found.places, strict=True))
    panels = {}
    for strategy, runs in desk.comparison.runs.items():
        queries = runs[seed].queries
        known = queries["image"].isin(place_of.keys())
        places = np.array([place_of[image] for image in queries.loc[known, "image"]]).reshape(-1, 2)
        panels[strategy] = places, queries.loc[known, "cycle"].to_numpy()
    note = (
        f"The pool along the two main directions of its features, which hold {found.share:.0%} of their variance; "
        f"coloured: the images labelled in the run of seed {seed}, by cycle. Distances on the map are not those "
        "that a strategy sees, which looks at all directions: read from it where a strategy looks, not how well."
    )
    figure = plots.map_figure(found.places, panels)
    return Section(title, note, [desk.picture("map", figure, "The pool, and what each strategy labelled")])


def _gallery(desk: Desk) -> Section | None:
    most = desk.analysis.settings.gallery
    if desk.images is None or most == 0:
        return None
    rows = []
    for strategy, runs in desk.comparison.runs.items():
        seed = min(runs)
        labels = runs[seed].queries.set_index("image")["label"]
        for cycle, names in queried.gallery_rows(runs[seed], most).items():
            thumbnails = desk.images.thumbnails(names)
            rows.append((f"{strategy}\ncycle {cycle}", thumbnails, labels[names].tolist()))
    figure = plots.gallery_figure(rows)
    return Section(
        "What was queried: images",
        "The best-ranked images of the first and the last batch of one run, the one with the smallest seed.",
        [desk.picture("gallery", figure, "Queried images of the first and the last cycle")],
    )


def _phases(desk: Desk) -> Section:
    seconds, memory = phase_seconds(desk.comparison), peak_memory(desk.comparison)
    figure = plots.phases_figure(seconds, memory)
    data = seconds.add_suffix("_s").join(memory.add_suffix("_mb")).reset_index(names="strategy")
    return Section(
        "Time and memory",
        "Seconds of each phase over a whole run and largest memory of a process, mean over seeds, on the machine "
        "of the runs.",
        [desk.picture("phases", figure, "Seconds of each phase and peak memory")],
        [desk.table("phases", data)],
    )
