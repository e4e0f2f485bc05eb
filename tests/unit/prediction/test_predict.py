"""Predictions of trained runs: the run's own figures, parts, operating point, refusals, kills."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageOps

from coilal.common.types import DataError, UserError
from coilal.prediction.predict import predict
from coilal.prediction.request import Request
from coilal.run_directory.data_record import read_rows
from coilal.run_directory.files import read_status, study_of, write_status
from coilal.run_directory.store import read_cycles
from coilal.runs.shared import forget
from tests.unit.prediction.trained import labels_of, train, write_coils

pytestmark = pytest.mark.slow

context = multiprocessing.get_context("forkserver")


def request(run: Path, root: Path, out: Path, **given: str) -> Request:
    names = {name.replace("__", "."): value for name, value in given.items()}
    return Request.of({"run": str(run), "data.root": str(root), "out": str(out / "predictions.csv"), **names})


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def probabilities(found: pd.DataFrame, names: Any) -> np.ndarray:
    return found[[f"probability/{name}" for name in names]].to_numpy()


@pytest.fixture
def own(coils: Path, multiclass: Path, tmp_path: Path) -> Path:
    """Return a folder with the test images of the runs alone: other files, other batches."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in np.load(multiclass / "predictions.npz")["images"]:
        shutil.copy(coils / name, folder / name)
    return folder


@pytest.mark.parametrize("run", ["multiclass", "multilabel"])
def test_its_test_images_get_the_probabilities_of_the_run(
    request_of: Any, run: str, own: Path, tmp_path: Path
) -> None:
    folder = request_of(run)
    forget()
    found = table(predict(request(folder, own, tmp_path))).set_index("image")
    stored = np.load(folder / "predictions.npz")
    assert sorted(found.index) == sorted(stored["images"])
    ours = probabilities(found.loc[list(stored["images"])], stored["names"])
    np.testing.assert_allclose(ours, stored["probabilities"], atol=1e-5, rtol=0)
    assert found["group"].tolist() == [name.split("_")[0] for name in found.index]


