from dataclasses import dataclass, field
from typing import Literal

import pytest

from vp_science.errors import SettingsError
from vp_science.train.settings_file import build_settings, describe_settings, read_settings


@dataclass(frozen=True)
class Rate:
    learning_rate: float = 1e-3
    name: Literal["adamw", "adafactor"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self):
        if self.learning_rate <= 0:
            raise SettingsError(f"learning_rate: expected more than 0, found {self.learning_rate}")


@dataclass(frozen=True)
class Data:
    path: str
    weight: float = 1.0


@dataclass(frozen=True)
class Run:
    steps: int
    data: tuple[Data, ...] = ()
    init: str | None = None
    flip: bool = True
    names: tuple[str, ...] = ()
    optimizer: Rate = field(default_factory=Rate)


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_a_file_fills_tables_arrays_of_tables_and_keeps_defaults(tmp_path):
    path = write(
        tmp_path, 'steps = 5\n[optimizer]\nlearning_rate = 1\n[[data]]\npath = "a"\n[[data]]\npath = "b"\nweight = 2'
    )
    run = read_settings(Run, path)
    assert run == Run(5, (Data("a"), Data("b", 2.0)), optimizer=Rate(1.0))
    assert isinstance(run.optimizer.learning_rate, float)


def test_the_command_line_wins_and_needs_no_quotes(tmp_path):
    path = write(tmp_path, 'steps = 5\ninit = "x"\n[optimizer]\nname = "adafactor"')
    run = read_settings(
        Run,
        path,
        [
            ("steps", "7"),
            ("optimizer.learning-rate", "1e-5"),
            ("data", "my_videos/"),
            ("flip", "false"),
            ("names", "walk,run"),
            ("optimizer.betas", "[0.8, 0.9]"),
            ("init", "10"),
        ],
    )
    assert run == Run(7, (Data("my_videos/"),), "10", False, ("walk", "run"), Rate(1e-5, "adafactor", (0.8, 0.9)))


def test_none_is_a_word():
    assert read_settings(Run, None, [("steps", "1"), ("init", "none")]).init is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 5\nstep = 6", r"run.toml: unknown key step; did you mean steps\?"),
        (
            "steps = 5\n[optimizer]\nlearningrate = 1",
            r"unknown key optimizer.learningrate; did you mean optimizer.lear",
        ),
        ("steps = 5\nzzz = 1", "unknown key zzz; expected one of steps, data, init"),
        ("flip = true", r"expected steps \(a whole number\), found nothing"),
        ("steps = 5.0", "steps: expected a whole number, found 5.0"),
        ("steps = true", "steps: expected a whole number, found True"),
        ('steps = 5\n[optimizer]\nname = "sgd"', "optimizer.name: expected 'adamw' or 'adafactor', found 'sgd'"),
        ("steps = 5\n[optimizer]\nlearning_rate = -1", "optimizer: learning_rate: expected more than 0, found -1"),
        ("steps = 5\n[optimizer]\nlearning_rate = nan", "optimizer.learning_rate: expected a number, found nan"),
        ("steps = 5\n[optimizer]\nbetas = [0.9]", r"betas: expected a list \(2 of a number\), found \[0.9\]"),
        ("steps = 5\n[[data]]\nweight = 1", r"expected data\[0\].path"),
        ("steps = ", "expected TOML, found something else"),
    ],
)
def test_wrong_files_say_what_and_where(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        read_settings(Run, write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none.toml: expected a settings file, found none"):
        read_settings(Run, tmp_path / "none.toml")


def test_a_key_below_a_value_is_refused():
    with pytest.raises(SettingsError, match=r"steps.more: expected a key of a table"):
        read_settings(Run, None, [("steps", "5"), ("steps.more", "6")])


def test_settings_survive_json():
    run = Run(3, (Data("a"),), None, False, ("x",), Rate(2.0))
    assert build_settings(Run, describe_settings(run)) == run


@dataclass(frozen=True)
class SlowRun:
    optimizer: Rate = field(default_factory=lambda: Rate(0.5, betas=(0.8, 0.9)))


def test_a_table_given_in_part_keeps_the_defaults_of_its_owner(tmp_path):
    expected = Rate(0.5, "adafactor", (0.8, 0.9))
    assert read_settings(SlowRun, write(tmp_path, '[optimizer]\nname = "adafactor"')).optimizer == expected
    assert read_settings(SlowRun, None, [("optimizer.name", "adafactor")]).optimizer == expected
    assert read_settings(SlowRun, None).optimizer == Rate(0.5, betas=(0.8, 0.9))
