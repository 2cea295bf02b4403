"""The recipes at their own size, each trained for a minute. Last run 28 November 2026."""

import json
import math
import random
from pathlib import Path

import pytest

import unmask
from unmask.cli.main import main

pytestmark = pytest.mark.slow
WORDS = "the a old new river town king road green is was of and in to from under over".split()


def text(num_words: int) -> str:
    drawn = random.Random(1)
    return " ".join(drawn.choices(WORDS, k=num_words)) + "\n"


def proteins(num: int) -> str:
    drawn = random.Random(2)
    rows = []
    for n in range(num):
        motif = "".join(drawn.choices("ACDEFGHIKLMNPQRSTVWY", k=4))
        rows.append(f">p{n}\n{motif * drawn.randint(10, 30)}\n")
    return "".join(rows)


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("wiki-small", ["--vocabulary", "learn:300"]),
        ("wiki-ar", ["--vocabulary", "learn:300"]),
        ("owt-paper", ["--vocabulary", "learn:300", "--trainer.batch-size", "1"]),
        ("proteins", []),
    ],
)
def test_a_recipe_learns_in_a_minute(recipe: str, options: list[str], tmp_path: Path) -> None:
    data, out = tmp_path / ("a.fasta" if recipe == "proteins" else "a.txt"), tmp_path / "run"
    data.write_text(proteins(3000) if recipe == "proteins" else text(200_000))
    asked = ["train", recipe, "--data", str(data), "--out", str(out), "--trainer.minutes", "1"]
    asked += ["--trainer.log-every", "1", "--trainer.num-valid", "2", *options]
    assert main(asked) == 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    name = next(n for n in ("stream_bits", "draft_bits") if n in lines[0])
    bits = [line[name] for line in lines if name in line]
    assert len(bits) >= 3 and all(math.isfinite(each) for each in bits)
    assert min(bits[-3:]) < bits[0] - 0.3
    model = unmask.load(out)
    (sample,) = model.generate(length=20)
    assert sample.num_tokens == 20
