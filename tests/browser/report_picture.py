"""The first screen of a report, as the README shows it: ``python -m tests.browser.report_picture docs/report.png``.

Of real runs over rendered coils: five splits (folds), two seeds, three strategies; a few minutes.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser.browser import chromium, sized

GRID = (
    "strategy=random,margin,badge",
    "split=0,1,2,3,4",
    "data.split.folds=5",
    "seed=0,1",
    "budget.labelled=[16,32,48,64,80,96]",
    "hparams=default",  # those of tiny were chosen on split 0
)
WIDTH, MOST = 1280, 200_000


def first_screen(page: Path) -> bytes:
    """Return what is seen of a report until the end of its answer, as PNG of few colours."""
    with chromium() as driver:
        sized(driver, WIDTH, 800)
        driver.get(page.resolve().as_uri())
        driver.execute_script("document.documentElement.style.overflow = 'hidden'")  # no bar at the side
        end = driver.execute_script("return document.querySelector('.answer').getBoundingClientRect().bottom")
        sized(driver, WIDTH, round(end) + 12)
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").quantize(128, dither=0)
    content = io.BytesIO()
    picture.save(content, "png", optimize=True)
    return content.getvalue()


def main(path: Path) -> None:
    """Make the study, its report and the picture."""
    with tempfile.TemporaryDirectory() as folder:
        at = [f"outputs={folder}", "study=rendered_coils"]
        subprocess.run([sys.executable, "-m", "coilal.train", "-m", *GRID, *at], check=True)
        subprocess.run([sys.executable, "-m", "coilal.report", *at], check=True)
        content = first_screen(Path(folder, "rendered_coils", "report", "index.html"))
    assert len(content) <= MOST, f"{len(content)} bytes"
    path.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
