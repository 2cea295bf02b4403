"""Many prompts at once: every line as if alone, and a record that is never doubled nor cut."""

import json
from pathlib import Path

import pytest

import unmask
from tests.frontier.small_model import small_model
from unmask.models.prompts import Prompt, answer_prompts, read_prompts

LINES = [
    {"id": "a", "prompt": "the ", "length": 24},
    {"id": "b", "template": "the ____ of", "sampler": "ancestral(num_steps=4)"},
    {"id": 3, "prompt": "", "length": 16, "seed": 99},
    {"id": "d", "prompt": "of a ", "length": 22},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES) + "\n")
    return path


@pytest.fixture(scope="module")
def model() -> unmask.TextModel:
    return small_model(seed=2)


def rows(path: Path) -> list[dict]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    timed = ("seconds", "tokens_per_second")
    untimed = [{name: value for name, value in row.items() if name not in timed} for row in found]
    return sorted(untimed, key=lambda row: (str(row["id"]), row["seed"]))


def test_every_line_is_as_it_is_alone(model, file) -> None:
    prompts = read_prompts(file)
    assert [each.id for each in prompts] == ["a", "b", 3, "d"]
    answers = list(answer_prompts(model, prompts, num_samples=2, seed=10, batch_size=3))
    assert len(answers) == 8
    for answer in answers:
        asked = answer.prompt
        (alone,) = model.generate(
            asked.prompt, template=asked.template, length=asked.length, sampler=asked.sampler,
            seed=answer.sample.seed,
        )  # fmt: skip
        assert (alone.text, alone.cost) == (answer.sample.text, answer.sample.cost)
    seeds = sorted((str(each.prompt.id), each.sample.seed) for each in answers)
    assert seeds == [("3", 99), ("3", 100), ("a", 10), ("a", 11), ("b", 12), ("b", 13),
                     ("d", 16), ("d", 17)]  # fmt: skip


@pytest.mark.parametrize("num_done", range(9))
def test_a_record_is_gone_on_with_from_wherever_it_was_cut(
    num_done, model, file, tmp_path
) -> None:
    prompts, whole, cut = read_prompts(file), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    list(answer_prompts(model, prompts, num_samples=2, output=whole))
    lines = whole.read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[:num_done]) + (lines[num_done][:30] if num_done < 8 else ""))
    more = answer_prompts(model, prompts, num_samples=2, output=cut, resume=True)
    assert len(list(more)) == 8 - num_done
    assert rows(cut) == rows(whole) and cut.read_bytes().endswith(b"}\n")


def test_a_record_of_something_else_is_left_alone(model, file, tmp_path) -> None:
    prompts, path = read_prompts(file), tmp_path / "out.jsonl"
    list(answer_prompts(model, prompts, output=path))
    before = path.read_bytes()
    others = [Prompt(id="a", prompt="a cat ", length=24), *prompts[1:]]
    for asked, choices in ((others, {}), (prompts, {"seed": 5}), (prompts[:2], {})):
        with pytest.raises(unmask.PromptError, match="is of another prompt, or of another seed"):
            answer_prompts(model, asked, output=path, resume=True, **choices)
    with pytest.raises(unmask.OutputError, match="already exists"):
        list(answer_prompts(model, prompts, output=path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no prompts"),
        ("\n \n", "holds no prompts"),
        ('{"prompt": "a"', "line 1 is not JSON"),
        ('the \n{"promt": "a"}', "line 2 has 'promt'; there are: id, prompt"),
        ('{"prompt": 5}', "line 1: prompt cannot be 5"),
        ('{"chat": []}', "chat cannot be"),
        ('{"chat": [{"role": 1}]}', "chat cannot be"),
        ('{"seed": 1.5, "prompt": "a"}', "seed cannot be 1.5"),
        ('{"length": true}', "length cannot be True"),
        ('{"id": [1]}', "id cannot be"),
        ('{"id": 1, "prompt": "a"}\n{"id": 1, "prompt": "b"}', "the id 1 is that of two prompts"),
        ("[" * 10**5, None),
    ],
)
def test_a_wrong_line_is_named(text, said, tmp_path) -> None:
    path = tmp_path / "prompts"
    path.write_text(text)
    if said is None:
        assert read_prompts(path)[0].prompt == text  # a plain line, whatever it holds
        return
    with pytest.raises(unmask.DataError, match=said):
        read_prompts(path)


def test_what_does_not_fit_is_told_before_the_first(model, tmp_path) -> None:
    prompts = [Prompt(id="fine", prompt="a"), Prompt(id="wrong", prompt="Capital")]
    with pytest.raises(
        unmask.PromptError, match="prompt 'wrong': .*none of the model's characters"
    ):
        answer_prompts(model, prompts, output=tmp_path / "out.jsonl")
    with pytest.raises(unmask.ConfigError, match="prompt 'odd': .*no sampler"):
        answer_prompts(model, [Prompt(id="odd", sampler="nonesuch")])
    assert not list(tmp_path.iterdir())


def test_plain_lines_are_prompts_or_chats(tmp_path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"the \r\n\nof a \nWhat?")
    assert read_prompts(path) == [
        Prompt(id=1, prompt="the "), Prompt(id=3, prompt="of a "), Prompt(id=4, prompt="What?")
    ]  # fmt: skip
    assert read_prompts(path, as_chats=True)[2] == Prompt(id=4, chat="What?")


def test_questions_are_answered_from_a_file(tmp_path) -> None:
    chat = unmask.load("arithmetic")
    path = tmp_path / "questions"
    path.write_text("What is 2 plus 3?\nWhat is 9 minus 4?\n")
    answers = list(answer_prompts(chat, read_prompts(path, as_chats=True), batch_size=2))
    for answer in answers:
        assert answer.sample.text == chat.chat(answer.prompt.chat).text
