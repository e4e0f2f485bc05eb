from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from coilal.evidence.advice import Stake, advice, duration
from coilal.evidence.audit import Audit, Cycle, Point
from coilal.evidence.clustered import gain
from coilal.evidence.report_settings import Prices

PRICES = Prices(annotator_hour=36, compute_hour=3.6, currency="EUR", idle=0.5)


def audit(*wrong: Sequence[int], of: int = 64, groups: int = 16, labels: int = 24) -> Audit:
    """Return cycles of so many labels each, by the images that each gets wrong."""
    names = [f"{number}" for number in range(of)]
    cycles = [
        Cycle(
            Point(labels * (place + 1), 1 - len(those) / of, 0.0, 1.0, of, groups),
            machine_s=10.0,
            right={name: number not in those for number, name in enumerate(names)},
        )
        for place, those in enumerate(wrong)
    ]
    return Audit(cycles, {name: str(number % groups) for number, name in enumerate(names)})


def test_it_says_what_was_bought_at_what_price_and_what_the_next_batch_costs() -> None:
    found = audit(range(40), range(30), range(20), range(12), range(8))
    verdict, expected_next, bought, following = advice(found, Stake(0.05), 5.0, PRICES)
    # 72 labels of 5 s are 3.60 at 36 an hour; three cycles of 10 s 0.03, and to wait thrice 1.50
    assert bought.startswith(
        "The last 72 labels (about 6 minutes, 5.13 EUR) moved what the model gets right from 53 %"
    )
    assert expected_next.startswith("Expected: +12 points from the next 72 labels, interval +"), "to 100 %"
    assert expected_next.endswith(
        "if they bring what the last ones did. 5 cycles are too few to fit a curve and hold some out: 6 at least."
    )
    expected = gain(np.arange(64) >= 30, np.arange(64) >= 8, np.arange(64) % 16)
    assert f"to 88 % of the audit set: +34 points, 95 % interval +{100 * expected.low:.0f} to" in bought
    assert "the same 64 images of 16 parts before and after" in bought
    assert following == "Another batch of 24 labels costs about 2 minutes, 1.71 EUR."
    assert verdict.startswith("The labels still buy something: at this rate a further percentage point takes 29 s")


def test_where_all_is_labelled_nothing_more_is_advised() -> None:
    found = advice(audit(range(40), range(30), range(20), range(12), range(8)), Stake(0.05), 5.0, PRICES, True)
    assert found[0] == "All images are labelled: more labels need more images."
    assert len(found) == 2
    assert found[1].startswith("The last 72 labels (about 6 minutes, 5.13 EUR) moved")


def test_a_flat_curve_is_not_worth_it_where_the_audit_set_is_large_enough_to_know() -> None:
    flat = audit(*[range(40)] * 4, range(3, 42), of=400, groups=100)
    verdict = advice(flat, Stake(0.05), 5.0, None)[0]
    assert verdict.startswith("More labels of this kind are not worth it")
    assert "the next 3 batches are expected to add less than 5 points (label.least_gain)" in verdict
    assert "not worth it" not in advice(flat, Stake(0.005), 5.0, None)[0]
    assert "not worth it" in advice(audit(*[range(9)] * 5), Stake(0.05), 5.0, None)[0], "no image changed"


def test_what_an_error_costs_says_from_which_gain_on_labels_are_worth_it() -> None:
    """72 labels and three cycles cost 5.13: 1.71 points of 10,000 decisions at 0.03, 0.0171 at 3."""
    slow = audit(*[range(40)] * 4, range(1, 41), of=400, groups=100)
    dear, cheap = (advice(slow, Stake(0.05, error, 10_000), 5.0, PRICES)[0] for error in (3.0, 0.03))
    assert "is expected" not in dear
    assert "0.017 points would be worth it (what they cost, beside label.error)" in dear
    assert cheap.startswith("More labels of this kind are not worth it")
    assert "less than 1.7 points (what they cost, beside label.error)" in cheap
    unknown = advice(slow, Stake(0.05, 3.0, 10_000), None, PRICES)[0]
    assert "5 points (label.least_gain)" in unknown, "nobody knows what a label took"


