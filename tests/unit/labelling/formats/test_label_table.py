from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from coilal.active.labels import Label, as_labels
from coilal.common.cli import conf_folder
from coilal.common.types import Kind, Samples, UserError
from coilal.data.table import LabelTable
from coilal.labelling.formats.label_table import READ_AS_NOTHING, label_table, settings_to_read
from coilal.labelling.formats.rows import Labelled

CONF = yaml.safe_load((Path(conf_folder()) / "data" / "coils.yaml").read_text(encoding="utf-8"))["source"]
CONF["attribute_column"] = None  # what data.split.by is, which only a composed configuration knows


def read_back(folder: Path, rows: list[Labelled], kind: Kind, classes: list[str]) -> Samples:
    """Return what ``data=coils`` reads, with the settings that are said to be needed."""
    for row in rows:
        (folder / row.image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(folder / row.image)
    (folder / "labels.csv").write_text(label_table(rows, kind, classes), encoding="utf-8")
    chosen: dict[str, Any] = {key: value for key, value in CONF.items() if not key.startswith("_")}
    chosen |= {"root": str(folder), "labels": str(folder / "labels.csv")}
    for setting in settings_to_read(rows, kind, classes):
        override = OverridesParser.create().parse_override(setting)
        value = override.value()
        chosen[str(override.key_or_group).removeprefix("data.source.")] = (
            [str(each) for each in value] if isinstance(value, list) else value
        )
    return LabelTable(**chosen).read()


def labels_of(samples: Samples, kind: Kind) -> list[Label]:
    values, names = (
        (samples.classes, samples.class_names) if kind == "multiclass" else (samples.labels, samples.label_names)
    )
    assert values is not None
    return as_labels(values.astype("int64"), names)


def check(folder: Path, rows: list[Labelled], kind: Kind, classes: list[str]) -> None:
    samples = read_back(folder, rows, kind, classes)
    assert list(samples.names) == [row.image for row in rows]
    assert list(samples.groups) == [row.group for row in rows]
    assert samples.parts == tuple(row.part for row in rows)
    assert labels_of(samples, kind) == [row.label for row in rows]
    assert len(samples.unlabelled) == 0


CLASSES = ["none", "nan", "01", "1", "Lücke, groß", 'a "quoted" one', "-", "1.5"]


def test_classes_of_all_kinds_are_read_back(tmp_path: Path) -> None:
    parts = ["pool", "validation", "test"]
    rows = [
        Labelled(f"x, y/{k}_ü'.png", f"0{k}" if k else "nan", name, parts[k % 3]) for k, name in enumerate(CLASSES)
    ]
    check(tmp_path, rows, "multiclass", CLASSES)


def test_a_plain_table_needs_no_settings(tmp_path: Path) -> None:
    rows = [Labelled("a.png", "7", "ok", "pool"), Labelled("b.png", "8", "dent", "test")]
    assert settings_to_read(rows, "multiclass", ["ok", "dent"]) == ()
    check(tmp_path, rows, "multiclass", ["ok", "dent"])


@pytest.mark.parametrize(
    "labels",
    [["dent", "gap"], ["Label", "Problem"], ["Image", "coil", 'it\'s, "so"'], ["class"], ["nan", "01", "1"]],
)
def test_labels_of_all_kinds_are_read_back(tmp_path: Path, labels: list[str]) -> None:
    rows = [
        Labelled("a.png", "7", (), "pool"),
        Labelled("b.png", "7.5", tuple(labels), "test"),
        Labelled("c.png", "8", (labels[-1],), "pool"),
    ]
    check(tmp_path, rows, "multilabel", labels)


def test_a_label_cannot_be_called_like_a_column() -> None:
    with pytest.raises(UserError, match="split"):
        label_table([], "multilabel", ["dent", "split"])


def test_the_names_that_are_read_as_nothing_are_those_of_the_configuration() -> None:
    assert set(CONF["no_value"]) == READ_AS_NOTHING


NAME = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F, blacklist_categories=["Cc", "Cf"]), min_size=1
).filter(lambda name: name == name.strip() and not name.endswith(".0"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    classes=st.lists(NAME, min_size=2, max_size=5, unique=True), kind=st.sampled_from(["multiclass", "multilabel"])
)
def test_any_names_are_read_back(tmp_path: Path, classes: list[str], kind: Kind) -> None:
    rows = [Labelled(f"{k}.png", f"g{k}", name, "pool") for k, name in enumerate(classes)]
    if kind == "multilabel":
        assume(not any("+" in name or name in ("none", "image", "group", "split") for name in classes))
        rows = [Labelled(f"{k}.png", f"g{k}", tuple(classes[:k]), "pool") for k in range(len(classes) + 1)]
    check(tmp_path, rows, kind, classes)
