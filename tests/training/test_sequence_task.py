import pytest
import torch

from unmask.data.records import Record
from unmask.data.sequences import load_sequences
from unmask.errors import DataError
from unmask.shapes import PAD
from unmask.training.objective import Corruption
from unmask.training.sequence_task import SequenceTask
from unmask.training.windowed import WindowedCorruption
from unmask.vocabularies.residues import Residues

VOCABULARY = Residues()
RECORDS = [Record("", ("ACDX" * 30)[: 3 + n % 50].encode(), str(n)) for n in range(400)]
CORPUS = load_sequences(
    [Record("", each.text + str(n).translate(str.maketrans("0123456789", "ACDEFGHIKL")).encode(),
            each.where) for n, each in enumerate(RECORDS)], VOCABULARY, "x"
)  # fmt: skip


def task(**choices: object) -> SequenceTask:
    values: dict[str, object] = {"length": 44, "orders": "random", "vocabulary": VOCABULARY}
    return SequenceTask(CORPUS, **values | choices)  # type: ignore[arg-type]


def test_ends_and_unknown_residues_are_given_and_the_rest_is_learnt() -> None:
    token_ids, corruption = task().batch(0, 3, 16)
    assert isinstance(corruption, Corruption)
    is_there = token_ids != PAD
    assert is_there.sum(dim=1).tolist() == corruption.length.tolist()
    assert token_ids[:, 0].eq(0).all() and token_ids.max() < VOCABULARY.vocab_size
    silent = torch.isin(token_ids, torch.tensor(VOCABULARY.silent_ids))
    rank = torch.arange(token_ids.shape[1])
    first = silent.gather(1, corruption.order)
    assert torch.equal(first.sum(dim=1), silent.sum(dim=1))
    assert (first | (rank >= silent.sum(dim=1)[:, None])).all()  # what is given comes first
    assert (corruption.num_revealed >= silent.sum(dim=1)).all()
    learnt = token_ids.flatten()[
        (corruption.order + torch.arange(len(token_ids))[:, None] * token_ids.shape[1]).flatten()[
            corruption.learnt_entries()
        ]
    ]
    assert not torch.isin(learnt, torch.tensor([PAD, *VOCABULARY.silent_ids])).any()


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = task().batch(5, 7, 16), task().batch(5, 7, 16)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1].order, other[1].order)
    assert not torch.equal(one[0], task().batch(5, 8, 16)[0])


def test_sequences_that_are_too_long_are_left_out() -> None:
    short = task(length=30)
    assert 0 < len(short.train) < len(CORPUS.train) and short.train.lengths.max() == 28
    with pytest.raises(DataError, match="no sequence for training has at most 2 residues"):
        task(length=4)


@pytest.mark.parametrize("given_share", [0.0, 1.0])
def test_a_causal_trunk_is_given_the_ends_first(given_share: float) -> None:
    causal = task(max_window=4, given_share=given_share)
    for step in range(20):
        token_ids, corruption = causal.batch(0, step, 16)
        assert isinstance(corruption, WindowedCorruption)
        num_there = (token_ids != PAD).sum(dim=1)
        assert torch.equal(corruption.length, num_there)
        assert (corruption.num_given < corruption.length).all()
        in_order = token_ids.gather(1, corruption.order)
        rank = torch.arange(token_ids.shape[1])
        assert ((in_order != PAD) == (rank < num_there[:, None])).all()
        learnt = (rank >= corruption.num_given[:, None]) & (rank < num_there[:, None])
        assert not torch.isin(in_order[learnt], torch.tensor(VOCABULARY.silent_ids)).any()
        more = corruption.num_given > torch.isin(
            token_ids, torch.tensor(VOCABULARY.silent_ids)
        ).sum(dim=1)
        assert more.any() if given_share else not more.any()


def test_validation_is_the_same_each_time() -> None:
    one, other = task().validation(12), task().validation(12)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1].order, other[1].order)
    windows = task(max_window=4).validation(12)[1]
    assert isinstance(windows, WindowedCorruption)
    assert windows.window_start.tolist()[:6] == [0, 0, 0, 0, 4, 4]
