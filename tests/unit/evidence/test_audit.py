from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coilal.evidence.audit import AuditReader, Point
from coilal.evidence.clustered import gain, share_interval
from coilal.evidence.proportion import exact
from coilal.run_directory.health import AUDIT_PREDICTIONS, DamagedError

IMAGES = [f"c{coil}_{view}.png" for coil in range(4) for view in range(3)]
GROUPS = [name[:2] for name in IMAGES]
TRUTH = ["ok", "dent", "ok"] * 4


def write(folder: Path, cycles: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]] = ()) -> None:
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "state.json").write_text(json.dumps({"cycles": cycles}))
    lines = [{"journal": 1}, *records] if records else []
    (folder / AUDIT_PREDICTIONS).write_text("".join(json.dumps(line) + "\n" for line in lines))


def row(cycle: int, share: float = 0.5, **more: float) -> dict[str, Any]:
    return {"cycle": cycle, "labelled": 24 * (cycle + 1), "test/accuracy": share, **more}


def record(cycle: int, predicted: Sequence[Any], images: int = 12) -> dict[str, Any]:
    columns = {"images": IMAGES, "groups": GROUPS, "told": TRUTH, "predicted": list(predicted)}
    return {"cycle": cycle, **{name: column[:images] for name, column in columns.items()}}


def right(*wrong: int) -> list[str]:
    return ["scratch" if place in wrong else label for place, label in enumerate(TRUTH)]


def test_points_are_measured_by_image_with_the_interval_of_groups(tmp_path: Path) -> None:
    write(tmp_path, [row(0, fit_s=1.0, infer_s=0.5), row(1)], [record(0, right(0, 1, 2)), record(1, right(3))])
    audit = AuditReader(tmp_path, "multiclass").read({}, 12)
    numbers = np.repeat(np.arange(4), 3)
    first = share_interval(np.array([False] * 3 + [True] * 9), numbers)
    assert audit.points[0] == Point(24, 0.75, *first, of=12, groups=4)
    assert audit.points[1].value == pytest.approx(11 / 12)
    assert [cycle.machine_s for cycle in audit.cycles] == [1.5, 0.0]
    before, after = np.array([False] * 3 + [True] * 9), np.arange(12) != 3
    assert audit.gain(0, 1) == gain(before, after, numbers)


def test_answers_of_now_count_for_all_cycles(tmp_path: Path) -> None:
    write(tmp_path, [row(0), row(1)], [record(0, right(0, 1)), record(1, right())])
    reader = AuditReader(tmp_path, "multiclass")
    assert [point.value for point in reader.read({}, 12).points] == pytest.approx([10 / 12, 1])
    corrected = reader.read({IMAGES[0]: "scratch", IMAGES[1]: None}, 12)
    assert [(point.value, point.of) for point in corrected.points] == [(1.0, 11), (pytest.approx(10 / 11), 11)]


def test_images_that_only_one_cycle_was_asked_about_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path, [row(0), row(1)], [record(0, right(0), images=6), record(1, right(11))])
    audit = AuditReader(tmp_path, "multiclass").read({}, 12)
    assert [point.of for point in audit.points] == [6, 12]
    found = audit.gain(0, 1)
    assert found is not None
    assert (found.images, found.groups, found.value) == (6, 2, pytest.approx(1 / 6))


def test_cycles_of_an_earlier_version_are_measured_by_their_share(tmp_path: Path) -> None:
    write(tmp_path, [row(0, 0.5), row(1, 0.75), row(2)], [record(2, right(1))])
    audit = AuditReader(tmp_path, "multiclass").read({}, 8)
    assert audit.points[0] == Point(24, 0.5, *exact(4, 8), of=8, groups=0)
    assert [point.of for point in audit.points] == [8, 8, 12]
    assert audit.gain(0, 2) is None
    assert AuditReader(tmp_path, "multilabel").read({}, 8).points == audit.points[2:], "not that metric"
    assert AuditReader(tmp_path / "other", "multiclass").read({}, 8).points == []
    assert AuditReader(tmp_path, "multiclass").read({}, 0).points == [], "no audit set"


def test_a_cycle_that_was_done_again_counts_once_and_one_that_is_not_finished_not_at_all(tmp_path: Path) -> None:
    write(tmp_path, [row(0)], [record(0, right(0, 1, 2)), record(0, right(0)), record(1, right())])
    assert [point.value for point in AuditReader(tmp_path, "multiclass").read({}, 12).points] == [
        pytest.approx(11 / 12)
    ]


def test_several_labels_are_equal_in_any_order(tmp_path: Path) -> None:
    columns = {"images": IMAGES[:3], "groups": GROUPS[:3], "told": [["gap", "dent"], [], ["gap"]]}
    said = {"cycle": 0, **columns, "predicted": [["dent", "gap"], [], []]}
    write(tmp_path, [{"cycle": 0, "labelled": 24}], [said])
    reader = AuditReader(tmp_path, "multilabel")
    assert reader.read({}, 3).points[0].value == pytest.approx(2 / 3)
    assert reader.read({IMAGES[2]: ()}, 3).points[0].value == 1


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, [row(0)], [record(0, right(0))])
    reader = AuditReader(tmp_path, "multiclass")
    first = reader.read({}, 12)
    assert reader.read({}, 12) is first
    assert reader.read({IMAGES[0]: "scratch"}, 12).points[0].value == 1
    write(tmp_path, [row(0), row(1)], [record(0, right(0)), record(1, right())])
    assert len(reader.read({}, 12).points) == 2


def test_what_a_kill_left_is_passed_over_and_damage_is_told(tmp_path: Path) -> None:
    write(tmp_path, [row(0)], [record(0, right())])
    path = tmp_path / AUDIT_PREDICTIONS
    path.write_text(path.read_text() + '{"cycle": 1, "ima')
    assert len(AuditReader(tmp_path, "multiclass").read({}, 12).points) == 1
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DamagedError, match=r"audit_predictions\.jsonl is damaged \(line 3"):
        AuditReader(tmp_path, "multiclass").read({}, 12)
    write(tmp_path, [row(0)], [{**record(0, right()), "told": ["ok"]}])
    with pytest.raises(DamagedError, match="unequal length"):
        AuditReader(tmp_path, "multiclass").read({}, 12)
