"""Records in Parquet: the same rows as in JSON lines, gone on with in the same way."""

import json
from pathlib import Path

import pytest

import unmask
from unmask.errors import DataError, OutputError, PromptError
from unmask.files.parquet import read_rows, recording, rows_of_record, write_rows

ROWS = [
    {"id": 1, "text": "a", "token_ids": [1, 2], "seconds": 0.5},
    {"id": 2, "text": "b", "token_ids": [], "seconds": 1.5, "stop": "x"},
]


def test_rows_survive_their_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", ROWS)
    assert read_rows(tmp_path / "rows.parquet") == ROWS
    write_rows(tmp_path / "none.parquet", [])
    assert read_rows(tmp_path / "none.parquet") == []


def test_ids_of_two_kinds_are_texts(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.parquet", [{"id": 7}, {"id": "q"}])
    assert read_rows(tmp_path / "rows.parquet") == [{"id": "7"}, {"id": "q"}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_a_record_that_was_cut_short_is_gone_on_with(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(KeyboardInterrupt), recording(path, is_new=True, advice="") as write_row:
        write_row(ROWS[0])
        raise KeyboardInterrupt
    assert rows_of_record(path) == ROWS[:1]
    with recording(path, is_new=False, advice="") as write_row:
        write_row(ROWS[1])
    assert rows_of_record(path) == ROWS and [file.name for file in tmp_path.iterdir()] == [name]
    with recording(path, is_new=False, advice="") as write_row:
        write_row(ROWS[0])
    assert rows_of_record(path) == [*ROWS, ROWS[0]]
    with pytest.raises(OutputError, match="already exists"):
        with recording(path, is_new=True, advice=""):
            pass


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("text")
    with pytest.raises(DataError, match="is no Parquet file"):
        rows_of_record(tmp_path / "rows.parquet")


def test_prompts_are_answered_into_parquet_as_into_lines(tmp_path: Path) -> None:
    model = unmask.load("text8s")
    prompts = [unmask.Prompt(id=1, prompt="the "), unmask.Prompt(id="b", prompt="of ")]
    options = {"sampler": "lossless", "num_samples": 2}

    def timeless(path: Path) -> list[dict]:
        rows = sorted(rows_of_record(path), key=lambda row: row["seed"])
        clock = ("seconds", "tokens_per_second", "id")
        return [{name: row[name] for name in row if name not in clock} for row in rows]

    prompts = [unmask.Prompt(id=p.id, prompt=p.prompt, length=20) for p in prompts]
    for name in ("a.jsonl", "a.parquet"):
        list(unmask.answer_prompts(model, prompts, output=tmp_path / name, **options))
    assert timeless(tmp_path / "a.jsonl") == timeless(tmp_path / "a.parquet")
    again = unmask.answer_prompts(
        model, prompts, output=tmp_path / "a.parquet", resume=True, **options
    )
    assert list(again) == []
    others = [unmask.Prompt(id=1, prompt="other ", length=20)]
    with pytest.raises(PromptError, match="is of another prompt"):
        unmask.answer_prompts(model, others, output=tmp_path / "a.parquet", resume=True, **options)
    assert json.loads(json.dumps(read_rows(tmp_path / "a.parquet")))
