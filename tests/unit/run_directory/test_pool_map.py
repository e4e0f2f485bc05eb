from __future__ import annotations

from pathlib import Path

import numpy as np

from coilal.run_directory.pool_map import PoolMap, read_map


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = PoolMap(["a.png", "ö/b.png"], np.array([[1, 2], [3, 4]], dtype=np.float32), 0.25)
    written.write(tmp_path / "map.npz")
    found = read_map(tmp_path / "map.npz")
    assert found is not None
    assert (found.images, found.share) == (["a.png", "ö/b.png"], 0.25)
    np.testing.assert_array_equal(found.places, written.places)


def test_what_is_not_there_or_damaged_is_no_map(tmp_path: Path) -> None:
    assert read_map(tmp_path / "map.npz") is None
    (tmp_path / "map.npz").write_bytes(b"PK\x03\x04 and no more")
    assert read_map(tmp_path / "map.npz") is None
