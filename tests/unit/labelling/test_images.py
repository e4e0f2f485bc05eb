"""What there is to label: a folder without a table, and tables that say a part of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image

from coilal.common.types import UserError
from coilal.fit.tasks.multiclass import Multiclass
from coilal.fit.tasks.multilabel import Multilabel
from coilal.labelling.images import Images, read_images
from coilal.labelling.settings import LabelSettings
from coilal.runs.settings import Settings

Compose = Callable[..., DictConfig]
KINDS: dict[str, type] = {"multiclass": Multiclass, "multilabel": Multilabel}


def write_png(path: Path, grey: int) -> None:
    Image.fromarray(np.full((12, 10), grey, dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    there = tmp_path / "images"
    there.mkdir()
    for coil in range(6):
        for view in range(3):
            write_png(there / f"Spule{coil:02}_{view}.png", 20 * coil + view)
    return there


def read(composed: Compose, folder: Path, *overrides: str, task: str = "multiclass") -> Images:
    cfg = composed(
        *("label=session", "data=coils", f"data.root={folder}", f"task={task}", f"cache.dir={folder.parent / 'c'}"),
        *("data.image.size=[12,10]", "label.audit=4", f"records={folder.parent / 'records'}", *overrides),
    )
    settings = Settings.of(cfg)
    return read_images(settings, KINDS[task](), LabelSettings.of(settings))


def test_a_folder_without_a_table(composed: Compose, folder: Path) -> None:
    images = read(composed, folder, "label.classes=[ok,dent]")
    groups = np.array(images.samples.groups)
    assert len(images.audit) == 4, "two views of each of two coils"
    assert len(images.pool) == 12, "their other views stand aside"
    assert not set(groups[images.audit]) & set(groups[images.pool])
    assert len(images.pool) == 12
    prepared = images.prepared(images.names(["scratch"]), {int(images.audit[0]): "dent"})
    assert prepared.targets.names == ("dent", "ok", "scratch"), "sorted, as a study of these labels has them"
    assert prepared.split.test.tolist() == [images.audit[0]]
    assert prepared.targets.values[images.audit[0]] == 0
    assert prepared.targets.good_class == 1
    assert images.folder == folder
    prepared.keep_records()
    assert read(composed, folder, "label.classes=[ok,dent]").audit.tolist() == images.audit.tolist()


def test_new_files_of_an_audited_coil_and_of_others(composed: Compose, folder: Path) -> None:
    images = read(composed, folder, "label.classes=[ok,dent]")
    images.prepared(("dent", "ok"), {}).keep_records()
    audited = images.samples.groups[images.audit[0]]
    write_png(folder / f"{audited}_9.png", 200)
    write_png(folder / "Spule99_0.png", 201)
    again = read(composed, folder, "label.classes=[ok,dent]")
    names = again.samples.names
    assert "Spule99_0.png" in [names[number] for number in again.pool]
    assert f"{audited}_9.png" not in [names[number] for number in again.pool], "its coil is measured with"


def test_a_table_labels_some_and_gives_the_split(composed: Compose, folder: Path) -> None:
    rows = ["image,label,group,split"]
    for path in sorted(folder.iterdir()):
        coil = int(path.name[5:7])
        part = {0: "test", 1: "val"}.get(coil, "pool")
        label = ("ok" if coil % 2 else "dent") if coil < 3 else ""
        rows.append(f"{path.name},{label},c{coil},{part}")
    (folder / "labels.csv").write_text("\n".join(rows))
    images = read(composed, folder, "label.classes=[scratch]")
    assert not len(images.audit)
    assert images.classes == ("scratch", "dent", "ok")
    assert {images.samples.names[number]: label for number, label in images.told_by_table.items()} == {
        f"Spule02_{view}.png": "dent" for view in range(3)
    }
    split = images.prepared(images.names(()), {}).split
    assert (len(split.test), len(split.validation), len(split.pool)) == (3, 3, 12)


def test_labels_of_a_multilabel_session(composed: Compose, folder: Path) -> None:
    images = read(composed, folder, "label.classes=[gap,dent]", task="multilabel")
    number = int(images.audit[0])
    prepared = images.prepared(images.names(["cross"]), {number: ("cross",)})
    assert prepared.targets.values[number].tolist() == [0, 0, 1]
    assert (prepared.targets.values[images.pool] == -1).all()


def test_who_names_no_classes_is_told_how(composed: Compose, folder: Path) -> None:
    with pytest.raises(UserError, match=r"nobody says what the classes are: .*label\.classes=\[ok,dent"):
        read(composed, folder, "label.classes=[ok]")
    with pytest.raises(UserError, match="nobody says what the labels are"):
        read(composed, folder, task="multilabel")


def test_an_audit_set_of_all_images_leaves_none_to_learn_from(composed: Compose, folder: Path) -> None:
    with pytest.raises(UserError, match=r"all 18 are in the audit set; .*label\.audit"):
        read(composed, folder, "label.classes=[ok,dent]", "label.audit=99")
