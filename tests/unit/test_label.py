from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from coilal import label


def test_what_is_kept_and_what_can_be_typed_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [SimpleNamespace(labelled=([0] * count, []), unsure=[]) for count in (48, 109)]
    settings = SimpleNamespace(study="line3")
    session = SimpleNamespace(sessions=sessions, folder=tmp_path, has_model=False, settings=settings)
    monkeypatch.setattr(label, "TYPED", ("study=line3", "label.classes=[ok,dent]"))
    kept = label.what_is_kept(session)
    assert f"saved: 48 labels of the audit set and 109 to learn from, in {tmp_path}" in kept
    assert str(tmp_path / "labels.csv") in kept
    assert kept.endswith('to go on: python -m coilal.label study=line3 "label.classes=[ok,dent]"')
    sessions[0] = SimpleNamespace(labelled=([0], []), unsure=[])
    assert "saved: 1 label of the audit set and 109" in label.what_is_kept(session)
    assert "coilal.predict" not in kept, "there is no model yet"
    assert "unsure" not in kept
    session.has_model = True
    assert f"python -m coilal.predict run={tmp_path} data.root=FOLDER" in label.what_is_kept(session)
    sessions[0].unsure, sessions[1].unsure = [7], [2, 5]
    kept = label.what_is_kept(session)
    assert "unsure: 3 images are not learnt from; the page's gallery has a filter «unsure», and" in kept
    assert "python -m coilal.report study=line3 lists them" in kept
