from collections import Counter

import numpy as np
import pytest
import torch

from unmask.data.records import Record
from unmask.data.sequences import Sequences, load_sequences, part_of
from unmask.draws import SeededDraws
from unmask.errors import DataError
from unmask.vocabularies.residues import Residues

ROWS = [np.full(n, n, dtype=np.uint8) for n in (5, 40, 41, 6, 40, 5, 200)]


def test_each_comes_back() -> None:
    found = Sequences.of(ROWS)
    assert len(found) == len(ROWS) and found.lengths.tolist() == [len(row) for row in ROWS]
    assert all(found[n].tolist() == row.tolist() for n, row in enumerate(ROWS))


def test_what_cannot_be_read_or_says_nothing_is_left_out() -> None:
    found = Sequences.of(ROWS).readable(41, silent_ids=[6, 41])
    assert [found[n][0].item() for n in range(len(found))] == [5, 40, 40, 5]
    assert all((found[n] == len(found[n])).all() for n in range(len(found)))


def test_a_batch_has_nearly_one_length_and_every_token_is_as_probable() -> None:
    sequences = Sequences.of(ROWS)
    seen, num = Counter[int](), 4000
    draws = SeededDraws([1])
    for _ in range(num):
        rows = sequences.groups.draw(draws, 200, multiple=1)
        lengths = sequences.lengths[rows]
        assert lengths.max() <= lengths.min() * 17 / 16 and abs(lengths.sum() - 200) <= 20
        seen.update(rows.tolist())
    # In each batch a sequence of length l stands 200 / n_l * (n_l / N) times on average.
    expected = num * 200 / sequences.lengths.sum().item()
    assert all(seen[n] == pytest.approx(expected, rel=0.15) for n in range(len(ROWS)))


def test_lengths_that_are_frequent_have_a_group_of_their_own() -> None:
    rows = [np.zeros(n, dtype=np.uint8) for n in [100] * 64 + [101] * 3 + [102] * 64]
    starts = Sequences.of(rows).groups.starts.tolist()
    assert starts == [0, 64, 131]


def record(text: str, name: str = "") -> Record:
    return Record(name, text.encode(), f"record {name}")


def test_what_is_alike_is_in_one_part() -> None:
    parts = Counter(part_of(b"A" * n) for n in range(2000))
    assert 1700 < parts["train"] < 1900 and 60 < parts["valid"] < 140 and 60 < parts["test"] < 140
    clusters = {f"m{n}": "r" for n in range(50)}
    same = {part_of(b"A" * n, f"m{n}", clusters) for n in range(50)}
    assert len(same) == 1


def test_records_are_split_and_encoded() -> None:
    found = load_sequences([record("ACD" * n) for n in range(1, 300)], Residues(), "x.fasta")
    assert sum(len(part) for part in (found.train, found.valid, found.test)) == 299
    assert torch.isin(found.valid.token_ids, torch.tensor([5, 23, 13])).all()
    with pytest.raises(DataError, match=r"record b: '1' at offset 1"):
        load_sequences(
            [record("ACD" * n) for n in range(1, 300)] + [record("A1", "b")], Residues(), "x"
        )
    with pytest.raises(DataError, match="too few records"):
        load_sequences([record("ACD")], Residues(), "x.fasta")


def test_the_fingerprint_knows_where_sequences_end() -> None:
    records = [record("ACD" * n) for n in range(1, 300)]
    one, other = (load_sequences(each, Residues(), "x") for each in (records, records[::-1]))
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == load_sequences(records, Residues(), "x").fingerprint
