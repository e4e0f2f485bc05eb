"""The model learns beside who labels: no key waits for it, and the next batch is there before it is needed."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from coilal.fit.cycles import ActiveLearning
from coilal.fit.loop import QueryRetrainLoop
from coilal.labelling.run import LabellingRun
from tests.browser.person import Person
from tests.unit.labelling.working import wait_for, working

pytestmark = pytest.mark.slow
Compose = Callable[..., DictConfig]
Sit = Callable[..., Person]
START, LOOK_S, PATIENCE_S = 8, 0.1, 120.0
HANGS = ((QueryRetrainLoop, "_run_round"), (ActiveLearning, "_chosen"), (ActiveLearning, "keep"))
"""Where the learner hangs, in one cycle each: before it trains, while it chooses, before it records."""


class Hang:
    """Lets a method wait in one cycle until it is told to go on.

    Args:
        patch: puts it in place.
        where: class of the method.
        method: its name.
        cycle: in which it waits.
    """

    def __init__(self, patch: pytest.MonkeyPatch, where: type, method: str, cycle: int) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.at: Any = None
        real = getattr(where, method)

        def waiting(it: Any, *arguments: Any) -> Any:
            learner = it if isinstance(it, ActiveLearning) else it.stack.runs[0]
            if learner.cycle == cycle:
                self.at = it
                self.reached.set()
                assert self.go.wait(PATIENCE_S)
            return real(it, *arguments)

        patch.setattr(where, method, waiting)


@contextmanager
def hanging(patch: pytest.MonkeyPatch, *places: tuple[type, str]) -> Iterator[list[Hang]]:
    """Let a learner hang at one place after the other, a cycle each; at the end it goes on in any case."""
    hangs = [Hang(patch, *place, cycle) for cycle, place in enumerate(places)]
    try:
        yield hangs
    finally:
        for hang in hangs:
            hang.go.set()


def settings(composed: Compose, coils: Path, place: Path, query: int, epochs: int) -> DictConfig:
    return composed(
        *("label=session", "data=coils", f"data.root={coils}", "label.classes=[ok,dent]", "label.audit=4"),
        *("data.image.size=[56,42]", "trainer.accelerator=cpu", f"trainer.max_epochs={epochs}", "label.reask=0"),
        *(f"budget.initial={START}", f"budget.query={query}", "strategy=margin", f"outputs={place / 'outputs'}"),
        f"cache.dir={place / 'cache'}",
    )


def answer_audit_and_start(session: LabellingRun) -> None:
    """Answer without the page what comes before the first batch that is labelled while the model learns."""
    for number in range(len(session.images.audit) + START):
        wait_for(lambda: session.desk.next("eva#1"))
        shown = session.desk.next("eva#1")
        assert shown is not None
        session.desk.tell("eva#1", shown.number, ("ok", "dent")[number % 2], 1.0, saw_guess=False)


def waiting(session: LabellingRun) -> list[str]:
    """Return the names of the images that wait for an answer, in their order."""
    return [session.images.samples.names[number] for number in session.pool.pending]


def count_pauses(person: Person) -> None:
    """Count in the page how often nothing waits for an answer."""
    person.run(
        """
        const moment = document.getElementById("moment");
        window.pauses = Number(!moment.hidden);
        const count = () => { window.pauses += Number(!moment.hidden); };
        new MutationObserver(count).observe(moment, { attributeFilter: ["hidden"] });
        """
    )


def test_keys_go_through_while_the_learner_hangs_and_the_batch_after_is_there_in_time(
    sit: Sit, composed: Compose, coils: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg, size = settings(composed, coils, tmp_path, query=8, epochs=2), 8
    with working(cfg) as session, hanging(monkeypatch, *HANGS) as hangs:
        answer_audit_and_start(session)
        wait_for(lambda: waiting(session))
        person = sit(session.desk, first=waiting(session)[0])
        count_pauses(person)
        for batch, hang in enumerate(hangs, start=1):
            assert hang.reached.wait(PATIENCE_S)
            names = waiting(session)
            for place in range(1, size):
                person.answer("12"[place % 2], names[place])
            assert session.desk.learning == f"learning from batch {batch}"
            assert len(session.pool.labelled[0]) == START + batch * size - 1
            hang.go.set()
            wait_for(lambda after=batch + 1: len(session.pool.batches) > after)  # type: ignore[misc]
            person.answer("1", waiting(session)[1])
        assert person.run("return window.pauses") == 0, "nobody has waited for the model"
        assert person.faults() == []


def test_how_long_a_key_takes_beside_a_model_that_trains(
    sit: Sit,
    composed: Compose,
    coils: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The medians are a line in the log, no promise; that all answers go through while it trains is one."""
    cfg = settings(composed, coils, tmp_path, query=24, epochs=1_000_000)
    with working(cfg) as session, hanging(monkeypatch, HANGS[0]) as (hang,):
        answer_audit_and_start(session)
        assert hang.reached.wait(PATIENCE_S)
        trainer, names = hang.at.trainer, waiting(session)
        person = sit(session.desk, first=names[0])
        try:
            answer_in_turn(person, names[1:12])
            hang.go.set()
            wait_for(lambda: trainer.current_epoch > 0)
            answer_in_turn(person, names[12:23])
            assert trainer.current_epoch < trainer.max_epochs
        finally:
            trainer.should_stop = True
        person.until(lambda: len(person.swaps()) == 22, "not all were measured")
    before, beside = (statistics.median(part) for part in (person.swaps()[:11], person.swaps()[11:]))
    with capsys.disabled():
        print(
            f"\nlabelling page, key to next image painted: median {before:.1f} ms while the model waits, "
            f"{beside:.1f} ms while it trains (11 answers each)"
        )


def answer_in_turn(person: Person, following: list[str]) -> None:
    for place, name in enumerate(following):
        time.sleep(LOOK_S)
        person.answer("12"[place % 2], name)
