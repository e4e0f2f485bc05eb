"""The sections of a report page on how good models become, and at what cost: figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from coilal.evidence import labelling, plots, words
from coilal.evidence.analysis import (
    Analysis,
    aulc_table,
    curve_table,
    difference_table,
    peak_memory,
    phase_seconds,
)
from coilal.evidence.comparison import Comparison
from coilal.evidence.cost import ONE_OFF_TIMES, Cost
from coilal.evidence.curves import band, difference_curves, mean_curves, plain_curve, whole_pool
from coilal.evidence.desk import Desk, Maker, Picture, Section, telling, write_table
from coilal.evidence.forecast import forecast, going_on
from coilal.evidence.line_section import line_section
from coilal.evidence.mistakes import confusions, mistakes
from coilal.evidence.penalty import column_means
from coilal.evidence.plots import Curve
from coilal.evidence.queried_sections import batches, class_mix, gallery, label_noise, pool_map, rare
from coilal.evidence.report_settings import Prices
from coilal.evidence.shift_section import shift_section
from coilal.evidence.worth_section import worth_section
from coilal.run_directory.learning_curve import readable


def labelling_section(session: labelling.Session, folder: Path, prices: Prices) -> Section:
    """Return what a labelling session has come to, its figure and table written into a folder."""
    run = session.run
    name = f"labelling_{run.study}_{run.task}_{run.model}_{run.strategy}_{run.split}_{run.seed}"
    facts = labelling.facts(session)
    write_table(folder / f"{name}.csv", facts)
    pictures = []
    if session.audit.points:
        alt = "share of the audit set that the model gets right, against labelled images"
        with plots.style():
            reads = (
                "Conclude: whether more labels still help on images that nobody chose. Do not conclude from a "
                "step that is smaller than the intervals."
            )
            pictures = [Picture(name, alt, plots.save(labelling.curve_figure(session), folder / name), reads)]
    title = f"{run.study} · {run.model} · {run.task} · {run.strategy}"
    says = labelling.last_batches(session, prices)
    return Section(title, labelling.note(session, prices), pictures, [(name, facts)], says=says)


def sections(desk: Desk) -> list[Section]:
    """Return all sections of one comparison; those without data are left out."""
    makers: tuple[Maker, ...] = (
        _learning_curves,
        _difference,
        _tests,
        _spread,
        _noninferiority,
        _penalty,
        _savings,
        forecast,
        going_on,
        _cost,
        line_section,
        worth_section,
        shift_section,
        _faults,
        confusions,
        mistakes,
        class_mix,
        rare,
        label_noise,
        batches,
        pool_map,
        gallery,
        _phases,
    )
    with plots.style():
        made = [make(desk) for make in makers]
    return [section for section in made if section is not None]


def _panels(desk: Desk, columns: Mapping[str, str]) -> tuple[dict[str, Mapping[str, Curve]], str]:
    """Return title → strategy → mean over seeds or splits, and for a note what is left out.

    Without bands: in small panels those of several strategies hide one another.

    Args:
        desk: the comparison.
        columns: title → column of cycles.csv.
    """
    return telling(
        {
            title: {
                name: plain_curve(desk.comparison, desk.comparison.unit_curves(name, column), name)
                for name in desk.comparison.runs
            }
            for title, column in columns.items()
        }
    )


def _whole_pool_command(comparison: Comparison) -> str:
    """Return the commands that label the whole pool, which differs in size between splits."""
    sizes = {run.split: run.pool_size for runs in comparison.runs.values() for run in runs.values()}
    each = [
        f"{f'split={split} ' if len(sizes) > 1 else ''}budget.labelled=[{size}]" for split, size in sizes.items()
    ]
    if len(sizes) > 1 and len(set(sizes.values())) == 1:
        each = [f"split={','.join(map(str, sizes))} budget.labelled=[{comparison.any_run.pool_size}]"]
    return f"python -m coilal.train … strategy=random strategy.name=whole_pool {', or '.join(each)}"


def _learning_curves(desk: Desk) -> Section:
    settings, comparison = desk.analysis.settings, desk.comparison
    areas = aulc_table(comparison, settings.column, settings.confidence)
    curves = mean_curves(comparison, settings)
    name = readable(settings.column)
    line = whole_pool(comparison, settings.column)
    section = Section(
        "Learning curves",
        "Test metric after each cycle; the small panels show means over runs, axes begin where the curves do.",
    )
    if line is None:
        section.note += (
            " No run has the whole pool labelled: the level that all labels would reach is not known "
            f"({_whole_pool_command(comparison)} adds it)."
        )
    figure = plots.curves_figure(curves, desk.looks, name, band(comparison, settings), line)
    section.pictures.append(
        desk.picture(
            "curves",
            figure,
            f"Learning curves of {', '.join(curves)}: {name}",
            f"Conclude: a curve further left reaches the same level with fewer labels. {_no_test(desk, curves)}",
        )
    )
    others = {
        readable(column): column
        for column in comparison.any_run.cycles.columns
        if column.startswith("test/")
        and column.count("/") == 1
        and column != settings.column
        and not column.endswith("_rate")
    }
    panels, without = _panels(desk, others)
    section.note += without
    if panels:
        figure = plots.panels_figure(panels, desk.looks, "", {}, share=False)
        section.pictures.append(
            desk.picture(
                "curves_other",
                figure,
                f"Learning curves: {', '.join(panels)}",
                "Conclude: whether the other metrics tell the same story. Do not compare the heights of panels: "
                "each has its own axis.",
            )
        )
    section.tables.append(desk.table("aulc", areas))
    write_table(desk.folder / "curves.csv", curve_table(comparison, settings.column, settings.confidence))
    return section


def _no_test(desk: Desk, curves: Mapping[str, Curve]) -> str:
    """Return what not to conclude from learning curves."""
    if not desk.analysis.results:
        return "Do not conclude from the height of curves that strategies differ: nothing is compared here."
    if not _banded(curves):
        return "Do not conclude that strategies differ where curves do: so few runs show no chance."
    return (
        "Do not conclude from bands that overlap, or do not, whether strategies differ: that is the paired "
        "difference below."
    )


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
        f"Runs are paired by split and seed: same starting set and initial weights. {_whole_curve(desk, curves)}",
        [
            desk.picture(
                "difference",
                figure,
                f"Paired difference in {name} over labelled images",
                f"Conclude: where along the curve a strategy gains on {comparison.baseline}, or loses. Do not "
                f"conclude from one labelled count {_above(curves)} that a strategy is better: of many counts "
                "some are, by chance.",
            )
        ],
    )


def _banded(curves: Mapping[str, Curve]) -> bool:
    return any(np.isfinite(curve.low).any() for curve in curves.values())


def _above(curves: Mapping[str, Curve]) -> str:
    return "whose band is above 0" if _banded(curves) else "where its curve is above 0"


def _whole_curve(desk: Desk, curves: Mapping[str, Curve]) -> str:
    """Return what bands and tests are of, as far as there are such."""
    if not _banded(curves):
        return "So few runs give neither bands nor tests."
    tests = "; the tests below are of the whole curve" if desk.analysis.tested else ""
    return f"Each band holds for one labelled count, not for the whole curve{tests}."


def _tests(desk: Desk) -> Section | None:
    analysis = desk.analysis
    if not analysis.tested:
        return None
    data = pd.DataFrame([vars(result) for result in analysis.results])
    data["units"] = [words.units_text(result.units) for result in analysis.results]
    data["pairs"] = [" ".join(f"{r.split}/{r.seed}" for r in result.pairs) for result in analysis.results]
    shown = pd.DataFrame(
        {
            "strategy": data["strategy"],
            "pairs": data["units"],
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
    if data["p_wilcoxon"].isna().all():
        shown = shown.drop(columns=["p Wilcoxon", "p Wilcoxon, Holm"])
    note = f"{_tested_by(analysis)} " + (
        "Detectable: the smallest mean Δ that as many find at 80 % power, given the spread seen here, without "
        "Holm's correction."
    )
    return Section("Does it surpass the baseline? (RQ1)", note, tables=[desk.table("tests", data, shown)])


def _tested_by(analysis: Analysis) -> str:
    """Return which test decides, of what."""
    baseline, alpha = analysis.comparison.baseline, analysis.settings.alpha
    if len(analysis.comparison.splits) < 2:
        return (
            f"Δ is AULC − AULC of {baseline}, seed by seed. RQ1 is decided by the two-sided paired t-test, "
            f"Holm-corrected over the strategies, at {alpha:.2g}. The t interval decides; the bootstrap interval "
            "(from six seeds on) and Wilcoxon's test stand beside it."
        )
    return (
        f"Δ is AULC − AULC of {baseline}, pair by pair, averaged over the seeds of each split. RQ1 is decided by "
        "the two-sided corrected resampled t-test over splits (Nadeau and Bengio 2003), Holm-corrected over the "
        f"strategies, at {alpha:.2g}: splits share images, so that the variance of their mean is taken as "
        f"sd²·(1/splits + {analysis.comparison.overlap:.2f}), n_test/n_train. The t interval decides; the "
        "bootstrap interval (from five splits on), corrected alike, stands beside it."
    )


def _spread(desk: Desk) -> Section | None:
    found = desk.analysis.spread
    if not found:
        return None
    data = pd.DataFrame(
        [
            {"strategy": name, "sd_between_splits": s.split_sd, "sd_between_seeds": s.seed_sd, "share": s.share}
            for name, s in found.items()
        ]
    )
    shown = pd.DataFrame(
        {
            "strategy": data["strategy"],
            "sd between splits": data["sd_between_splits"].map(words.number),
            "sd between seeds of a split": data["sd_between_seeds"].map(words.number),
            "of the variance from splits": data["share"].map(words.percentage),
        }
    )
    return Section(
        "Where the spread of Δ comes from",
        "Standard deviations of Δ AULC between runs (method of moments). Much from splits: which coils are seen "
        "decides, and only further splits make the answer surer. Much from seeds: further seeds help, too. Splits "
        "share images, so that other coils may differ more than these splits do.",
        [
            desk.picture(
                "spread",
                plots.spread_figure(found),
                "Spread of Δ AULC between splits and between seeds",
                "Conclude: what to add next, splits or seeds. Do not conclude that there is no spread where a bar "
                "is 0: it was estimated from few.",
            )
        ],
        [desk.table("spread", data, shown)],
    )


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
        [
            desk.picture(
                "noninferiority",
                figure,
                f"Intervals of the mean Δ AULC against −{settings.margin:g}",
                f"Conclude: right of −δ is not worse than {baseline} by more than δ; right of 0 is better. Do not "
                "conclude that an interval on both sides of a line shows equality: it shows that too little is "
                "known.",
            )
        ],
        [("tests", shown)],
    )


def _penalty(desk: Desk) -> Section | None:
    matrix = desk.analysis.penalty
    if matrix is None:
        return None
    if not matrix.fillna(0).to_numpy().any():
        write_table(desk.folder / "penalty.csv", matrix.reset_index(names="beats"))
        note = (
            "Left out: at no checkpoint is any strategy shown to beat another (paired two-sided t-test, p < .05), "
            "so that all penalties are 0."
        )
        return Section("Pairwise penalties", note)
    means = column_means(matrix)
    figure = plots.penalty_figure(matrix, means)
    write_table(desk.folder / "penalty.csv", matrix.reset_index(names="beats"))
    return Section(
        "Pairwise penalties",
        "Share of checkpoints at which the strategy of the row beats that of the column (the paired two-sided "
        "t-test above, p < .05, not Holm-corrected; Ash et al. 2020). The column loses: lower column means are "
        "better.",
        [
            desk.picture(
                "penalty",
                figure,
                "Pairwise penalty matrix; rows beat columns",
                "Conclude: which strategies are beaten often. Do not conclude by how much, nor that a single cell "
                "is no chance: with many cells a few wins are.",
            )
        ],
    )


def _savings(desk: Desk) -> Section | None:
    analysis = desk.analysis
    if analysis.middle is None:
        return None
    metric = readable(analysis.settings.column)
    figure = plots.savings_figure(analysis.savings, desk.looks, metric)
    flat = [(name, saving) for name, found in analysis.savings.items() for saving in found]
    known = not all(np.isnan(saving.baseline_low) for _, saving in flat)
    grey = "; grey: its interval" if known else ""
    of = (
        "from intervals of single strategies: that of the saving (table) is of pairs."
        if known
        else "where their labels do: so few runs give no interval."
    )
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
                "pairs": s.pairs,
            }
            for name, s in flat
        ]
    )
    return Section(
        "Labels saved",
        "Labels at which the mean curve first reaches the target, with bootstrap intervals over seeds (from "
        "six on) or, with several splits, over splits (from five on). «> N»: not reached with the N "
        "labels that were bought; such runs count as that, and are not left out. "
        f"Dashed line: {desk.comparison.baseline}{grey}.",
        [
            desk.picture(
                "savings",
                figure,
                f"Labels needed for each target of {metric}",
                f"Conclude: how many labels a level takes. Do not conclude that strategies differ, or do not, {of}",
            )
        ],
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
        f"measured in the runs. A label costs {words.money(prices.label)} {prices.currency} "
        f"({prices.seconds:.3g} annotator seconds, {prices.seconds_are}). Assumed: κ = {prices.kappa:g}, "
        f"{prices.annotator_hour:g} {prices.currency} an annotator hour, {prices.compute_hour:g} a machine hour, "
        f"{prices.idle:g} a cycle, {prices.setup:g} once for active learning, "
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
                "Cost relative to the baseline over the price of a label",
                "Conclude: from which price of a label on a strategy costs less than the baseline. Do not read it "
                "to the cent: it has no intervals, which the table has.",
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
    recalls = {name.removeprefix("test/recall/"): name for name in of}
    if not recalls:
        return None
    of = [name for name in columns if name.startswith("test/fault_recall/")]
    faults = {f"any class with {name.removeprefix('test/fault_recall/')}": name for name in of}
    rates = {
        title: column
        for title, column in (("escape rate", "test/escape_rate"), ("overkill rate", "test/overkill_rate"))
        if column in columns
    }
    section = Section(
        "Recall of each class, escapes and overkill",
        "Means over runs; axes begin where the curves do. Escape rate: faulty images passed as good. Overkill "
        "rate: good images rejected. As the model decides by itself, without a threshold of its own for each "
        "fault.",
    )
    recall_reads = (
        "Conclude: which faults are learnt late, or not at all. Do not conclude much from a class of few test "
        "images, where one image is a step: the confusion matrix has the counts."
    )
    for name, of_kind, ylabel, reads in (
        ("recall", recalls, "recall", recall_reads),
        ("fault_recall", faults, "recall", recall_reads),
        (
            "escape_overkill",
            rates,
            "share",
            "Conclude: what a line would pass and reject. Do not read one without the other: fewer escapes are "
            "bought with more overkill, and where the threshold lies decides.",
        ),
    ):
        panels, without = _panels(desk, of_kind)
        section.note += without
        if panels:
            figure = plots.panels_figure(panels, desk.looks, ylabel, {}, share=name != "escape_overkill")
            alt = f"{ylabel} over labelled images: {', '.join(panels)}"
            section.pictures.append(desk.picture(name, figure, alt, reads))
    section.tables.append(_faults_table(desk, [*recalls.items(), *faults.items(), *rates.items()]))
    return section


def _faults_table(desk: Desk, columns: Sequence[tuple[str, str]]) -> tuple[str, pd.DataFrame]:
    rows = [
        {
            "quantity": title,
            **{
                name: desk.comparison.unit_curves(name, column)[:, -1].mean() for name in desk.comparison.strategies
            },
        }
        for title, column in columns
    ]
    name, table = desk.table("last_cycle", pd.DataFrame(rows))
    return name, table.rename(columns={"quantity": "after the last cycle, mean over runs"})


def _phases(desk: Desk) -> Section:
    seconds, memory = phase_seconds(desk.comparison), peak_memory(desk.comparison)
    once = [name.removesuffix("_s") for name in ONE_OFF_TIMES if name.removesuffix("_s") in seconds]
    of_a_run = seconds.drop(columns=once)
    data = of_a_run.add_suffix("_s").join(memory.add_suffix("_mb")).reset_index(names="strategy")
    section = Section(
        "Time and memory",
        "Seconds of each phase over a whole run and largest memory of a process, mean over runs, on the machine "
        f"of the runs. {_once(desk, once)}",
        tables=[desk.table("phases", data)],
    )
    if not of_a_run.empty and of_a_run.to_numpy().any():
        section.pictures.append(
            desk.picture(
                "phases",
                plots.phases_figure(of_a_run, memory),
                "Seconds of each phase and peak memory",
                "Conclude: what choosing images costs beside training. Do not conclude from small differences: "
                "other work on the machine, and runs side by side, change them.",
            )
        )
    return section


def _once(desk: Desk, phases: Sequence[str]) -> str:
    """Return what was done once and kept for all runs, which no strategy is to be charged for."""
    runs = [run for of_strategy in desk.comparison.runs.values() for run in of_strategy.values()]
    most = {name: max(float(run.cycles[f"{name}_s"].sum()) for run in runs) for name in phases}
    said = [f"{name} {seconds:.3g} s" for name, seconds in most.items()]
    if not said:
        return ""
    return (
        f"Not shown, for it is done once and kept for all runs, whichever comes first: {words.listed(said)} (the "
        "run that took longest)."
    )
