"""Which positions each policy runs, on cases worked out by hand."""

import pytest
import torch

from unmask.caching.policies import (
    CACHES,
    CacheView,
    Delayed,
    Dual,
    Greedy,
    NoCache,
    Prefill,
    Prefix,
    Reuse,
)
from unmask.errors import ConfigError
from unmask.shapes import PAD

M = 9


def seen(tokens, run=None, *, asked, given=2, age=1, last_asked=2, num_in_block=1) -> CacheView:
    """One sequence, of which the first `given` positions are the prompt."""
    place = torch.arange(len(tokens))
    return CacheView(
        token_ids=torch.tensor([tokens]),
        run_ids=torch.tensor([tokens if run is None else run]),
        mask_id=M,
        is_asked=torch.tensor([[p in asked for p in range(len(tokens))]]),
        is_given=(place < given)[None],
        age=torch.tensor([age]),
        last_asked=torch.tensor([last_asked]),
        num_in_block=torch.tensor([num_in_block]),
    )


def queries(policy, case: CacheView) -> list[int]:
    return policy.queries(case).nonzero()[:, 1].tolist()


# The prompt 1 2, then two blocks of three; the last position is not there.
TOKENS = [1, 2, 3, M, M, M, M, M, PAD]
BEFORE = [1, 2, M, M, M, M, M, M, PAD]
WHOLE = list(range(8))


def test_without_a_cache_everything_is_run() -> None:
    assert queries(NoCache(), seen(TOKENS, asked=[3, 4])) == WHOLE


def test_nothing_is_run_while_nothing_changes() -> None:
    assert queries(Reuse(), seen(TOKENS, asked=[3])) == []
    assert queries(Reuse(), seen(TOKENS, BEFORE, asked=[3])) == WHOLE
    assert queries(Reuse(), seen(TOKENS, [PAD] * 9, asked=[3], age=0)) == WHOLE


def test_a_prefix_ends_where_the_block_begins() -> None:
    policy = Prefix(block_length=3)
    assert queries(policy, seen(TOKENS, BEFORE, asked=[3, 4])) == [2, 3, 4, 5, 6, 7]
    assert queries(policy, seen(TOKENS, BEFORE, asked=[3, 4], age=0)) == WHOLE
    # The second block begins: what was asked last lies in the first.
    filled = [1, 2, 3, 4, 5, M, M, M, PAD]
    assert queries(policy, seen(filled, asked=[5, 6, 7], last_asked=2)) == WHOLE
    assert queries(policy, seen(filled, asked=[6], last_asked=5)) == [5, 6, 7]


def test_a_dual_cache_runs_the_block_alone() -> None:
    policy = Dual(block_length=3)
    assert queries(policy, seen(TOKENS, BEFORE, asked=[3, 4])) == [2, 3, 4]
    assert queries(policy, seen(TOKENS, asked=[5], last_asked=4)) == WHOLE
    assert queries(policy, seen(TOKENS, asked=[6], last_asked=5)) == [5, 6, 7]


def test_delayed_tokens_are_run_once_more_when_they_are_revealed() -> None:
    policy = Delayed(refresh=4, block_length=6)
    assert queries(policy, seen(TOKENS, BEFORE, asked=[3])) == [2, 3, 4, 5, 6, 7]
    assert queries(policy, seen(TOKENS, TOKENS, asked=[3])) == [3, 4, 5, 6, 7]
    assert queries(policy, seen(TOKENS, TOKENS, asked=[3], age=3)) == [3, 4, 5, 6, 7]
    assert queries(policy, seen(TOKENS, TOKENS, asked=[3], age=4)) == WHOLE
    assert queries(Delayed(refresh=4, block_length=3), seen(TOKENS, asked=[5])) == WHOLE
    # A token masked again, or replaced, is run.
    assert queries(policy, seen(BEFORE, TOKENS, asked=[3])) == [2, 3, 4, 5, 6, 7]


def test_the_prompt_may_be_kept_for_ever() -> None:
    policy = Delayed(refresh=4, block_length=6, keeps_prompt=True)
    assert queries(policy, seen(TOKENS, asked=[3], age=4)) == [2, 3, 4, 5, 6, 7]
    assert queries(policy, seen(TOKENS, asked=[3], age=0)) == WHOLE
    assert queries(Prefill(), seen(TOKENS, asked=[3])) == [2, 3, 4, 5, 6, 7]
    assert queries(Prefill(), seen(TOKENS, asked=[3], age=0)) == WHOLE


def test_a_greedy_cache_runs_what_is_asked_what_is_new_and_what_is_near() -> None:
    tokens, before = [1, 2, M, M, 3, M, M, M, PAD], [1, 2, M, M, M, M, M, M, PAD]
    case = seen(tokens, before, asked=[7])
    assert queries(Greedy(refresh=4, window=0), case) == [4, 7]
    assert queries(Greedy(refresh=4, window=1), case) == [3, 4, 7]
    assert queries(Greedy(refresh=4, window=3), case) == [2, 3, 4, 5, 7]
    assert queries(Greedy(refresh=4, window=9), case) == [2, 3, 4, 5, 6, 7]
    assert queries(Greedy(refresh=4, window=3), seen(tokens, asked=[7])) == [7]
    assert queries(Greedy(refresh=1), case) == WHOLE


@pytest.mark.parametrize("policy", [cls() for cls in CACHES.values()], ids=str)
def test_what_is_not_there_is_never_run(policy) -> None:
    for age in (0, 1, 100):
        assert 8 not in queries(policy, seen(TOKENS, BEFORE, asked=[3], age=age))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Prefix(block_length=0), "Prefix.block_length must be at least 1, got 0"),
        (lambda: Dual(block_length=-1), "Dual.block_length must be at least 1"),
        (lambda: Delayed(refresh=0), "Delayed.refresh must be at least 1, got 0.*1 remembers"),
        (lambda: Delayed(block_length=0), "Delayed.block_length must be at least 1"),
        (lambda: Greedy(refresh=0), "Greedy.refresh must be at least 1"),
        (lambda: Greedy(window=-1), "Greedy.window must be at least 0"),
    ],
)
def test_choices_that_cannot_work_are_refused(make, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_as_released_the_second_pass_of_a_block_is_whole_and_every_rth() -> None:
    policy = Delayed(refresh=3, block_length=3, as_released=True)
    later = [3, 4, 5, 6, 7]  # what is masked; the token at 2 was there in the last pass
    for number, expected in enumerate([WHOLE, WHOLE, later, WHOLE, later, later, WHOLE]):
        case = seen(TOKENS, asked=[3, 4], age=min(number, 1), num_in_block=number)
        assert queries(policy, case) == expected
    begun = seen(TOKENS, asked=[5], age=1, last_asked=3, num_in_block=4)
    assert queries(policy, begun) == WHOLE
    keeps = Delayed(refresh=3, block_length=3, as_released=True, keeps_prompt=True)
    assert queries(keeps, seen(TOKENS, asked=[3], num_in_block=1)) == WHOLE
    assert queries(keeps, seen(TOKENS, asked=[3], num_in_block=3)) == WHOLE[2:]
