from __future__ import annotations

import pytest

from coilal.sweep.cells import Cell, pack, spread


def cell(name: str, group: str = "a", replays: str | None = None) -> Cell:
    return Cell("outputs/study", name, (), group, replays)


def names(jobs: list[list[Cell]]) -> list[list[str]]:
    return [[member.name for member in job] for job in jobs]


def test_a_job_holds_cells_of_one_group_and_the_first_jobs_of_all_groups_come_first() -> None:
    cells = [cell("a0"), cell("b0", "b"), cell("a1"), cell("b1", "b"), cell("a2"), cell("a3"), cell("a4")]
    assert names(pack(cells, 2)) == [["a0", "a1"], ["b0", "b1"], ["a2", "a3"], ["a4"]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_every_cell_is_in_exactly_one_job_of_at_most_that_size(size: int) -> None:
    cells = [cell(str(i), group="abc"[i % 3]) for i in range(17)]
    jobs = pack(cells, size)
    assert sorted((c.name for job in jobs for c in job), key=int) == [c.name for c in cells]
    assert max(map(len, jobs)) <= size
    assert all(len({c.group for c in job}) == 1 for job in jobs)


def test_a_replaying_cell_follows_its_source_in_the_same_job() -> None:
    cells = [cell("replay", replays="source"), cell("other"), cell("source")]
    assert names(pack(cells, 1)) == [["other"], ["source", "replay"]]
    assert names(spread(cells, 3)) == [["other"], ["source", "replay"]]


def test_a_replaying_cell_without_its_source_in_the_grid_is_a_cell_like_any_other() -> None:
    assert names(pack([cell("replay", replays="done before"), cell("other")], 1)) == [["replay"], ["other"]]


def test_spread_is_even_and_keeps_groups_side_by_side() -> None:
    cells = [cell(f"{group}{i}", group) for i in range(4) for group in "ab"]
    assert names(spread(cells, 2)) == [["a0", "a1", "a2", "a3"], ["b0", "b1", "b2", "b3"]]
    assert [len(job) for job in spread(cells, 3)] == [3, 3, 2]
    assert names(spread(cells[:2], 5)) == [["a0"], ["b0"]]


def test_jobs_that_share_a_group_take_turns() -> None:
    cells = [cell(f"{strategy}{i}") for strategy in ("random", "entropy") for i in range(2)]
    assert names(spread(cells, 2)) == [["random0", "entropy0"], ["random1", "entropy1"]]
    assert names(spread(cells, 3)) == [["random0", "entropy1"], ["random1"], ["entropy0"]]


def test_nothing_to_do_is_no_job() -> None:
    assert pack([], 4) == []
    assert spread([], 4) == []
