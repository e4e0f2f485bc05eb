from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig

from coilal.common.cli import conf_folder, explain, run_main
from coilal.common.types import UserError


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("budget.querry=3", "budget.query"),
        ("trainer.max_epoch=3", "trainer.max_epochs"),
        ("model.optimizer.lr_hed=1", "model.optimizer.lr_head"),
        ("sed=3", "seed"),
    ],
)
def test_a_typo_in_a_key_names_the_nearest_right_one(
    typo: str, meant: str, composed: Callable[..., DictConfig]
) -> None:
    with pytest.raises(HydraException) as error:
        composed(typo)
    message = explain(str(error.value), [typo])
    assert f"Did you mean {meant}" in message


def test_a_typo_in_a_choice_lists_the_choices(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(HydraException, match="margin"):
        composed("strategy=margn")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("strategy=margn", "strategy=margin"), ("data=coil", "data=coils"), ("model=dino", "model=dino_")],
)
def test_a_typo_in_a_choice_names_the_nearest_right_one(
    typo: str, meant: str, composed: Callable[..., DictConfig]
) -> None:
    with pytest.raises(HydraException) as error:
        composed(typo)
    message = explain(str(error.value), [typo])
    assert f"Did you mean {meant}" in message
    assert "Available options" in message


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("budget.qurey=3", "Did you mean budget.query"),  # the codes of a class column are whole numbers
        ("stratgey=margin", "Did you mean strategy"),
        ("group_pattern=null", "Did you mean data.source.group_pattern?"),
        ("data.source.label_names={a: b}", '"++data.source.label_names={a: b}"'),
        ("~budget.qurey", "Did you mean budget.query"),
        ("data.labels=a,b", "\"data.labels='a,b'\". -m makes a run of each"),
        ("seed=0,1", "this is one run. -m makes a run of each"),
        ("hydra.sweeper.rows=3", "hydra.sweeper.rows=3 is of the wrong type"),
    ],
)
def test_what_hydra_refuses_is_told_with_what_can_be_typed(
    argument: str, meant: str, composed: Callable[..., DictConfig]
) -> None:
    given = ["data=coils", "data.root=somewhere", argument]
    with pytest.raises(HydraException) as error:
        composed(*given)
    assert meant in explain(str(error.value), given)


def test_a_setting_that_another_command_has_is_told_where_it_is() -> None:
    arguments = ["study=mine", "compare.overkill=3"]
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_folder(), version_base=None), pytest.raises(HydraException) as error:
        compose("report", arguments)
    said = explain(str(error.value), arguments, "report")
    assert said.startswith("There is no setting 'compare.overkill' here: ")
    assert "is a setting of the run (inspection.overkill)" in said
    assert "python -m coilal.train inspection.overkill=" in said


def test_keys_that_are_added_as_the_message_says_are_there(composed: Callable[..., DictConfig]) -> None:
    cfg = composed("data=coils", "data.root=somewhere", "++data.source.label_names={a: b}")
    assert cfg.data.source.label_names.a == "b"


@pytest.mark.parametrize("argument", ["budget=null", "=3"])
def test_what_hydra_has_no_exception_of_its_own_for_is_told(
    argument: str, composed: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run_main(lambda: composed(argument) and None)
    assert exit_.value.code == 2
    assert "error: Config group override" in capsys.readouterr().err


def test_a_command_sees_text_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train", "-m", "study=2026_11_28", "seed=1_0"])
    run_main(lambda: None)
    assert sys.argv == ["train", "-m", "study='2026_11_28'", "seed=1_0"]


def test_a_choice_like_no_other_gets_no_hint(composed: Callable[..., DictConfig]) -> None:
    with pytest.raises(HydraException) as error:
        composed("strategy=xyz")
    assert "Did you mean" not in explain(str(error.value), ["strategy=xyz"])


def test_user_errors_end_with_code_2_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("the label table is empty")

    with pytest.raises(SystemExit) as exit_:
        run_main(main)
    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert "the label table is empty" in shown
    assert "Traceback" not in shown


def lightning() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        sys.exit(1)


def ctrl_c() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("main", [ctrl_c, lightning])
def test_an_interrupted_command_says_how_it_goes_on(
    main: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run_main(main)
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on where this one stopped\n"


def test_with_force_the_same_command_would_begin_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "force=true"])
    with pytest.raises(SystemExit):
        run_main(ctrl_c)
    assert "the same command without force=true goes on" in capsys.readouterr().err


def test_other_exit_codes_stay() -> None:
    with pytest.raises(SystemExit) as exit_:
        run_main(lambda: sys.exit(7))
    assert exit_.value.code == 7


def test_other_errors_are_not_swallowed() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_main(main)
