"""The sections of a report page on what was queried: classes, rare faults, near-duplicates, places, images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from coilal.evidence import plots, queried, words
from coilal.evidence.curves import plain_curve
from coilal.evidence.desk import Desk, Section, left_out, write_table
from coilal.evidence.label_noise import wrong_labels
from coilal.evidence.leading import leading
from coilal.evidence.plots import Curve

MOST_STRATEGIES = 4
"""Strategies whose images are shown."""
_UNREADABLE = (
    " Not counted are {} images whose labels can be read in more than one way, because the name of a label holds a "
    "+ or is none; earlier versions allowed such names."
)


def class_mix(desk: Desk) -> Section:
    """Return which classes were asked for."""
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
    write_table(desk.folder / "class_mix.csv", pd.concat(tables, ignore_index=True))
    figure = plots.panels_figure(
        panels, desk.looks, "share of batch", _pool(desk), "share of the pool", share=False
    )
    return Section(
        "What was queried: classes",
        "Share of each class (label) in the batch of a cycle, mean over runs. The first point is the starting "
        f"set, the same for all strategies.{_UNREADABLE.format(unreadable) if unreadable else ''}",
        [
            desk.picture(
                "class_mix",
                figure,
                "Share of each class among the queried images, and in the pool",
                "Conclude: whether a strategy asks for rare faults more often than they occur. Do not conclude "
                "that it finds them better: that is recall.",
            )
        ],
    )


def _pool(desk: Desk) -> dict[str, float]:
    """Return the share of each class (label) in the pool, the mean over splits, whose pools differ."""
    pools = {run.split: run for runs in desk.comparison.runs.values() for run in runs.values()}.values()
    return {
        name: float(np.mean([run.pool[name] / run.pool_size for run in pools])) for name in next(iter(pools)).pool
    }


def rare(desk: Desk) -> Section | None:
    """Return how many labels it took to find rare classes."""
    run, share = desk.comparison.any_run, desk.analysis.settings.rare_share
    names = list(run.pool)
    rare = queried.rare_classes(_pool(desk), share)
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
                    "in the pool": _in_pools(desk, name),
                    "median labels": float(np.median(until)),
                    "seeds that found five": int(np.isfinite(until).sum()),
                    "seeds": len(until),
                }
            )
    data = pd.DataFrame(rows)
    shown = data.assign(text=[words.labels(value, most, 0) for value in data["median labels"]])
    table = shown.pivot_table(index="strategy", columns="class", values="text", aggfunc="first", sort=False)
    table.columns = [f"{name} ({_in_pools(desk, name)} in the pool)" for name in table.columns]
    return Section(
        "What was queried: rare classes",
        f"Images labelled until five of a class were among them, median over runs; classes with less than "
        f"{words.level(share)} of the pool. «> {most}»: fewer than five were found.",
        tables=[desk.table("rare_classes", data, table.reset_index())],
    )


def _in_pools(desk: Desk, name: str) -> str:
    """Return how many images of a class the pools hold, which differ between splits."""
    counts = {run.pool[name] for runs in desk.comparison.runs.values() for run in runs.values()}
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def label_noise(desk: Desk) -> Section | None:
    """Return how many wrong labels the oracle told."""
    data = wrong_labels(desk.comparison)
    if data.empty:
        return None
    formats = {"told": "{:.0f}".format, "wrong": "{:.1f}".format, "share": "{:.1%}".format}
    return Section(
        "Wrong labels",
        "The oracle told some wrong labels, as the setting oracle says; what is scored is true. An image is told "
        "alike to all strategies of a seed, which differ in the images that they ask for. Labels of a run, means "
        "over seeds; true → told in all runs. Queried classes elsewhere in this report are as told. What errors "
        "cost is said in a report that has the study without them, too.",
        tables=[desk.table("wrong_labels", data, words.shown(data, formats))],
    )


def batches(desk: Desk) -> Section | None:
    """Return how many coils a batch comes from, and how many near-duplicates it holds."""
    title = "What was queried: near-duplicates and groups"
    if desk.images is None:
        note = f"Left out, like the images: the data set of the runs cannot be read here ({desk.no_images})."
        return Section(title, note)
    settings, groups = desk.analysis.settings, desk.images.groups
    near, spread, tables = {}, {}, []
    for strategy, runs in desk.comparison.runs.items():
        queries = queried.all_queries(runs)
        table = queried.batches(queries, groups, settings.number_pattern, settings.views, settings.turns)
        near[strategy] = plain_curve(desk.comparison, table[["near_duplicates"]].to_numpy().T, strategy)
        spread[strategy] = plain_curve(desk.comparison, table[["groups"]].to_numpy().T, strategy)
        tables.append(table.reset_index().assign(strategy=strategy))
    write_table(desk.folder / "batches.csv", pd.concat(tables, ignore_index=True))
    panels, reasons, note = {}, {}, ""
    if len(set(groups.values())) < len(groups):
        panels["groups (coils) in the batch"] = spread
        note = "Groups (coils) that a batch comes from, mean over runs."
    else:
        reasons["groups in a batch"] = "for each image is a group of its own"
    shares = np.concatenate([curve.mean for curve in near.values()])
    if np.nanmax(shares, initial=0.0) > 0:
        panels["near-duplicates in the batch"] = near
        note += (
            f" Near-duplicate: the same view ({settings.views} a turn) of the same coil, {settings.turns} turns "
            "away at most, was labelled before."
        )
    elif np.isfinite(shares).any():
        reasons["near-duplicates"] = "for there are none"
    else:
        reasons["near-duplicates"] = f"for no image name fits compare.number_pattern, {settings.number_pattern}"
    section = Section(title, f"{note}{left_out(reasons)}".strip())
    if panels:
        labels = {"groups (coils) in the batch": "groups", "near-duplicates in the batch": "share of batch"}
        figure = plots.panels_figure(panels, desk.looks, "", {}, share=False, ylabels=labels)
        section.pictures.append(
            desk.picture(
                "batches",
                figure,
                "Groups and near-duplicates in each batch",
                "Conclude: whether a strategy asks for the same thing again. Do not conclude that many groups are "
                "good in themselves.",
            )
        )
    return section


def pool_map(desk: Desk) -> Section | None:
    """Return where in the pool the labelled images lie."""
    title = "What was queried: the map of the pool"
    every = list(desk.comparison.runs.values())
    repeat = min(set.intersection(*map(set, every)), default=None)
    if repeat is None:
        return Section(title, "Left out: no seed of a split was run by all strategies.")
    found = every[0][repeat].pool_map
    if found is None:
        return Section(title, "Left out: the pool has no map, or a damaged one (runs that train blocks keep none).")
    place_of = dict(zip(found.images, found.places, strict=True))
    panels = {}
    for strategy, runs in desk.comparison.runs.items():
        queries = runs[repeat].queries
        known = queries["image"].isin(place_of.keys())
        places = np.array([place_of[image] for image in queries.loc[known, "image"]]).reshape(-1, 2)
        panels[strategy] = places, queries.loc[known, "cycle"].to_numpy()
    note = (
        "The pool along the two main directions of its features, which hold "
        f"{words.percentage(found.share)} of their variance; coloured: the images labelled in the run of split "
        f"{repeat.split}, seed {repeat.seed}, by cycle. "
        "Distances on the map are not those that a strategy sees, which looks at all directions."
    )
    figure = plots.map_figure(found.places, panels)
    return Section(
        title,
        note,
        [
            desk.picture(
                "map",
                figure,
                "The pool, and what each strategy labelled",
                "Conclude: where a strategy looks, early and late. Do not conclude how well it "
                "learns, nor from clusters that they are classes.",
            )
        ],
    )


def gallery(desk: Desk) -> Section | None:
    """Return the best-ranked images of the first and of the last batch."""
    most, comparison = desk.analysis.settings.gallery, desk.comparison
    if desk.images is None or most == 0:
        return None
    shown = [comparison.baseline] if comparison.has_baseline else []
    shown += leading(comparison, desk.analysis.settings.column)[: MOST_STRATEGIES - len(shown)]
    rows = []
    for strategy in shown:
        runs = comparison.runs[strategy]
        queries = {query["image"]: query for query in runs[min(runs)].queries.to_dict("records")}
        for cycle, names in queried.gallery_rows(runs[min(runs)], most).items():
            lines = {name: card_lines(queries[name]) for name in names}
            rows.append((f"{strategy}, {_batch(cycle)}", desk.cards(lines)))
    fewer = "" if len(shown) == len(comparison.runs) else f" Strategies: {words.listed(shown)}, the best by AULC."
    return Section(
        "What was queried: images",
        "The best-ranked images of the first and the last batch of one run, that of the smallest split and seed: "
        "file name, label as told, what the model took it for that asked for it, before it was told, with its "
        "confidence (of labels that of the least sure one; nothing of the starting set, which no model has chosen, "
        "nor of runs of earlier versions), and the score by which the strategy ranks (comparable within a batch "
        f"only; none of the starting set, nor where images are drawn or chosen together).{fewer}",
        rows=rows,
    )


def _batch(cycle: int) -> str:
    return "starting set" if cycle == 0 else f"batch {cycle}"


def card_lines(query: Mapping[Hashable, Any]) -> list[str]:
    """Return what stands below a queried image: label, prediction and score, as far as there are such.

    Args:
        query: a row of queries.csv.
    """
    label, true, said = (str(query.get(column, "")) for column in ("label", "true", "prediction"))
    lines = [f"told {_spaced(label)}" if label else "without a label"]
    if true:
        lines.append(f"in truth {_spaced(true)}")
    if said:
        # names of labels are told in any order; without a label nobody can say
        is_wrong = bool(label) and {*said.split("+")} != {*(true or label).split("+")}
        verdict = "predicted wrongly:" if is_wrong else "predicted"
        lines.append(f"{verdict} {_spaced(said)} ({float(query['confidence']):.2f})")
    if pd.notna(query["score"]) and query["score"] != "":
        lines.append(f"score {float(query['score']):.3g}")
    return lines


def _spaced(label: str) -> str:
    return label.replace("+", " + ")
