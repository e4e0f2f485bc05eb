from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from coilal.common.cli import conf_folder
from coilal.common.types import ImageFormat, UserError
from coilal.data.decode import fit_image
from coilal.demo.pretraining import FIRST_SEED, MEAN, STD, Recipe, moved, pretrain, render, save
from coilal.demo.renderer import CoilRenderer, Winding, another_history
from coilal.features import timm_trunk
from coilal.features.build import build_backbone
from coilal.features.weights import resolve
from coilal.pretrain import main

pytestmark = pytest.mark.slow


MINUTE = Recipe(
    arguments={"in_chans": 1, "stem_width": 8, "channels": [8, 8, 8, 8]},
    image_size=(119, 91),
    scenes=2,
    windings=3,
    views=2,
    steps=2,
    scenes_per_step=2,
)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return render(MINUTE)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(images: np.ndarray) -> None:
    first, again = pretrain(MINUTE, images).state_dict(), pretrain(MINUTE, images).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = pretrain(Recipe(**{**vars(MINUTE), "seed": 1}), images).state_dict()
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])


def test_training_moves_the_weights_and_leaves_only_the_network(images: np.ndarray) -> None:
    net = pretrain(MINUTE, images)
    longer = pretrain(Recipe(**{**vars(MINUTE), "steps": 3}), images)
    assert not torch.equal(net.state_dict()["conv1.0.weight"], longer.state_dict()["conv1.0.weight"])
    assert not net.training


def test_windings_of_a_scene_differ_and_views_of_a_winding_share_what_differs(images: np.ndarray) -> None:
    assert images.shape == (2, 3, 2, 119, 91)
    assert images.dtype == np.uint8
    for scene in images.astype(float):
        for view in (0, 1):
            assert len({winding[view].tobytes() for winding in scene}) == 3
        assert not np.array_equal(scene[0, 0], scene[0, 1])


def test_photographs_do_not_depend_on_how_many_are_made(images: np.ndarray) -> None:
    np.testing.assert_array_equal(
        render(Recipe(**{**vars(MINUTE), "scenes": 1, "scenes_per_step": 1}))[0], images[0]
    )


def test_moved_faults_stay_on_the_winding_at_their_distances_and_go_to_other_strands() -> None:
    winding = Winding.of(FIRST_SEED, 1)
    rng = np.random.default_rng(0)
    elsewhere = 0
    for attempt in range(30):
        faults = another_history(FIRST_SEED, 1, attempt)
        there = moved(faults, winding, rng)
        before, after = (np.array([fault.strand for fault in some]) for some in (faults, there))
        np.testing.assert_array_equal(np.abs(before[:, None] - before), np.abs(after[:, None] - after))
        assert after.min() >= 0
        assert after.max() < winding.strands
        assert [(f.kind, f.face, f.start, f.shape) for f in faults] == [
            (f.kind, f.face, f.start, f.shape) for f in there
        ]
        elsewhere += not np.array_equal(before, after)
    assert elsewhere > 25
    assert moved((), winding, rng) == ()


def test_coils_of_data_sets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="seeds below 1000000 are for data sets"):
        Recipe(render_seed=FIRST_SEED - 1)
    assert main(["--out", str(tmp_path / "w.safetensors"), "--render-seed", "0"]) == 2
    assert "--render-seed=0" in capsys.readouterr().err


def test_saved_weights_load_into_the_backbone_and_say_what_they_are(images: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "minute.safetensors"
    net = pretrain(MINUTE, images)
    save(net, MINUTE, {"time_s": 1}, path)
    trunk = timm_trunk.build(MINUTE.architecture, MINUTE.arguments, path)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(trunk.net.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["coilal"])
    assert about == json.loads(path.with_suffix(".json").read_text())
    assert about["render_seed"] >= FIRST_SEED


def test_a_second_call_goes_on_after_the_last_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coilal.pretrain.Recipe", lambda **given: Recipe(**{**vars(MINUTE), **given, "scenes": 2}))
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert main(["--out", str(one), "--rounds", "2", "--steps", "1", "--threads", "1"]) == 0
    monkeypatch.setattr("coilal.demo.pretraining.pretrain", _stops_in_round(1))
    with pytest.raises(KeyboardInterrupt):
        main(["--out", str(two), "--rounds", "2", "--steps", "1", "--threads", "1"])
    monkeypatch.setattr("coilal.demo.pretraining.pretrain", pretrain)
    assert main(["--out", str(two), "--rounds", "2", "--steps", "1", "--threads", "1"]) == 0
    there, here = load_file(one), load_file(two)
    assert all(torch.equal(there[name], here[name]) for name in there)


def _stops_in_round(last: int) -> Callable[..., torch.nn.Module]:
    def stopping(recipe: Recipe, photographs: np.ndarray, number: int, start: object) -> torch.nn.Module:
        if number == last:
            raise KeyboardInterrupt
        return pretrain(recipe, photographs, number, start)

    return stopping


def packaged_recipe() -> tuple[Path, Recipe]:
    path = resolve("packaged", None, "tiny")
    assert path is not None
    about = json.loads(path.with_suffix(".json").read_text())
    known = {name: about[name] for name in vars(MINUTE)}
    return path, Recipe(**{**known, "image_size": tuple(known["image_size"])})


def test_packaged_weights_are_small_and_belong_to_the_recipe_in_the_code() -> None:
    path, recipe = packaged_recipe()
    assert path.stat().st_size <= 3_000_000
    assert recipe == Recipe()
    model = OmegaConf.load(Path(conf_folder()) / "model" / "tiny.yaml")
    assert {name: model.trunk.arguments[name] for name in recipe.arguments} == recipe.arguments
    assert (model.normalisation.mean, model.normalisation.std) == ([MEAN], [STD])
    assert all(torch.isfinite(value).all() for value in load_file(path).values())


def test_packaged_features_tell_an_altered_winding_from_an_untouched_one() -> None:
    """A dark line drawn between two strands must move the features more than another exposure does."""
    path, recipe = packaged_recipe()
    image = CoilRenderer(FIRST_SEED + 1, 1).render(500)
    image = fit_image(Image.fromarray(image), ImageFormat((476, 364)))[None]
    brighter = np.clip(image * 1.05, 0, 255).astype(np.uint8)
    gap = image.copy()
    gap[:, :, 238:242, 120:240] = 20

    def features(pixels: np.ndarray) -> torch.Tensor:
        backbone = build_backbone(
            trunk=lambda weights: timm_trunk.build(recipe.architecture, recipe.arguments, weights),
            weights=path,
            image_size=(476, 364),
            pooling="mean_max",
            trainable="head",
            normalisation=((MEAN,), (STD,)),
            seed=0,
        )
        with torch.inference_mode():
            return backbone.prefix(torch.from_numpy(pixels.copy()))[0]

    plain = features(image)
    assert (features(gap) - plain).norm() > 2 * (features(brighter) - plain).norm()
