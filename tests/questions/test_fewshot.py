"""Examples before a question: turns of the chat, of its subject, never the question itself."""

import json
import zipfile
from pathlib import Path

import pytest
import torch

import unmask
from unmask.data.questions import Question, examples_for, protocol, read_questions
from unmask.errors import ConfigError, PromptError
from unmask.questions.answering import Examples, prompts
from unmask.questions.evaluate import answer

POOL = [
    Question("1+1?", "2", "one and one\n#### 2", "sums"),
    Question("2*3?", "6", "", "products"),
    Question("2+2?", "4", "two and two\n#### 4", "sums"),
]


def test_examples_are_of_the_subject_first_and_never_the_question() -> None:
    asked = Question("1+1?", "2", subject="sums")
    assert examples_for(asked, POOL, 1) == [POOL[2]]
    assert examples_for(asked, POOL, 2) == [POOL[2], POOL[1]]
    assert examples_for(Question("new?", "1"), POOL, 2) == POOL[:2]


def test_they_are_turns_of_the_chat() -> None:
    turns = protocol("gsm8k").turns(Question("new?", "1"), POOL[:2])
    assert turns == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "one and one\n#### 2"},
        {"role": "user", "content": "2*3?"},
        {"role": "assistant", "content": "#### 6"},
        {"role": "user", "content": "new?"},
    ]
    short = protocol("gsm8k", "answer-only").turns(Question("new?", "1"), POOL[:1])
    assert short[1]["content"] == "Answer: 2" and short[2]["content"].startswith("new?\n\nGive")
    letters = protocol("mmlu").turns(Question("new?", "B"), [Question("old?", "C")])
    assert letters[1]["content"] == "Answer: C"


def test_what_an_example_says_is_read_as_right() -> None:
    for task, names in {"gsm8k": ("worked", "answer-only"), "mmlu": ("letter",)}.items():
        for name in names:
            chosen = protocol(task, name)
            for question in [Question("q", "C")] if task == "mmlu" else POOL:
                assert chosen.is_right(question, chosen.show(question))


def test_the_prompt_is_that_of_the_chat() -> None:
    model = unmask.load("arithmetic")
    (given,) = prompts(model, [POOL[1]], protocol("gsm8k"), 8, Examples(POOL, 1))
    turns = protocol("gsm8k").turns(POOL[1], POOL[:1])
    assert torch.equal(given, model.given_ids(chat=turns, max_new_tokens=8))
    assert "one and one" in model.decode(given[given != model.vocab_size])


def gsm8k_file(path: Path, num: int) -> str:
    rows = [{"question": f"{n}+1?", "answer": f"sum\n#### {n + 1}"} for n in range(num)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_reports_say_how_many_and_which(tmp_path: Path) -> None:
    model, settings = unmask.load("arithmetic"), {"decoders": "threshold", "num_questions": 2}
    data, train = gsm8k_file(tmp_path / "test", 2), gsm8k_file(tmp_path / "train", 9)

    def report(out: str, **options):
        return answer(model, data, out=tmp_path / out, max_new_tokens=16, **settings, **options)

    plain, shown = report("a"), report("b", num_fewshot=2, fewshot=train)
    assert (plain["num_fewshot"], plain["fewshot"]) == (0, "")
    assert shown["num_fewshot"] == 2 and len(shown["fewshot"]) == 12
    said = (tmp_path / "b" / "report.md").read_text()
    assert "questions to arithmetic, behind 2 examples each." in said
    assert "examples each" not in (tmp_path / "a" / "report.md").read_text()
    with pytest.raises(ConfigError, match="its num_fewshot is 0, this one.s 2"):
        report("a", num_fewshot=2, fewshot=train, resume=True)
    made = answer(
        model,
        "arithmetic:single",
        out=tmp_path / "c",
        max_new_tokens=16,
        num_fewshot=1,
        **settings,
    )
    assert made["num_fewshot"] == 1 and made["fewshot"] != shown["fewshot"]


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"num_fewshot": -1}, ConfigError, "--num-fewshot must be at least 0"),
        ({"num_fewshot": 2}, ConfigError, "name the file they are from with --fewshot-data"),
        ({"num_fewshot": 9, "fewshot": "TRAIN"}, ConfigError, "9 examples were asked for, and"),
        ({"num_fewshot": 8, "fewshot": "TRAIN"}, PromptError, "there is room for"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, options, error, complaint) -> None:
    data = gsm8k_file(tmp_path / "test", 3)
    rows = [{"question": f"{n}+1? " * 40, "answer": f"#### {n + 1}"} for n in range(8)]
    (tmp_path / "train").write_text("\n".join(map(json.dumps, rows)))
    if "fewshot" in options:
        options = options | {"fewshot": str(tmp_path / "train")}
    with pytest.raises(error, match=complaint):
        answer(unmask.load("arithmetic"), data, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_files_of_one_subject_each_say_which(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mmlu.zip", "w") as archive:
        for name in ("dev/law_dev.csv", "dev/art_dev.csv", "test/art_test.csv"):
            archive.writestr(name, f"of {name}?,1,2,3,4,B\n")
    pool = read_questions("mmlu", tmp_path / "mmlu.zip", "dev/")
    (asked,) = read_questions("mmlu", tmp_path / "mmlu.zip", "test/")
    assert asked.subject == "art" and {each.subject for each in pool} == {"law", "art"}
    (example,) = examples_for(asked, pool, 1)
    assert example.text.startswith("of dev/art_dev.csv?")
