"""The notebooks run from top to bottom on a small study, and are stored without outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.studies import Simulated, write_study

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_both_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["average", "compare"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped_and_cells_are_short(path: Path) -> None:
    import nbformat  # takes seconds, which each process would spend on collecting the tests

    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert len(cell.source.splitlines()) <= 15


@pytest.mark.slow
@pytest.mark.parametrize("splits", [None, (0, 1, 2)], ids=["one split", "three splits"])
@pytest.mark.parametrize(("path", "figures"), list(zip(NOTEBOOKS, [1, 4], strict=True)), ids=["average", "compare"])
def test_runs_on_a_small_study(
    path: Path, figures: int, splits: Sequence[int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat
    from nbclient import NotebookClient

    for model in ("tiny", "mobilenet"):
        gains = {"random": 0.0, "margin": 0.03, "entropy": 0.0}
        write_study(tmp_path / "s", Simulated(gains, model=model, splits=splits, split_noise=0.01))
    monkeypatch.setenv("COILAL_STUDY", "s")
    monkeypatch.setenv("COILAL_OUTPUTS", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    shown = [output for output in outputs if output.output_type in ("display_data", "execute_result")]
    assert sum("image/png" in output.data for output in shown) == figures
    tables = [output.data["text/html"] for output in shown if "text/html" in output.data]
    assert len(tables) >= 4
    if splits is not None:
        assert any("<th>split</th>" in table for table in tables), "runs, and spread, by split"
