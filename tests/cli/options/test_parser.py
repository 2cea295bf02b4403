from dataclasses import dataclass

import pytest

from unmask.cli.options.parser import Parser, sentence


@dataclass(frozen=True, kw_only=True)
class Colours:
    """What the walls look like."""

    num_coats: int = 2
    """How often to paint."""
    main_colour: str = "white"
    """Of the walls."""


def parser() -> Parser:
    built = Parser("paint", "Paint a house.")
    built.add_argument("--brush-size", type=int, default=3)
    built.add_class_arguments(Colours, "walls")
    return built


@pytest.mark.parametrize(
    "arguments",
    [
        ["--walls.num_coats", "5", "--brush-size", "7"],
        ["--walls.num-coats", "5", "--brush-size=7"],
        ["--walls.num-coats=5", "--brush-size", "7"],
    ],
)
def test_dashes_and_underscores_are_the_same_after_a_dot(arguments: list[str]) -> None:
    options = parser().parse(arguments)
    assert (options.walls.num_coats, options.brush_size) == (5, 7)


def test_only_names_are_changed_not_values() -> None:
    options = parser().parse(["--walls.main-colour=off-white.a-b"])
    assert options.walls.main_colour == "off-white.a-b"
    assert parser().parse(["--walls.main_colour", "x.y-z"]).walls.main_colour == "x.y-z"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--walls.num_coats", "many"], "--walls.num_coats: expected int, got many"),
        (["--brush-size", "big"], "--brush_size: expected int, got big"),
        (["--brush-size"], "--brush-size: expected one argument"),
        (["--roof"], "unrecognized arguments: --roof"),
    ],
)
def test_a_mistake_is_answered_with_one_line_and_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stop:
        parser().parse(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"unmask paint: {complaint}. See `unmask paint --help`.\n")


def test_an_option_that_is_not_there_is_answered_with_the_nearest(capsys) -> None:
    with pytest.raises(SystemExit):
        parser().parse(["--brush-sice", "3"])
    assert "--brush-sice 3. Did you mean '--brush-size'? See" in capsys.readouterr().err
    with pytest.raises(SystemExit):  # no silent abbreviation
        parser().parse(["--brush", "3"])


def test_a_sentence_is_on_one_line_and_has_no_types_of_python() -> None:
    message = "Parser key \"a.b\":\n  Expected a typing.Literal['x', 'y']. Got value: z"
    assert sentence(message) == "--a.b: expected one of 'x', 'y', got z"


def test_help_carries_the_sentence_of_each_field_and_its_default() -> None:
    text = " ".join(parser().format_help().split())
    assert "How often to paint. (type: int, default: 2)" in text
    assert "What the walls look like" in text


def test_a_text_that_is_given_twice_is_refused(capsys) -> None:
    generate = Parser("generate", "Write.")
    generate.add_argument("--prompt", type=str, default="")
    with pytest.raises(SystemExit):
        generate.parse(["--prompt", "a", "--prompt=b"])
    assert "--prompt is given twice" in capsys.readouterr().err
    assert parser().parse(["--brush-size", "3", "--brush-size=4"]).brush_size == 4
