from __future__ import annotations

from coilal.data.division import Division


def test_splits_of_a_round_of_folds_and_all_that_leave_a_value_out_test_nothing_in_common() -> None:
    rounds = [list(Division(0.15, 0.25, folds=5, number=number).apart) for number in (0, 4, 5)]
    assert rounds == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    by = Division(0.15, 0.25, number=7, by="type")
    assert {0, 7, 40} <= set(by.apart)
    assert not Division(0.15, 0.25, number=7).apart, "random splits may test the same groups"
