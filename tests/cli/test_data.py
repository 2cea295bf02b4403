import json
import random
from pathlib import Path

import pytest

from unmask.cli.main import main


def test_fasta_is_made_ready_and_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(0)
    path, ready, run = tmp_path / "a.fasta", tmp_path / "ready", tmp_path / "run"
    rows = ["".join(draw.choices("ACDEFGHIKL", k=draw.randint(6, 20))) for _ in range(300)]
    path.write_text("".join(f">s{n}\n{row}\n" for n, row in enumerate(rows)))
    assert main(["data", "prepare", str(path), "--out", str(ready)]) == 0
    said = capsys.readouterr()
    assert "20 amino acids; train" in said.out and "MB/s" in said.err
    assert main(["data", "check", str(ready)]) == 0
    train = ["train", "tiny", "--data", str(ready), "--out", str(run), "--model.length", "24"]
    train += ["--trainer.num-steps", "3", "--trainer.num-valid", "4"]
    assert main([*train, "--vocabulary", "bytes"]) == 2
    assert "whose tokens are chosen" in capsys.readouterr().err
    assert main(train) == 0
    lengths = json.loads((run / "config.json").read_text())["lengths"]
    assert {*map(int, lengths)} <= {*range(6, 21)}
    capsys.readouterr()
    assert main(["generate", str(run), "--length", "8-9", "--json", "--num-samples", "3"]) == 0
    samples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(len(each["text"]) in (8, 9) for each in samples)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["data", "make"], "`unmask data` has no 'make'"),
        (["data", "prepare", "a.fasta"], "--out is missing"),
        (["data", "prepare", "a.fasta", "--out", "x"], "there is no file a.fasta"),
        (["data", "check", "x"], "was not made ready"),
        (["data", "prepare", "b.fasta", "--out", "x"], "line 1: a sequence without a header"),
    ],
)
def test_bad_requests_are_answered_in_a_sentence(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.fasta").write_text("MKT\n")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert complaint in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["b.fasta"]
