"""Files of questions, whole and damaged, and what answers say."""

import zipfile

import pytest

from unmask.data.questions import (
    PROTOCOLS,
    Question,
    protocol,
    read_gsm8k,
    read_mmlu,
    read_questions,
)
from unmask.errors import ConfigError, DataError


def test_gsm8k_is_read(tmp_path) -> None:
    file = tmp_path / "gsm8k.jsonl"
    file.write_text(
        '{"question": "How many?", "answer": "2*3=<<2*3=6>>6\\n#### 6"}\n\n'
        '{"question": "And é?", "answer": "#### 1,234"}\n'
    )
    assert read_gsm8k(file) == [
        Question("How many?", "6", "2*3=<<2*3=6>>6\n#### 6"),
        Question("And é?", "1234", "#### 1,234"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'Why?,one,two,"three, or so",four,C\nHow?,a,b,c,d,A\n',
        'question,choice0,choice1,choice2,choice3,answer\n'
        'Why?,one,two,"three, or so",four,2\nHow?,a,b,c,d,0\n',
    ],
    ids=["letters", "header"],
)  # fmt: skip
def test_mmlu_is_read_in_both_layouts(text: str, tmp_path) -> None:
    file = tmp_path / "mmlu.csv"
    file.write_text(text)
    assert read_mmlu(file) == [
        Question("Why?\nA. one\nB. two\nC. three, or so\nD. four", "C"),
        Question("How?\nA. a\nB. b\nC. c\nD. d", "A"),
    ]


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_questions_of_several_files_come_in_turn(kind, tmp_path) -> None:
    files = {
        "dev/a_dev.csv": "example,1,2,3,4,A\n",
        "test/a_test.csv": "a1,1,2,3,4,A\na2,1,2,3,4,B\na3,1,2,3,4,C\n",
        "test/b_test.csv": "question,choice0,choice1,choice2,choice3,answer\nb1,1,2,3,4,3\n",
    }
    place = tmp_path / "mmlu"
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    if kind == "archive":
        with zipfile.ZipFile(tmp_path / "mmlu.zip", "w") as archive:
            for name in [*files, "__MACOSX/test/._a_test.csv"]:
                archive.writestr(name, files.get(name, "shadow"))
        place = tmp_path / "mmlu.zip"
    found = read_questions("mmlu", place, "test/")
    assert [question.text.split("\n")[0] for question in found] == ["a1", "b1", "a2", "a3"]
    assert len(read_questions("mmlu", place)) == 5
    with pytest.raises(DataError, match=r"no file whose name begins with 'val/'.*'dev/a_dev.csv'"):
        read_questions("mmlu", place, "val/")


def test_a_damaged_member_is_named(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "mmlu.zip", "w") as archive:
        archive.writestr("a.csv", "a1,1,2,3,4,A\n")
        archive.writestr("b.csv", "b1,1\n")
    with pytest.raises(DataError, match=r"mmlu.zip, member b.csv, row 1: not a question"):
        read_questions("mmlu", tmp_path / "mmlu.zip")
    (tmp_path / "mmlu.zip").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="is damaged or not a .zip file"):
        read_questions("mmlu", tmp_path / "mmlu.zip")


def test_one_file_is_itself(tmp_path) -> None:
    (tmp_path / "some.csv").write_text("a1,1,2,3,4,A\n")
    assert len(read_questions("mmlu", tmp_path / "some.csv")) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        read_questions("mmlu", tmp_path / "empty")


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (read_gsm8k, '{"question": "a", "answer": "#### 1"}\nnothing\n', "line 2: not a question"),
        (read_gsm8k, '{"question": "a"}\n', "line 1: not a question of GSM8K .KeyError"),
        (read_gsm8k, "[1]\n", "line 1: not a question"),
        (read_gsm8k, '{"question": "a", "answer": "1"}\n', 'line 1: the answer has no "#### "'),
        (read_gsm8k, "\n\n", "holds no questions"),
        (read_mmlu, "a,b,c\n", "row 1: not a question of MMLU"),
        (read_mmlu, "q,1,2,3,4,E\n", "row 1: not a question of MMLU"),
        (read_mmlu, "question,choice0,choice1,choice2,choice3,answer\n", "holds no questions"),
    ],
)
def test_what_is_not_a_question_is_named_with_its_place(read, text, message, tmp_path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read(file)


def test_bytes_that_are_no_text_are_refused(tmp_path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_gsm8k(file)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("so <<2+2=4>>4\n#### 4", "4"),
        ("#### 1,200 apples", "1200"),
        ("#### $5.50", "5.5"),
        ("#### 7.00", "7"),
        ("it is 12, no: 13.", "13"),
        ("Answer: -3 of 5", "-3"),
        ("nothing", ""),
        ("####", ""),
    ],
)
def test_the_result_that_a_worked_answer_says(answer: str, said: str) -> None:
    asked = protocol("gsm8k")
    assert asked.name == "worked" and asked.ask("How?") == "How?"
    assert asked.said(answer) == said
    assert asked.is_right(Question("", said), answer) or not said


def test_protocols_go_by_their_names() -> None:
    assert protocol("gsm8k", "answer-only").ask("How?").startswith("How?\n\nGive the final number")
    assert protocol("mmlu").said("Answer: A") == "A"
    assert set(PROTOCOLS) == {"gsm8k", "mmlu"}
    with pytest.raises(ConfigError, match="no task 'humaneval'. Choose one of: gsm8k, mmlu"):
        protocol("humaneval")
    with pytest.raises(ConfigError, match="no protocol 'x'. Choose one of: worked, answer-only"):
        protocol("gsm8k", "x")


def test_letters_may_be_small(tmp_path) -> None:
    (tmp_path / "m.csv").write_text("q?,1,2,3,4,b\n")
    (question,) = read_mmlu(tmp_path / "m.csv")
    assert question.reference == "B"
