from __future__ import annotations

import pytest

from coilal.sweep.cells import Cell, pack, pack_stacks, spread, stacks


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


def stacked(name: str, stack: str | None = "s", replays: str | None = None) -> Cell:
    return Cell("outputs/study", name, (), "a", replays, stack)


def test_a_job_is_a_stack_or_a_cell_alone() -> None:
    cells = [stacked("a0"), stacked("alone0", None), stacked("b0", "t"), stacked("a1"), stacked("alone1", None)]
    assert names(pack_stacks(cells, 64)) == [["a0", "a1"], ["alone0"], ["alone1"], ["b0"]]
    assert names(pack(cells, 3)) == [["a0", "a1", "alone0"], ["alone1", "b0"]]
    assert names(pack_stacks(cells, 1)) == [["a0"], ["a1"], ["alone0"], ["alone1"], ["b0"]]
    others = [cell("x", "x"), cell("y", "x")]
    assert names(pack_stacks([*cells, *others], 64))[:2] == [["a0", "a1"], ["x"]], (
        "the first of each group come first"
    )


def test_stacks_are_as_large_as_one_another() -> None:
    cells = [stacked(str(number)) for number in range(10)]
    assert list(map(len, pack_stacks(cells, 4))) == [3, 3, 4]
    assert list(map(len, stacks(cells, 4))) == [3, 3, 4]
    assert [name for part in names(stacks(cells, 4)) for name in part] == [cell.name for cell in cells]


def test_what_is_stacked_is_done_by_one_process_as_far_as_the_shares_stay_even() -> None:
    cells = [stacked(f"{stack}{number}", stack) for number in range(3) for stack in "st"]
    assert names(spread(cells, 2)) == [["s0", "s1", "s2"], ["t0", "t1", "t2"]]
    assert names(spread(cells, 1)) == [["s0", "s1", "s2", "t0", "t1", "t2"]]
    six = [stacked(str(number)) for number in range(6)]
    assert list(map(len, spread(six, 2))) == [3, 3], "a stack that would leave a core idle is divided"


def test_replaying_cells_are_stacked_behind_their_sources_in_the_same_job() -> None:
    pairs = [
        [stacked(f"multiclass{number}"), stacked(f"replay{number}", "r", f"multiclass{number}")]
        for number in range(3)
    ]
    cells = [cell for pair in pairs for cell in pair]
    (job,) = pack_stacks(cells, 3)
    assert names(stacks(job, 3)) == [
        ["multiclass0", "multiclass1", "multiclass2"],
        ["replay0", "replay1", "replay2"],
    ]
    assert names(stacks(job, 1)) == [
        [f"{task}{number}"] for task in ("multiclass", "replay") for number in range(3)
    ]
    backwards = [cell for pair in pairs for cell in reversed(pair)]
    assert [sorted(part) for part in names(stacks(backwards, 3))] == names(stacks(job, 3))
    assert names(stacks([pairs[0][1]], 3)) == [["replay0"]], "a replaying cell whose source was done before"


def test_cells_that_are_trained_alone_are_done_in_the_order_in_which_they_came() -> None:
    cells = [stacked("alone0", None), stacked("s0"), stacked("alone1", None), stacked("s1")]
    assert names(stacks(cells, 64)) == [["alone0"], ["s0", "s1"], ["alone1"]]
