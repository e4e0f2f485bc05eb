"""Pretrain ``model=tiny`` without labels, on renders of other coils than the data set's.

``python -m coilal.pretrain --out src/coilal/features/weights/tiny.safetensors`` makes the packaged weights; what it
took is stored in the file (``time_s``) and in tiny.json beside it: about half an hour on two cores. The file is
written after each round; the same command goes on after the last one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from joblib import cpu_count

from coilal.common.cli import run_main, user_error
from coilal.common.machine import ensure_writable
from coilal.common.types import UserError
from coilal.demo.pretraining import FIRST_SEED, Recipe, train_rounds
from coilal.features.heap import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, pretrain and write the weights; return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        recipe = Recipe(
            render_seed=options.render_seed,
            scenes=options.scenes,
            seed=options.seed,
            rounds=options.rounds,
            steps=options.steps,
        )
        ensure_writable(options.out.parent, "Choose another --out.")
        torch.set_num_threads(options.threads)
        keep_freed_memory()
        return train_rounds(recipe, options.out, " ".join(["python -m coilal.pretrain", *given]))
    except (UserError, OSError) as error:
        told = user_error(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="python -m coilal.pretrain", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file to write, ending in .safetensors")
    parser.add_argument("--render-seed", type=int, default=recipe.render_seed, help=f"{FIRST_SEED} or more")
    parser.add_argument("--scenes", type=int, default=recipe.scenes, help="moments that are photographed")
    parser.add_argument("--seed", type=int, default=recipe.seed, help="initial weights, order, exposure")
    parser.add_argument("--rounds", type=int, default=recipe.rounds)
    parser.add_argument("--steps", type=int, default=recipe.steps, help="steps of a round")
    parser.add_argument("--threads", type=int, default=cpu_count())
    return parser


if __name__ == "__main__":
    run_main(main)
