"""What a GPU does with coilal: under six minutes on one card, without network.

python -m benchmarks.gpu                          # everything, writes benchmarks/GPU.md
python -m benchmarks.gpu --parts heads,dino_s     # some of it, printed only
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from pathlib import Path

import torch

from benchmarks.gpu.page import describe_card, document
from benchmarks.gpu.parts import PARTS, Bench, Found
from benchmarks.process import REPOSITORY


def main() -> None:
    """Measure, print the table and write it; a part that fails does not stop the others."""
    given = parse()
    if not torch.cuda.is_available():
        print("There is no CUDA device here: nothing is measured.")
        return
    start, device = time.perf_counter(), torch.device("cuda", 0)
    found: dict[str, Found] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=given.work) as folder:
        bench = Bench(Path(folder), device)
        for name in given.parts:
            try:
                found[name] = PARTS[name](bench)
            except Exception as error:
                traceback.print_exc()
                failed[name] = str(error).split("\n")[0]
            torch.cuda.empty_cache()
            print(f"{name}: {time.perf_counter() - start:.0f} s since the start", flush=True)
    text = document(found, failed, time.perf_counter() - start, describe_card(device))
    print(text)
    if given.parts == [*PARTS]:
        (REPOSITORY / "benchmarks" / "GPU.md").write_text(text)


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=names, default=[*PARTS], help=f"of {','.join(PARTS)}; all")
    parser.add_argument(
        "--work", type=Path, help="folder of a disk for caches and outputs; that of temporary files"
    )
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
