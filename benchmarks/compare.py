"""The same work by coilal, its peers, a plain script and bare torch, as a table of ratios.

uv run --group bench python -m benchmarks.compare                      # everything, an hour on two cores
uv run --group bench python -m benchmarks.compare --quick              # does it work? minutes
uv run --group bench python -m benchmarks.compare --workload W1,W3     # some parts; the others are kept

Each part is stored as soon as it is measured (``<work>/results``), and the table shows the latest of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import machine
from benchmarks.parts import PARTS, Options
from benchmarks.process import REPOSITORY
from benchmarks.section import Section
from benchmarks.table import document


def main() -> None:
    """Run the parts that were asked for, and write the table after each."""
    given = parse()
    work = (given.work or REPOSITORY / "outputs" / ("benchmark_quick" if given.quick else "benchmark")).absolute()
    weights = given.weights.absolute() if given.weights else None
    repeats = 1 if given.quick else given.repeats
    options = Options(work, repeats, weights, given.quick, given.slow_cycles, given.timeout)
    out = given.out or (work / "RESULTS.md" if given.quick else REPOSITORY / "benchmarks" / "RESULTS.md")
    for name in given.workload:
        PARTS[name](options).save(work / "results")
        sections = [Section.load(path) for path in (work / "results").glob("*.json")]
        text = document({one.name: one for one in sections}, machine.describe(), given.quick)
        out.write_text(text)
        print(f"{name} is done; see {out}", flush=True)
    print(text)


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", type=names, default=[*PARTS], help=f"of {','.join(PARTS)}; all")
    parser.add_argument("--repeats", type=int, default=3, help="of what is fast enough to be repeated; 3")
    parser.add_argument("--quick", action="store_true", help="small workloads, once; the ratios mean nothing")
    parser.add_argument("--out", type=Path, help="benchmarks/RESULTS.md, or in the work folder if quick")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of timm's mobilenetv2_100 (pad_type=same)")
    parser.add_argument("--work", type=Path, help="folder for data and scratch; outputs/benchmark")
    parser.add_argument("--slow-cycles", type=int, default=1, help="cycles that plain and baal really run; 1")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds for one process; 3600")
    return parser.parse_args()


def names(text: str) -> list[str]:
    """Return the parts named in a list with commas."""
    chosen = text.split(",")
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part is named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return chosen


if __name__ == "__main__":
    main()
