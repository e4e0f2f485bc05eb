"""How long it takes from a key until the next image is painted: a line in the log, a benchmark, no promise."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from coilal.active.journal import Journal
from coilal.active.session import Session
from coilal.common.types import Samples
from coilal.data.stored_split import Placed
from coilal.labelling.desk import SessionDesk
from coilal.labelling.images import Images
from coilal.labelling.settings import LabelSettings
from tests.browser.coils import COILS, VIEWS, photograph
from tests.browser.person import Person
from tests.unit.labelling.fake_desk import FakeDesk
from tests.unit.labelling.sessions import ask

pytestmark = pytest.mark.slow
IMAGES, ANSWERS, BATCH = 100_000, 30, 48
LOOK_S = 0.1
"""A person takes longer; without a pause the loading of images beforehand would be measured."""


class Pictured(SessionDesk):
    """A desk whose images are drawn, since a hundred thousand files are not at hand."""

    def pixels(self, number: int) -> NDArray[np.uint8]:
        return photograph(number % (COILS * VIEWS))[None]

    def file(self, number: int) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(self.pixels(number)[0]).save(stream, "JPEG", quality=92)
        return stream.getvalue()


def name_of(number: int) -> str:
    return f"coil{number // VIEWS + 1:05d}_view{number % VIEWS + 1:02d}.jpg"


def desk_of_many(folder: Path) -> tuple[SessionDesk, Session]:
    """Return a desk over a pool of a hundred thousand images, of which two batches are asked for."""
    names = tuple(map(name_of, range(IMAGES)))
    images = Images(
        samples=Samples(names, tuple(name[:9] for name in names), unlabelled=tuple(range(IMAGES))),
        decoded=SimpleNamespace(digests=np.arange(IMAGES)),  # type: ignore[arg-type]
        placed=Placed(np.zeros(IMAGES, dtype=np.int64), is_stored=False, adds=True, note=""),
        split_file=folder / "none",
        folder=None,
        kind="multiclass",
        table=None,
        classes=("ok", "dent"),
        good_names=("ok",),
    )
    sessions = [Session(names, ids, Journal(folder / f"{ids.size}.jsonl")) for ids in (images.audit, images.pool)]
    ask(sessions[1], *range(BATCH))
    ask(sessions[1], *range(BATCH, 2 * BATCH), ahead=1)
    label = LabelSettings(("ok", "dent"), 0, 0.0, True, "127.0.0.1", 0, open=False)
    return Pictured("line3", folder, images, label, (sessions[0], sessions[1]), seed=0), sessions[1]


def test_the_next_image_comes_at_once(
    sit: Callable[..., Person], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(COILS * VIEWS):
        photograph(number)
    desk, pool = desk_of_many(tmp_path)
    person = sit(desk)
    for number in range(1, ANSWERS + 1):
        time.sleep(LOOK_S)
        person.answer("1", name_of(number))
    person.until(lambda: len(person.swaps()) == ANSWERS, "not all were measured")
    took = sorted(person.swaps())
    assert len(pool.labelled[0]) == ANSWERS
    with capsys.disabled():
        print(
            f"\nlabelling page over {IMAGES:,} images, key to next image painted: median "
            f"{statistics.median(took):.1f} ms, 95 % below {took[int(0.95 * len(took))]:.1f} ms "
            f"({ANSWERS} answers, each on the disk; images of 745 × 486)"
        )


def test_it_ends_with_the_frame_in_which_the_image_is_painted(sit: Callable[..., Person]) -> None:
    person = sit(FakeDesk())
    person.run("window.requestAnimationFrame = (then) => { window.paint = then; };")
    person.answer("1", "view02")
    person.answer("1", "view03")  # which waits for no frame
    assert person.swaps() == []
    person.run("window.paint(performance.now())")
    person.until(lambda: len(person.swaps()) == 1, "not measured")
