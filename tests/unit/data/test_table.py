from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from PIL import Image

from coilal.common.cli import conf_folder
from coilal.common.types import DataError, ImageFormat, Samples, UserError
from coilal.data.table import LabelTable

Make = Callable[..., LabelTable]

COIL_CLASSES = (
    "none",
    "double_winding",
    "gap",
    "crossover",
    "double_winding+gap",
    "double_winding+crossover",
    "gap+crossover",
    "double_winding+gap+crossover",
)


def source(root: Path, labels: Path | None = None, **settings: Any) -> LabelTable:
    """Build the source from its yaml, as `data=coils` does."""
    data = OmegaConf.load(Path(conf_folder()) / "data/coils.yaml")
    data.root, data.labels = str(root), None if labels is None else str(labels)
    arguments = OmegaConf.to_container(OmegaConf.create({"data": data}), resolve=True)["data"]["source"]  # type: ignore
    return LabelTable(**{key: value for key, value in arguments.items() if key[0] != "_"} | settings)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a table, and an image for each of its names, and return the source."""

    def write(table: str, **settings: Any) -> LabelTable:
        (tmp_path / "labels.csv").write_text(table)
        names = [line.split(",")[0] for line in table.splitlines()[1:]]
        for seed, name in enumerate(dict.fromkeys(name for name in names if name.endswith(".png"))):
            pixels = np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
        return source(tmp_path, **settings)

    return write


def problems(table: LabelTable) -> dict[str, tuple[str, ...]]:
    with pytest.raises(DataError) as caught:
        table.read()
    return {problem.kind: problem.places for problem in caught.value.problems}


def test_labels_of_a_table_with_other_faults(make: Make) -> None:
    samples = make("image,scratch,dent,group\na.png,1,0,g\nb.png,1.0,1,h\n").read()
    assert samples.names == ("a.png", "b.png")
    assert samples.groups == ("g", "h")
    assert samples.label_names == ("scratch", "dent")
    assert samples.labels is not None
    assert samples.labels.tolist() == [[1, 0], [1, 1]]
    assert samples.classes is None


def test_class_names_are_sorted_and_the_good_one_found(make: Make) -> None:
    samples = make("image,label,group,weather\na.png,ok,g,1\nb.png,bent,h,0\nc.png,ok,h,0\n").read()
    assert samples.class_names == ("bent", "ok")
    assert samples.classes is not None
    assert samples.classes.tolist() == [1, 0, 1]
    assert samples.good_class == 1
    assert samples.labels is None
    assert "not used: weather" in " ".join(samples.notes)


def test_numbered_classes_are_sorted_by_number(make: Make) -> None:
    rows = "".join(f"{number}.png,{number},g{number}\n" for number in (10, 9, 1))
    assert make(f"image,label,group\n{rows}").read().class_names == ("1", "9", "10")


def test_coil_codes_give_classes_and_labels(make: Make) -> None:
    samples = make("Image,Error_Multi\nSpule001_1.png,6.0\nSpule002_1.png,0\n").read()
    assert samples.groups == ("Spule001", "Spule002")
    assert samples.class_names == COIL_CLASSES
    assert samples.labels is not None
    assert samples.labels.tolist() == [[0, 1, 1], [0, 0, 0]]
    assert samples.good_class == 0


def test_coil_labels_give_the_same_classes(make: Make) -> None:
    table = "Image,3_Kreuzung,1_Doppelwindung,2_Luecke\nSpule001_1.png,1,0,1\nSpule001_2.png,0,1,0\n"
    samples = make(table).read()
    assert samples.classes is not None
    assert samples.classes.tolist() == [6, 1]
    assert samples.label_names == ("crossover", "double_winding", "gap")
    assert samples.class_labels is not None
    assert (samples.class_labels[samples.classes] == samples.labels).all()


def test_unlabelled_and_doubtful_rows(make: Make) -> None:
    table = "Image,Error_Multi,Problem\nSpule1_1.png,0,\nSpule1_2.png,,\nSpule1_3.png,2,Kreuzung?\n"
    kept = make(table).read()
    assert kept.names == ("Spule1_1.png", "Spule1_3.png")
    assert "1 rows without a label are left out" in " ".join(kept.notes)
    assert "1 rows with a doubt in column Problem are kept" in " ".join(kept.notes)
    assert make(table, doubtful="drop").read().names == ("Spule1_1.png",)
    (found,) = problems(make(table, unlabelled="error")).values()
    assert found == ("line 3: Spule1_2.png",)


def test_named_label_columns_override_a_class_column(make: Make) -> None:
    samples = make("image,label,a,b,group\nx.png,ok,0,1,g\n", label_columns=["b"]).read()
    assert samples.label_names == ("b",)
    assert samples.classes is None


def test_groups_from_names_columns_or_none(make: Make) -> None:
    table = "image,a\nSpule7_1.png,0\nSpule8_1.png,1\n"
    assert make(table).read().groups == ("Spule7", "Spule8")
    assert make(table, group_pattern=None).read().groups == ("Spule7_1.png", "Spule8_1.png")


def test_images_that_the_table_does_not_name_are_noted(make: Make, tmp_path: Path) -> None:
    table = make("image,a,group\nx.png,0,g\n")
    Image.new("L", (3, 3)).save(tmp_path / "extra.png")
    assert "1 images in" in " ".join(table.read().notes)


def test_images_may_lie_in_a_folder_of_that_name_and_the_table_beside_it(make: Make, tmp_path: Path) -> None:
    make("image,a,group\nx.png,0,g\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "x.png").rename(tmp_path / "images/x.png")
    for root in (tmp_path, tmp_path / "images"):
        table = source(root)
        assert table.decode(table.read(), ImageFormat((4, 4)), tmp_path / "cache").pixels.shape == (1, 1, 4, 4)


def test_every_problem_of_table_and_images_is_in_one_list(make: Make, tmp_path: Path) -> None:
    table = make(
        "image,a,b,group\n"
        "x.png,0,1,g\n"
        "\n"
        "y.png,2,1,g\n"
        "x.png,0,1,g\n"
        ",0,1,g\n"
        "z.png,,1,\n"
        "gone.jpg,0,1,g\n"
        "bad.jpg,0,1,g\n"
    )
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    found = problems(table)
    of_table = f"{tmp_path / 'labels.csv'}: "
    assert sum(kind.startswith(of_table) for kind in found) == 4, "rows are those of a table"
    by_word = {kind.removeprefix(of_table).split(";")[0]: places for kind, places in found.items()}
    assert by_word["labels that are not 0 or 1"] == ("line 4: y.png: a is '2'", "line 7: z.png: a is ''")
    assert by_word["duplicate rows: images that are named more than once"] == (
        "line 5: x.png, first in line 2: the same labels",
    )
    assert by_word["rows without a file name in column image"] == ("line 6: ",)
    assert by_word["rows without a group in column group"] == ("line 7: z.png",)
    assert next(places for kind, places in found.items() if "not in" in kind) == ("gone.jpg",)
    assert next(places for kind, places in found.items() if "unreadable" in kind)[0].startswith("bad.jpg")
    assert len(found) == 6


def test_duplicate_rows_whose_labels_disagree(make: Make) -> None:
    table = "image,a,b,group\nx.png,0,1,g\ny.png,0,1,h\nx.png,0,1.0,g\nx.png,1,1,g\n"
    ((_, places),) = problems(make(table)).items()
    assert places == (
        "line 4: x.png, first in line 2: the same labels",
        "line 5: x.png, first in line 2: labels disagree",
    )


def test_a_class_that_is_not_known(make: Make) -> None:
    ((kind, places),) = problems(make("Image,Error_Multi\nSpule1_1.png,8\nSpule1_2.png,0\n")).items()
    assert "not a known class" in kind
    assert places == ("line 2: Spule1_1.png: 8",)


def test_names_without_a_coil(make: Make) -> None:
    ((kind, places),) = problems(make("image,a\nphoto.png,1\nSpule1_1.png,0\n")).items()
    assert "group_pattern" in kind
    assert places == ("line 2: photo.png",)


@pytest.mark.parametrize("setting", ["image_column", "class_column", "group_column", "doubt_column"])
def test_a_column_that_is_not_there(make: Make, setting: str) -> None:
    ((kind, places),) = problems(make("image,a,group\nx.png,1,g\n", **{setting: "typo"})).items()
    assert "it has image, a, group" in kind
    assert places == (f"data.source.{setting}=typo",)


def test_an_attribute_that_is_not_there_is_named_as_it_is_set(make: Make) -> None:
    ((_, places),) = problems(make("image,a,group\nx.png,1,g\n", attribute_column="lin")).items()
    assert places == ("data.split.by=lin",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "is empty"),
        ("image,a,group\n", "has no rows"),
        ("image,a\nx.png,1,2,3\n", "cannot be read as CSV"),
        ("image,a\nx.png,1,2\ny.png,0,2\n", "cannot be read as CSV"),
        ("image,group\nx.png,g\n", "neither a class column nor"),
        ("name,a\nx.png,1\n", "image_column: none of Image, image, file, filename"),
        ("image,label,group\nx.png,,g\n", "no row"),
    ],
)
def test_tables_that_cannot_be_used(make: Make, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(table).read()


@pytest.mark.parametrize(("separator", "setting"), [(";", ";"), ("\t", r"\t")])
def test_a_table_of_another_separator(make: Make, separator: str, setting: str) -> None:
    text = "image,a,group\nx.png,1,g\n".replace(",", separator)
    with pytest.raises(DataError, match="data.source.separator='" + re.escape(setting)):
        make(text).read()
    Image.new("L", (3, 3)).save(make(text).root / "x.png")
    assert make(text, separator=setting).read().label_names == ("a",)


def test_a_table_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("image,Lücke\nx.png,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"is not in UTF-8 \(byte 0xfc in line 1\); save it as UTF-8"):
        source(tmp_path).read()
    (tmp_path / "labels.csv").write_bytes("image,Lücke,group\nx.png,1,g\n".encode("utf-8-sig"))
    assert source(tmp_path).read().label_names == ("Lücke",)


def test_folders_and_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.root"):
        source(tmp_path / "nowhere").read()
    with pytest.raises(DataError, match=r"set data\.labels"):
        source(tmp_path).read()


def test_settings_that_are_no_choice(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="keep or drop"):
        source(tmp_path, doubtful="maybe")
    (tmp_path / "labels.csv").write_text("image,a\nx.png,1\n")
    with pytest.raises(UserError, match="no group"):
        source(tmp_path, group_pattern="Spule").read()


COUNTS = {0: 19304, 1: 640, 2: 4128, 3: 736, 4: 6018, 5: 811, 6: 668, 7: 5737}
UNLABELLED = 92


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_the_real_tables_work_as_they_are(shared: Path, tmp_path: Path, kind: str) -> None:
    file = shared / f"reference/coil/40_coils_{kind}.csv"
    samples = source(tmp_path, file).read()
    assert len(set(samples.groups)) == 40
    assert samples.class_names == COIL_CLASSES
    assert samples.label_names == ("double_winding", "gap", "crossover")
    assert samples.classes is not None
    assert samples.class_labels is not None
    assert (samples.class_labels[samples.classes] == samples.labels).all()
    missing = UNLABELLED if kind == "multiclass" else 0
    expected = [COUNTS[0] - missing, *(COUNTS[code] for code in range(1, 8))]
    assert np.bincount(samples.classes).tolist() == expected
    assert any("92 rows without a label" in note for note in samples.notes) == bool(missing)


def test_the_real_tables_agree(shared: Path, tmp_path: Path) -> None:
    def classes(kind: str) -> pd.Series:
        samples = source(tmp_path, shared / f"reference/coil/40_coils_{kind}.csv").read()
        return pd.Series(samples.classes, index=list(samples.names))

    coded = classes("multiclass")
    assert (classes("multilabel")[coded.index] == coded).all()


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_a_part_of_a_real_table_with_images(shared: Path, tmp_path: Path, kind: str) -> None:
    table = pd.read_csv(shared / f"reference/coil/40_coils_{kind}.csv")[:6]
    table.to_csv(tmp_path / "part.csv", index=False)
    for seed, name in enumerate(table["Image"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (486, 745), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    reader = source(tmp_path, tmp_path / "part.csv")
    samples = reader.read()
    assert reader.decode(samples, ImageFormat((48, 36)), tmp_path / "cache").pixels.shape == (6, 1, 48, 36)


def read_shared(shared: Path, name: str) -> Samples:
    return source(shared / "data" / name).read()


def test_magnetic_tile(shared: Path) -> None:
    samples = read_shared(shared, "magnetic_tile")
    assert samples.class_names == ("blowhole", "break", "crack", "fray", "free", "uneven")
    assert samples.good_class == 4
    assert len(samples) == 1344


def test_deep_pcb(shared: Path) -> None:
    samples = read_shared(shared, "deep_pcb")
    assert samples.label_names == ("open", "short", "mousebite", "spur", "copper", "pinhole")
    assert len(samples) == 2000
    assert len(set(samples.groups)) == 11


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("sep=;\nimage;a;group\nx.png;1;g\n", "says sep=; in its first line"),
        ("image,a,a,group\nx.png,1,0,g\n", "columns of the same name"),
    ],
)
def test_first_lines_that_cannot_be_used(make: Make, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(table, separator="|" if "sep=" in table else ",").read()


def test_lines_are_those_of_the_file_below_a_separator_line(make: Make) -> None:
    ((_, places),) = problems(make("sep=,\nimage,a,group\nx.png,1,g\ny.png,2,h\n")).items()
    assert places == ("line 4: y.png: a is '2'",)
    ((_, places),) = problems(make("\n\nimage,a,group\nx.png,1,g\ny.png,2,h\n")).items()
    assert places == ("line 5: y.png: a is '2'",)


def test_columns_of_nothing_are_left_out(make: Make) -> None:
    assert make("image,a,group,,\nx.png,1,g,,\ny.png,0,h,,\n").read().label_names == ("a",)


def test_a_refusal_tells_which_cells_were_taken_as_empty(make: Make) -> None:
    found = problems(make("image,label,group\nx.png,bad,g\ny.png,ok,-\n"))
    assert any("1 cells of column group hold '-'" in kind for kind in found)
    found = problems(make("image,label,group\nx.png,-,g\ny.png,n/a\u200b,h\n"))
    assert any("2 cells of column label hold '-', 'n/a\\u200b'" in kind for kind in found)


@pytest.mark.parametrize("comment", ["# made by Anna", '"# a, b and c"', "# one\n# two, and three"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_comments_above_the_header_are_refused_with_their_lines(make: Make, comment: str, separator: str) -> None:
    table = "image,label,group,doubt\nx.png,ok,g,\n".replace(",", separator)
    ((kind, _),) = problems(make(f"\n{comment}\n{table}")).items()
    assert "in lines 2 to 3;" in kind if "\n" in comment else "in line 2;" in kind


@pytest.mark.parametrize("first", ["#", "# of image"])
def test_a_header_that_begins_with_a_hash_is_none(make: Make, first: str) -> None:
    table = make(f'{first},image,label,group\n1,x.png,"a,b",g\n', duplicates="keep")
    Image.new("L", (4, 4)).save(table.root / "x.png")
    assert table.read().class_names == ("a,b",)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("image,label,group\nx.png,ok,g\ny.png,ok,,h\n", "line 3 has 4 fields, and the header has 3"),
        ("\nimage,label,group\nx.png,ok,g,\ny.png,ok,h\n", "line 3 has 4 fields, and the header has 3"),
        ('image,label,group\n"x\n.png",ok,g\ny.png,ok,h,1\n', "line 4 has 4 fields"),
        ('image,label,group\nx.png,ok,g\ny.png,"ok,h\n', "line 3 has a double quote"),
        ('image,label,group\nx.png,"ok,g\n' + "y.png,ok,h\n" * 20000, "line 2 has a double quote"),
        ('image,label,group\nx.png,"ok,g\ny.png,"bent",h\nz.png,ok,h\n', "line 2 has a double quote"),
    ],
)
def test_a_broken_row_is_named_by_its_line(make: Make, table: str, says: str) -> None:
    ((kind, _),) = problems(make(table)).items()
    assert f"cannot be read as CSV: {says}" in kind


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_named(make: Make, tmp_path: Path, encoding: str) -> None:
    table = make("")
    (tmp_path / "labels.csv").write_bytes("image,label\nx.png,ok\n".encode(encoding))
    ((kind, _),) = problems(table).items()
    name = encoding.upper().replace("32-", "32")
    assert "is in UTF-32" in kind
    assert f"iconv -f {name} -t UTF-8" in kind


def test_two_spellings_of_a_code_are_refused_and_a_declared_code_is_found_in_any(make: Make) -> None:
    table = "Image,Error_Multi\nSpule1_1.png,1\nSpule2_1.png,1.0\n"
    ((kind, _),) = problems(make(table)).items()
    assert "classes that differ only in spelling" in kind
    for similar in ("merge", "keep"):
        samples = make(table, similar_names=similar).read()
        assert samples.classes is not None
        assert samples.classes.tolist() == [1, 1]


def test_faults_of_codes_have_names_that_can_be_told_apart(make: Make) -> None:
    codes = {"label": {0: [], 1: ["a+b"]}}
    ((kind, places),) = problems(make("image,label,group\nx.png,1,g\n", class_codes=codes)).items()
    assert "data.source.class_codes" in kind
    assert places == ("a+b",)


def test_a_label_that_no_command_line_can_write_is_renamed_in_the_table(make: Make) -> None:
    ((kind, _),) = problems(make("image,Lücke+Riß,b,group\nx.png,1,0,g\n")).items()
    assert "rename the columns in the first line of the table" in kind


def test_groups_found_in_names_are_compared_as_well(make: Make) -> None:
    table = make("image,a\ncoil7_1.png,1\nCoil7_2.png,0\n", group_pattern="^(.oil7)_")
    ((kind, places),) = problems(table).items()
    assert "groups that differ only in spelling" in kind
    assert len(places) == 1


def test_images_in_a_folder_of_that_name_may_be_named_with_it(make: Make, tmp_path: Path) -> None:
    make("image,a,group\nx.png,0,g\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "x.png").rename(tmp_path / "images/x.png")
    (tmp_path / "labels.csv").write_text("image,a,group\nimages\\x.png,0,g\n")
    table = source(tmp_path)
    samples = table.read()
    assert samples.names == ("images/x.png",)
    assert not any("not named" in note for note in samples.notes)
    assert table.decode(samples, ImageFormat((4, 4)), tmp_path / "cache").pixels.shape == (1, 1, 4, 4)


def test_files_of_other_kinds_are_noted(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.pgm")
    (tmp_path / "b.dcm").touch()
    (tmp_path / "labels.csv").write_text("image,label\na.pgm,ok\n")
    samples = LabelTable(str(tmp_path), class_column="label").read()
    assert "1 .dcm" in " ".join(samples.notes)


def test_rows_and_images_without_a_label_are_kept_for_the_pool(make: Make, tmp_path: Path) -> None:
    table = "image,a,b\nc1_1.png,1,0\nc2_1.png,,\nc2_2.png,0,1\n"
    settings = {"unlabelled": "pool", "group_pattern": r"^(c\d)_"}
    source = make(table, **settings)
    Image.new("L", (3, 3)).save(tmp_path / "c3_1.png")
    samples = source.read()
    assert samples.names == ("c1_1.png", "c2_1.png", "c2_2.png", "c3_1.png")
    assert samples.groups == ("c1", "c2", "c2", "c3")
    assert samples.unlabelled == (1, 3)
    assert samples.labels is not None
    assert samples.labels.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]
    notes = " ".join(samples.notes)
    assert "1 rows without a label are kept" in notes
    assert "1 images in" in notes
    assert "not named in the table and are kept without a label" in notes
    assert list(problems(make(table.replace(",,", ",1,"), **settings)).values()) == [("line 3: c2_1.png: b is ''",)]


def test_classes_without_a_label_are_no_class(make: Make) -> None:
    table = "Image,Error_Multi\nSpule1_1.png,\nSpule1_2.png,2\nSpule2_1.png,nan\nSpule2_2.png,0\n"
    samples = make(table, unlabelled="pool").read()
    assert samples.classes is not None
    assert samples.classes.tolist() == [-1, 2, -1, 0]
    assert samples.unlabelled == (0, 2)
    assert samples.class_names == COIL_CLASSES


def test_without_a_table_no_image_has_a_label(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "Spule1_1.png")
    samples = source(tmp_path, unlabelled="pool").read()
    assert (samples.names, samples.groups, samples.unlabelled) == (("Spule1_1.png",), ("Spule1",), (0,))
    assert (samples.classes, samples.labels) == (None, None)
    with pytest.raises(DataError, match="there is no label table"):
        source(tmp_path, tmp_path / "nowhere.csv", unlabelled="pool").read()


GIVEN = "image,label,group,split\na.png,ok,g,Train\nb.png,bent,h,dev\nc.png,ok,i,TEST\n"


def test_a_column_gives_the_split(make: Make) -> None:
    samples = make(GIVEN).read()
    assert samples.parts == ("pool", "validation", "test")
    notes = " ".join(samples.notes)
    assert "split from split" in notes
    assert "Train means pool, dev means validation" in notes
    assert make(GIVEN.replace("split", "fold"), split_column="fold").read().parts == samples.parts
    assert make(GIVEN.replace("split", "fold")).read().parts is None, "no usual name"


def test_rows_that_are_left_out_need_no_part(make: Make) -> None:
    samples = make(GIVEN + "d.png,,j,\n").read()
    assert samples.parts == ("pool", "validation", "test")


def test_a_column_named_like_a_split_may_be_something_else(make: Make) -> None:
    table = "image,split,dent,group\na.png,1,0,g\nb.png,0,1,h\n"
    samples = make(table).read()
    assert (samples.label_names, samples.parts) == (("split", "dent"), None)
    assert "Column split gives no split" in " ".join(samples.notes)
    grouped = make("image,label,split\na.png,ok,test\nb.png,bent,train\n", group_column="split").read()
    assert (grouped.groups, grouped.parts) == (("test", "train"), None)
    (found,) = problems(make(table, split_column="split", label_columns=["dent"])).values()
    assert found == ("line 2: a.png: '1'", "line 3: b.png: '0'")


def test_without_a_split_column_the_split_is_drawn_and_its_column_is_no_label(make: Make) -> None:
    assert make(GIVEN, split_column=None).read().parts is None
    samples = make(GIVEN.replace("label", "dent").replace("ok", "0").replace("bent", "1"), split_column=None).read()
    assert (samples.label_names, samples.parts) == (("dent",), None)