@pytest.fixture
def request_of(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue


def test_the_trained_block_counts(multilabel: Path, own: Path, tmp_path: Path) -> None:
    """With the initial weights of the block the run's figures are not met."""
    from safetensors.torch import load_file, save_file

    copy = tmp_path / "outputs" / "a" / "b" / "c" / "d" / "split0" / "seed0"
    shutil.copytree(multilabel, copy)
    path = copy / "checkpoints" / "model.safetensors"
    tensors = load_file(path)
    changed = [name for name in tensors if name.startswith("trained.") and name.endswith("conv2.weight")]
    save_file({name: value * (1 + (name in changed)) for name, value in tensors.items()}, path)
    found = table(predict(request(copy, own, tmp_path))).set_index("image")
    stored = np.load(multilabel / "predictions.npz")
    ours = probabilities(found.loc[list(stored["images"])], stored["names"])
    assert np.abs(ours - stored["probabilities"]).max() > 1e-3


@pytest.mark.parametrize("run", ["multiclass", "multilabel"])
def test_the_line_is_drawn_on_validation_images(request_of: Any, run: str, coils: Path, tmp_path: Path) -> None:
    folder = request_of(run)
    found = table(predict(request(folder, coils, tmp_path, overkill="10"))).set_index("image")
    about = json.loads((tmp_path / "predictions.json").read_text())
    record = read_rows(study_of(folder) / ".data" / read_status(folder)["data"]["record"])
    names = [name for name, row in record.items() if row["part"] == "validation"]
    is_good = np.array([labels_of(coils)[name] == "none" for name in names])
    flagged = (found.loc[names, "decision"] != "none").to_numpy()
    point = about["operating_point"]
    assert point["good"] == is_good.sum() > 0
    assert point["rejected"] == flagged[is_good].sum() <= 0.1 * is_good.sum()
    assert point["passed"] == (~flagged[~is_good]).sum()
    assert "10 %" in point["why"]
    strict = table(predict(request(folder, coils, tmp_path, overkill="0"))).set_index("image")
    assert (strict["decision"] != "none").sum() <= (found["decision"] != "none").sum()


@pytest.mark.parametrize("run", ["multiclass", "multilabel"])
def test_the_line_is_where_the_last_cycle_of_the_run_had_it(
    request_of: Any, run: str, own: Path, tmp_path: Path
) -> None:
    folder = request_of(run)
    predict(request(folder, own, tmp_path, overkill="5"))
    point = json.loads((tmp_path / "predictions.json").read_text())["operating_point"]
    last = read_cycles(folder).iloc[-1]
    thresholds = [last[name] for name in last.index if name.startswith("val/point/threshold")]
    assert point["thresholds"] == pytest.approx(thresholds, abs=1e-5)
    for ours, theirs in (("good", "good"), ("rejected", "rejected"), ("faulty", "faulty"), ("passed", "escaped")):
        assert point[ours] == last[f"val/point/{theirs}"]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_coils_are_decided_as_the_last_cycle_of_the_run_decided_on_them(
    coils: Path, cache: Path, tmp_path: Path, task: str
) -> None:
    forget()
    split = ("split=1", "data.split.validation=0.35", "data.split.test=0.35")  # one of five coils there is good
    given = ("data=coils", f"data.root={coils}", "study=of_coils", f"task={task}", *split)
    run = train(tmp_path / "outputs", cache, *given)
    predict(request(run, coils, tmp_path, overkill="5"))
    point = json.loads((tmp_path / "predictions.json").read_text())["operating_point_groups"]
    last = read_cycles(run).iloc[-1]
    for ours, theirs in (("good", "good"), ("rejected", "rejected"), ("faulty", "faulty"), ("passed", "escaped")):
        assert point[ours] == last[f"val/group/{theirs}"]
    decided = table(tmp_path / "predictions_groups.csv").set_index("group")["decision"]
    tested = [str(name) for name in np.load(run / "predictions.npz")["images"]]
    truth = labels_of(coils)
    faulty = {name.split("_")[0] for name in tested if truth[name] != "none"}
    taken = {group for group in {name.split("_")[0] for name in tested} if decided[group] != "none"}
    assert len(faulty - taken) == last["test/group/escaped"]
    assert len(taken - faulty) == last["test/group/rejected"]


def test_without_a_good_validation_coil_a_part_is_what_its_views_are(
    multiclass: Path, coils: Path, tmp_path: Path
) -> None:
    images = table(predict(request(multiclass, coils, tmp_path)))
    groups = table(tmp_path / "predictions_groups.csv").set_index("group")
    assert len(groups) == 12
    for group, views in images.groupby("group"):
        row = groups.loc[group]
        faulty = views[views["decision"] != "none"]
        assert row["views"] == len(views) == 16
        assert row["faulty_views"] == len(faulty)
        assert (row["decision"] != "none") == (len(faulty) > 0)
        assert row["fault_probability"] == views["fault_probability"].max()
        assert row["probability/gap"] == views["probability/gap"].max()
        if len(faulty):
            assert row["decision"] == faulty.loc[faulty["fault_probability"].idxmax(), "decision"]


def test_an_image_that_is_there_twice_is_predicted_twice(multiclass: Path, own: Path, tmp_path: Path) -> None:
    first = sorted(path.name for path in own.iterdir())[0]
    (own / "later").mkdir()
    shutil.copy(own / first, own / "later" / first)
    found = table(predict(request(multiclass, own, tmp_path))).set_index("image")
    once, again = found.loc[first], found.loc[f"later/{first}"]
    assert once[["group", "decision"]].equals(again[["group", "decision"]].rename(first))
    np.testing.assert_allclose(once[2:].astype(float), again[2:].astype(float), atol=1e-6)
    groups = table(tmp_path / "predictions_groups.csv").set_index("group")
    assert groups["views"].sum() == len(found)


def test_without_its_validation_images_the_largest_probability_decides(
    multiclass: Path, own: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "outputs" / "study" / "multiclass" / "tiny" / "entropy" / "split0" / "seed0"
    shutil.copytree(multiclass, copy)
    shutil.copytree(study_of(multiclass) / ".data", tmp_path / "outputs" / "study" / ".data")
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("/photos", "/gone").replace("/outputs/multi", "/outputs/no"))
    found = table(predict(request(copy, own, tmp_path)))
    about = json.loads((tmp_path / "predictions.json").read_text())["operating_point"]
    assert about["thresholds"] is None
    assert "not at hand" in about["why"]
    assert "gone" in about["why"]
    names = [name.removeprefix("probability/") for name in found if name.startswith("probability/")]
    largest = probabilities(found, names).argmax(1)
    assert found["decision"].tolist() == [names[number] for number in largest]


def test_a_labelling_session_that_goes_on_has_a_model_and_no_validation_images(
    multiclass: Path, own: Path, tmp_path: Path
) -> None:
    run = damaged(multiclass, tmp_path)
    config = yaml.safe_load((run / "config.yaml").read_text())
    label = {"classes": [], "audit": 64, "reask": 0.05, "show_guess": False, "host": "127.0.0.1", "port": 8571}
    config |= {"label": {**label, "open": False}, "budget": {**config["budget"], "ahead": 1}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    status = read_status(run)
    status["data"]["split"] = {"pool": 144, "validation": 0, "test": 48}
    write_status(run, {**status, "state": "running", "labelling": True})
    found = table(predict(request(run, own, tmp_path)))
    assert len(found) == 48
    point = json.loads((tmp_path / "predictions.json").read_text())["operating_point"]
    assert point["why"] == "the class of the largest probability: the run has no validation images"


def test_changed_validation_labels_are_not_used(multilabel: Path, coils: Path, own: Path, tmp_path: Path) -> None:
    file = coils.parent / "labels.csv"
    before = file.read_text()
    labels = pd.read_csv(file)
    labels["2_Luecke"] = 1 - labels["2_Luecke"]
    labels.to_csv(file, index=False)
    try:
        predict(request(multilabel, own, tmp_path))
    finally:
        file.write_text(before)
    point = json.loads((tmp_path / "predictions.json").read_text())["operating_point"]
    assert point["thresholds"] == [0.5] * 3
    assert "changed since" in point["why"]


def test_values_of_deep_images_are_scaled_as_those_of_the_run(tmp_path: Path) -> None:
    folder, cache = tmp_path / "photos", tmp_path / "cache"
    write_coils(folder, cache, deep=True)
    run = train(tmp_path / "outputs", cache, "data=coils", f"data.root={folder}", "study=deep")
    stored = np.load(run / "predictions.npz")
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(folder / stored["images"][0], few)  # its own values span less than those of all
    found = table(predict(request(run, few, tmp_path)))
    np.testing.assert_allclose(probabilities(found, stored["names"])[0], stored["probabilities"][0], atol=1e-5)


REFUSED = [
    ({"data__image__size": "[112,42]"}, r"size=\[112, 42\] \(the run: \[56, 42\]\)"),
    ({"data__image__mode": "RGB"}, r"mode=RGB \(the run: L\)"),
    ({"classes": "[none,gap]"}, "are not the classes of .* knows none, double_winding"),
    ({"cache__dir": "~nobody-at-all/x"}, "cache.dir"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_other_settings_than_those_of_the_run_are_refused(
    multiclass: Path, own: Path, tmp_path: Path, given: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        predict(request(multiclass, own, tmp_path, **given))
    assert not list(tmp_path.glob("predictions*"))


def test_settings_and_classes_that_are_those_of_the_run_may_be_given(
    multilabel: Path, own: Path, tmp_path: Path
) -> None:
    given = {
        "data__image__size": "[56,42]",
        "data__image__page": "null",
        "classes": "[gap,crossover,double_winding]",
    }
    assert predict(request(multilabel, own, tmp_path, **given)).exists()


def test_a_table_of_other_classes_is_refused(multiclass: Path, own: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in own.iterdir())
    labels = ["none" if number % 2 else "scratch" for number in range(len(names))]
    pd.DataFrame({"image": names, "label": labels}).to_csv(own / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"labels.csv: scratch are not the classes.*move labels.csv away"):
        predict(request(multiclass, own, tmp_path))
    given = tmp_path / "other.csv"
    (own / "labels.csv").rename(given)
    with pytest.raises(UserError, match=r"other.csv: scratch are not the classes"):
        predict(request(multiclass, own, tmp_path, data__labels=str(given)))
    pd.DataFrame({"image": names, "label": "gap"}).assign(
        label=["gap" if n % 2 else "none" for n in range(len(names))]
    ).to_csv(given, index=False)
    assert predict(request(multiclass, own, tmp_path, data__labels=str(given))).exists()


def test_class_folders_of_other_classes_are_refused(of_folders: Path, own: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(own.iterdir())):
        place = own / ("ok", "dented")[number % 2]
        place.mkdir(exist_ok=True)
        path.rename(place / path.name)
    with pytest.raises(UserError, match="dented are not the classes"):
        predict(request(of_folders, own, tmp_path))
    found = table(predict(request(of_folders, own, tmp_path, class_folders="false")))
    assert set(found["decision"]) <= {"ok", "faulty"}
    (own / "dented").rename(own / "faulty")
    assert predict(request(of_folders, own, tmp_path)).exists()


def test_an_empty_folder_and_images_without_a_group_are_refused(
    multiclass: Path, own: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="there is no image in"):
        predict(request(multiclass, empty, tmp_path))
    with pytest.raises(DataError, match="does not exist"):
        predict(request(multiclass, tmp_path / "nowhere", tmp_path))
    shutil.copy(next(own.iterdir()), own / "other.png")
    with pytest.raises(DataError, match=r"group_pattern .* does not match") as refused:
        predict(request(multiclass, own, tmp_path))
    assert "other.png" in str(refused.value)
    found = table(predict(request(multiclass, own, tmp_path, data__source__group_pattern="null")))
    assert found["group"].equals(found["image"])


def test_damaged_images_are_all_listed_and_nothing_is_predicted(
    multiclass: Path, own: Path, tmp_path: Path
) -> None:
    first, second, *_ = sorted(own.iterdir())
    first.write_bytes(first.read_bytes()[:300])
    second.write_bytes(b"")
    with pytest.raises(DataError) as refused:
        predict(request(multiclass, own, tmp_path))
    assert first.name in str(refused.value)
    assert second.name in str(refused.value)
    assert not list(tmp_path.glob("predictions*"))


def test_deep_images_are_refused_by_a_run_of_eight_bits(multiclass: Path, tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    Image.fromarray(np.arange(56 * 42, dtype=np.uint16).reshape(56, 42)).save(folder / "Spule001_Image1.png")
    with pytest.raises(UserError, match="more than 8 bits"):
        predict(request(multiclass, folder, tmp_path))


def damaged(run: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    return copy


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("checkpoints/model.safetensors", b"nothing", "model.safetensors is damaged"),
        ("predictions.npz", b"nothing", "predictions.npz is damaged"),
        ("predictions.npz", None, "predictions.npz is damaged"),
        ("config.yaml", b"a: [", "config.yaml is damaged"),
        ("config.yaml", None, "no run directory"),
        ("status.json", None, "status.json is damaged"),
    ],
)
def test_a_damaged_run_is_refused(
    multiclass: Path, own: Path, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    run = damaged(multiclass, tmp_path)
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_bytes(content)
    with pytest.raises(UserError, match=message):
        predict(request(run, own, tmp_path))


@pytest.mark.parametrize(
    ("state", "message"), [("running", "it is running"), ("failed", "it failed"), ("done", "gone")]
)
def test_a_run_without_weights_is_refused(
    multiclass: Path, own: Path, tmp_path: Path, state: str, message: str
) -> None:
    run = damaged(multiclass, tmp_path)
    (run / "checkpoints" / "model.safetensors").unlink()
    write_status(run, {**read_status(run), "state": state, "error": "ValueError: why", "host": "here"})
    with pytest.raises(UserError, match=f"no trained weights: .*{message}"):
        predict(request(run, own, tmp_path))


def test_other_weights_of_the_backbone_are_refused(of_folders: Path, own: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not those that .* was trained with \(fingerprint random"):
        predict(request(of_folders, own, tmp_path, model__weights="packaged"))


def test_a_study_is_no_run_and_names_one(multiclass: Path, own: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"this is no run directory.*for example run=.*seed0"):
        predict(request(study_of(multiclass), own, tmp_path))


def test_only_its_own_tables_are_replaced(multiclass: Path, multilabel: Path, own: Path, tmp_path: Path) -> None:
    notes = tmp_path / "predictions_groups.csv"
    notes.write_text("mine")
    with pytest.raises(UserError, match=r"predictions_groups.csv is there"):
        predict(request(multiclass, own, tmp_path))
    assert notes.read_text() == "mine"
    predict(request(multiclass, own, tmp_path, force="true"))
    first = (tmp_path / "predictions.csv").read_text()
    predict(request(multiclass, own, tmp_path, overkill="50"))
    with pytest.raises(UserError, match="no prediction of this run for this folder"):
        predict(request(multilabel, own, tmp_path))
    assert (tmp_path / "predictions.csv").read_text().splitlines()[0] == first.splitlines()[0]


def killed(run: str, root: str, out: str, cache: str, kill_at: int) -> None:
    """Predict, and die within the extraction, which keeps each batch at once."""
    import os

    import coilal.common.array_store.build
    from coilal.features.backbone import Backbone

    coilal.common.array_store.build.COMMIT_S = 0.0
    compute, seen = Backbone.prefix, []

    def counted(backbone: Backbone, batch: Any) -> Any:
        seen.append(len(batch))
        if sum(size > 1 for size in seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(backbone, batch)

    Backbone.prefix = counted  # type: ignore[method-assign]
    predict(request(Path(run), Path(root), Path(out), cache__dir=cache))


def test_a_killed_prediction_goes_on_from_the_cache(
    multiclass: Path, own: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in list(own.iterdir()):  # of images that the run has the features are copied
        ImageOps.mirror(Image.open(path)).save(path.with_name(f"{path.stem}9{path.suffix}"), quality=95)
    cache = str(tmp_path / "cache")
    batches = 192 // 16 + 3  # those of the run's own images come first
    process = context.Process(target=killed, args=(str(multiclass), str(own), str(tmp_path), cache, batches))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "predictions.csv").exists()
    images = len(list(own.iterdir()))
    new = images // 2
    with caplog.at_level("INFO"):
        found = table(predict(request(multiclass, own, tmp_path, cache__dir=cache))).set_index("image")
    assert "features of 192 images were in the cache" in caplog.text
    assert f"extracted features of {new - 32} images" in caplog.text, "two batches were kept"
    stored = np.load(multiclass / "predictions.npz")
    ours = probabilities(found.loc[list(stored["images"])], stored["names"])
    np.testing.assert_allclose(ours, stored["probabilities"], atol=1e-5, rtol=0)
    caplog.clear()
    with caplog.at_level("INFO"):
        predict(request(multiclass, own, tmp_path, cache__dir=cache))
    assert f"features of {images} images were in the cache" in caplog.text
