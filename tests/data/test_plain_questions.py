"""A visitor's hundred questions, written without looking at the sentences of the generator.

No training reads them. `unmask evaluate MODEL --task gsm8k --data FILE` asks them.
"""

import json
import re
from pathlib import Path

from unmask.data.arithmetic import result_of

FILE = Path(__file__).parent / "plain_questions.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text().splitlines()]


def calculated(left: int, sign: str, right: int) -> float:
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / right}[sign]


def test_there_are_a_hundred_of_them():
    assert len({row["question"] for row in ROWS}) == len(ROWS) == 100


def test_every_answer_is_worked_out_rightly():
    for row in ROWS:
        equations = re.findall(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)", row["answer"])
        assert equations and row["answer"].count("<<") == len(equations), row
        for left, sign, right, result, said in equations:
            assert calculated(int(left), sign, int(right)) == int(result) == int(said), row
        assert equations[-1][3] == result_of(row["answer"])
        assert 0 <= int(result_of(row["answer"])) <= 300