@pytest.mark.parametrize(
    ("last", "enough"), [(range(10, 15), "enough"), (range(3, 13), "too little"), (range(9, 16), "enough")]
)
def test_an_audit_set_too_small_to_tell_says_so_with_what_it_can_tell(last: Sequence[int], enough: str) -> None:
    verdict, *_ = advice(audit(*[range(10)] * 4, last), Stake(0.02), 5.0, None)
    assert verdict.startswith(
        f"The next 3 batches are expected to add {enough}, but the audit set is too small to tell: on 64 images "
    )
    assert "and 2 points would be worth it (label.least_gain)" in verdict


def test_a_curve_that_goes_up_and_down_is_not_blamed_on_the_audit_set() -> None:
    wrong = [range(count) for count in (2000, 1500, 1700, 1150, 1350, 1140, 1000, 1080, 1060)]
    verdict, expected, *_ = advice(audit(*wrong, of=4000, groups=1000), Stake(0.03), 5.0, None)
    assert "the curve is too unsteady to follow it that far; 3 points would be worth it" in verdict
    assert expected.startswith("Expected of the curve so far")


def test_of_one_part_nothing_can_be_told() -> None:
    verdict, _, bought, *_ = advice(
        audit(range(40), range(30), range(9), range(5), groups=1), Stake(0.05), 5.0, None
    )
    assert "95 % interval −100 to +100" in bought
    assert "on 64 images of 1 part a gain is seen from about 100 points on" in verdict


WRONG = (360, 270, 203, 152, 114, 85)  # of 400: three quarters after each batch


def test_from_six_cycles_on_the_curve_says_what_comes_and_when_to_stop() -> None:
    steep = audit(*map(range, WRONG), of=400, groups=100)
    verdict, expected, *_ = advice(steep, Stake(0.06), 5.0, None)
    assert verdict.startswith("The labels still buy something: at this rate")
    assert re.match(
        r"Expected of the curve so far: \+\d+ points from the next 72 labels, interval \+\d+ to", expected
    )
    found = re.search(r"less than 6 points from (\d+) labels on \(interval (\d+) to", expected)
    assert found is not None
    assert 144 <= int(found[2]) <= int(found[1]) <= 288
    verdict, expected, *_ = advice(steep, Stake(0.3), 5.0, None)
    assert verdict.startswith("More labels of this kind are not worth it: the next 3 batches are expected to add")
    assert expected.endswith("less than 30 points from now on.")


def test_a_curve_that_jumps_is_not_followed_and_says_why() -> None:
    jumping = audit(*map(range, (200, 200, 60, 200, 60, 200, 60)), of=400, groups=100)
    _, expected, *_ = advice(jumping, Stake(0.05), 5.0, None)
    assert "if they bring what the last ones did. The earlier cycles do not tell the later ones" in expected


def test_a_model_that_got_worse_is_called_so() -> None:
    assert "got worse" in advice(audit(range(2), range(9), range(20), range(30)), Stake(0.05), 5.0, None)[0]


def test_no_verdict_too_early_and_no_price_that_nobody_knows() -> None:
    assert advice(audit(range(9)), Stake(0.05), 5.0, None) == []
    assert len(advice(audit(range(9), range(3)), Stake(0.05), 5.0, None)) == 2
    (alone,) = advice(audit(range(9), range(3)), Stake(0.05), None, PRICES)
    assert alone.startswith("The last 24 labels moved")
    bought, following = advice(audit(range(9), range(3), labels=1), 0.05, 5.0, None)
    assert bought.startswith("The last 1 label (")
    assert following.startswith("Another batch of 1 label costs")


def test_cycles_of_an_earlier_version_cannot_be_compared() -> None:
    found = audit(range(9), range(3))
    before = Audit([Cycle(found.cycles[0].point, 0.0, {}), found.cycles[1]], found.group)
    (said,) = advice(before, Stake(0.05), 5.0, None)
    assert said.startswith("What the last 24 labels (about 2 minutes) bought cannot be said: earlier versions")


def test_durations_are_said_in_fitting_units() -> None:
    assert [duration(s) for s in (2, 89, 90, 3600, 7200)] == [
        *("2 seconds", "89 seconds", "2 minutes", "60 minutes", "2.0 hours")
    ]
