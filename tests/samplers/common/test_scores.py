import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.samplers.common import scores

PROBS = [[0.5, 0.25, 0.25, 0.0], [0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]]


def log_probs(dtype=torch.float64):
    """Two sequences with three columns each, of which the second is the first turned round."""
    one = torch.tensor(PROBS, dtype=dtype).log()
    return torch.stack([one, one.flip(0)])


def test_confidence_is_the_probability_of_the_token():
    token_ids = torch.tensor([[0, 2, 1], [1, 3, 3]])
    expected = [[0.5, 0.3, 1.0], [1.0, 0.4, 0.0]]
    assert scores.confidence(log_probs(), token_ids).tolist() == [
        pytest.approx(row) for row in expected
    ]


def test_margin_is_the_lead_of_the_most_probable_token():
    margin = scores.margin(log_probs())
    assert margin[0].tolist() == pytest.approx([0.25, 0.1, 1.0])
    assert margin[1].tolist() == margin[0].flip(0).tolist()


def test_tokens_that_share_the_lead_have_no_margin():
    assert scores.margin(torch.tensor([[[0.4, 0.2, 0.4]]]).log()).item() == 0


def test_entropy_is_its_sum_in_nats():
    expected = [-sum(p * math.log(p) for p in row if p) for row in PROBS]
    entropy = scores.entropy(log_probs())
    assert entropy[0].tolist() == pytest.approx(expected)
    assert entropy[1].tolist() == pytest.approx(expected[::-1])
    assert expected == pytest.approx([1.5 * math.log(2), 1.2798542258336676, 0.0])


def all_at_once(log_probs):
    """The slow twin: one table of float64 for everything."""
    log_probs = log_probs.double()
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(torch.float64).min)).sum(dim=-1)


@pytest.mark.parametrize("at_once", [1, 3 * 40_000, 2**19])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 5), (0,), (2, 0)], ids=str)
def test_entropy_in_parts_is_that_of_all_at_once(monkeypatch, shape, at_once):
    """To the last digit: ranks have ties, and a window is not padded for its neighbours."""
    logits = 4 * torch.sin(torch.arange(40_000.0 * math.prod(shape)).reshape(*shape, 40_000))
    log_probs = logits.log_softmax(dim=-1)
    log_probs[..., 3] = -torch.inf
    monkeypatch.setattr(scores, "_NUMBERS_AT_ONCE", at_once)
    num_threads = torch.get_num_threads()
    torch.set_num_threads(2)  # one thread adds up a single row as it does many
    try:
        assert torch.equal(scores.entropy(log_probs), all_at_once(log_probs))
    finally:
        torch.set_num_threads(num_threads)


@pytest.mark.parametrize("vocab_size", [1, 2, 27])
def test_entropy_is_greatest_where_nothing_is_known(vocab_size):
    uniform = torch.full((vocab_size,), -math.log(vocab_size), dtype=torch.float64)
    assert scores.entropy(uniform).item() == pytest.approx(math.log(vocab_size))


def test_scores_are_float64_whatever_the_network_computes_in():
    for dtype in (torch.float32, torch.bfloat16):
        some = log_probs(dtype)
        token_ids = torch.zeros(2, 3, dtype=torch.long)
        assert scores.confidence(some, token_ids).dtype == torch.float64
        assert scores.margin(some).dtype == torch.float64
        assert scores.entropy(some).dtype == torch.float64


# Ranks. Few different scores, so that there are ties; -inf among them, real and not.

columns = st.tuples(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, math.inf]), st.booleans())
rows = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.lists(columns, min_size=width, max_size=width), min_size=1, max_size=4
    )
)


def tensors(some_rows):
    score = torch.tensor([[score for score, _ in row] for row in some_rows], dtype=torch.float64)
    return score, torch.tensor([[is_real for _, is_real in row] for row in some_rows])


def real_columns_from_the_top(row):
    """Sorted by score; earlier columns first in a tie."""
    return sorted((k for k, (_, is_real) in enumerate(row) if is_real), key=lambda k: -row[k][0])


@settings(deadline=None, derandomize=True, max_examples=80)
@given(rows)
def test_ranks_count_from_the_highest_score(some_rows):
    ranks = scores.rank(*tensors(some_rows))
    for row, ranks_of_row in zip(some_rows, ranks.tolist(), strict=True):
        assert sorted(ranks_of_row) == list(range(len(row)))
        falling = real_columns_from_the_top(row)
        assert [ranks_of_row[k] for k in falling] == list(range(len(falling)))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(rows, st.data())
def test_the_top_holds_as_many_real_columns_as_asked_for(some_rows, data):
    numbers = [data.draw(st.integers(0, 7)) for _ in some_rows]
    chosen = scores.top(*tensors(some_rows), torch.tensor(numbers))
    for row, number, chosen_of_row in zip(some_rows, numbers, chosen.tolist(), strict=True):
        expected = set(real_columns_from_the_top(row)[:number])
        assert {k for k, is_chosen in enumerate(chosen_of_row) if is_chosen} == expected
