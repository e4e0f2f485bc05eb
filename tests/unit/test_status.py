from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coilal.common.types import UserError
from coilal.status import main
from tests.unit.sweep.test_states import NAME, run_directory


def test_status_reads_the_study_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_directory(tmp_path / "study", NAME, state="done")
    monkeypatch.setattr(sys, "argv", ["status", "study=study", f"outputs={tmp_path}", "--json"])
    main()
    assert json.loads(capsys.readouterr().out)["counts"]["done"] == 1


@pytest.mark.parametrize("wrong", ["sudy=a", "study", "study="])
def test_a_wrong_setting_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["status", wrong])
    with pytest.raises(UserError, match="study=NAME"):
        main()


def test_status_does_without_the_slow_imports() -> None:
    code = "import sys, coilal.status; print(sorted({'torch', 'pandas', 'hydra'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
