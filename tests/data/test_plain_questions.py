"""A visitor's questions, twice a hundred, written without looking at the generator's sentences.

No training reads them. `unmask evaluate MODEL --task gsm8k --data FILE` asks them. What a model
gets wrong of the first file may be looked at, to see what the generator lacks; of the second
nothing but the share of right answers is.
"""

import json
import re
from pathlib import Path

import pytest

from unmask.data.arithmetic import result_of

FILES = ("plain_questions.jsonl", "plain_questions_unseen.jsonl")


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (Path(__file__).parent / name).read_text().splitlines()]


of_every_file = pytest.mark.parametrize("name", FILES)


def calculated(left: int, sign: str, right: int) -> float:
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / right}[sign]


def test_there_are_a_hundred_of_each():
    every = [row["question"].casefold() for name in FILES for row in rows(name)]
    assert len(every) == len(set(every)) == 200


@of_every_file
def test_every_answer_is_worked_out_rightly(name):
    for row in rows(name):
        equations = re.findall(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)", row["answer"])
        assert equations and row["answer"].count("<<") == len(equations), row
        for left, sign, right, result, said in equations:
            assert calculated(int(left), sign, int(right)) == int(result) == int(said), row
        assert equations[-1][3] == result_of(row["answer"])
        assert 0 <= int(result_of(row["answer"])) <= 300
