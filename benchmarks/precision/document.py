"""Writes what was measured as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.precision.measured import Change

HOW = """\
Features of MobileNetV2 (ImageNet weights, frozen, mean and maximum pooled, images of 224 × 224) are extracted and
stored in each precision; heads are trained in float32, with the default budget (16 + 12 × 24 labels), by margin and
entropy sampling with 10 seeds each. Starting sets, initial heads and batches are the same as with the reference,
float32."""

COLUMNS = """\
- *error*: of an image's features as the head sees them (standardised), norm of the difference by norm: median,
  largest.
- *first query*: images of the first batch of 24 that float32 asks for, too. The labelled images are the same.
- *all queries*: the same of all 288 images that are asked for in the end.
- *AULC*: paired change of the area under the learning curve of macro-F1 on the test split, mean over strategies and
  seeds, with the 95 % interval (Student's t over the seeds, strategies averaged in each)."""

ROWS = """\
- *float32, other kernels*: batches a third as large, one thread, BatchNorm not folded: what no setting promises to
  keep.
- *float16 storage*: float32, stored as float16 (`cache.precision=float16`).
- *TF32*: `tf32=true` on a GPU; on a CPU inputs and weights of products and convolutions are rounded to its 10 bits.
- *bf16 weights*: network and images in bfloat16, BatchNorm's weights and the pooling in float32: `trainer=gpu`.
- *bf16 autocast*: `trainer.precision=bf16-mixed` on a CPU; pooled in bfloat16.
- *float32, heads redrawn*: the scale to read the others by: the same features and starting sets, other initial
  heads and order of training."""


def document(tables: Mapping[str, tuple[int, Mapping[str, Change]]], written: str) -> str:
    """Return the whole file.

    Args:
        tables: of each data set, the number of images and how each variant differs, the reference first.
        written: on what machine, with what versions, when.
    """
    lines = ["# What precision costs", ""]
    lines += ["Written by `python -m benchmarks.precision`; do not edit. " + written, "", HOW, ""]
    for name, (images, changes) in tables.items():
        lines += [f"## {name[0].upper()}{name[1:]}, {images:,} images", "", *table(changes), ""]
    lines += ["The columns:", "", COLUMNS, "", "The rows:", "", ROWS, ""]
    return "\n".join(lines)


def table(changes: Mapping[str, Change]) -> list[str]:
    """Return a line for each variant but the reference."""
    lines = ["| | error | first query | all queries | AULC |", "|---|---|---|---|---|"]
    for name, one in list(changes.items())[1:]:
        error = f"{one.median_error:.0e}, {one.largest_error:.0e}" if one.largest_error else "0"
        lines.append(f"| {name} | {error} | {one.first:.1%} | {one.all:.1%} | {one.aulc:+.4f} ± {one.half:.4f} |")
    return lines
