"""The law of the sampler when a network drafts and verifies, windows, caches and all."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.reference.law import check_law, largest_difference, law_by_enumeration, law_by_recursion
from tests.reference.random_network import TINY, random_network
from tests.reference.uncached_tail import UncachedTail
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers.likelihood import law_of, pass_tables
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import log_likelihood

SMALL = replace(TINY, vocab_size=2, length=4, width=8, num_trunk_blocks=1)
ORDER = [2, 0, 3, 1]
NOTHING = [2, 2, 2, 2]
WINDOWS = [Fixed(2), Cosine(0.5), Whole()]


@pytest.mark.parametrize("verify_rounds", [1, 2])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("num_tail_blocks", [1, 2])
@pytest.mark.parametrize("tail_rotary", ["crossed", "halves"])
@pytest.mark.parametrize("first_target", ["draft", "start-track"])
def test_likelihood_and_work_are_those_of_the_sampler(
    first_target, tail_rotary, num_tail_blocks, window, verify_rounds
):
    config = replace(
        SMALL, first_target=first_target, tail_rotary=tail_rotary, num_tail_blocks=num_tail_blocks
    )
    sampler = SelfSpeculative(window=window, verify_rounds=verify_rounds)
    check_law(random_network(config, seed=1), sampler, NOTHING, ORDER)


@pytest.mark.parametrize("first_target", ["draft", "start-track"])
def test_one_token_at_a_time(first_target):
    network = random_network(replace(SMALL, first_target=first_target), seed=1)
    check_law(network, SelfSpeculative(window=Fixed(1)), NOTHING, ORDER)


@pytest.mark.parametrize("first_target", ["draft", "start-track"])
def test_with_a_prompt_and_a_filter(first_target):
    network = random_network(replace(SMALL, first_target=first_target), seed=2)
    sampler = SelfSpeculative(
        window=Fixed(3), verify_rounds=2, filter=Filter(temperature=0.7, top_p=0.9)
    )
    check_law(network, sampler, [2, 1, 2, 2], ORDER)
    check_law(network, sampler, [2, 2, 2, 0], ORDER)


@pytest.mark.parametrize("first_target", ["draft", "start-track"])
def test_target_only_sampling_is_the_limit_of_many_rounds(first_target):
    network = random_network(replace(SMALL, first_target=first_target), seed=3)
    sampler = TargetOnly(window=Fixed(3))
    outcomes = law_by_enumeration(network, sampler, NOTHING, ORDER)
    token_ids, total, _ = law_by_recursion(network, sampler, NOTHING, ORDER)
    assert largest_difference(outcomes, token_ids, total) < 1e-10


def test_the_network_is_no_special_case():
    """Draft and target differ, and window, rounds and order all change the law."""
    network = random_network(SMALL, seed=1)
    choices = [
        (Whole(), 1, ORDER),
        (Whole(), 2, ORDER),
        (Fixed(2), 1, ORDER),
        (Whole(), 1, ORDER[::-1]),
    ]
    laws = [
        law_by_recursion(
            network, SelfSpeculative(window=window, verify_rounds=rounds), NOTHING, order
        )
        for window, rounds, order in choices
    ]
    for (_, first, _), (_, second, _) in itertools.combinations(laws, 2):
        assert (first.exp() - second.exp()).abs().max() > 1e-3
    assert laws[0][2].acceptance.mean() < 0.95


@pytest.mark.parametrize("first_target", ["draft", "start-track"])
def test_the_likelihood_is_that_of_the_network_without_windows_and_cache(first_target):
    """What the tail was trained to say: `forward` over whole sequences, of random ids."""
    network = random_network(replace(TINY, first_target=first_target, num_tail_blocks=2), seed=4)
    generator = torch.Generator().manual_seed(0)
    token_ids = torch.randint(TINY.vocab_size, (6, TINY.length), generator=generator)
    order = torch.rand(6, TINY.length, generator=generator).argsort(dim=1)
    num_given = torch.tensor([0, 1, 2, 3, 7, 8])
    law = law_of(SelfSpeculative(window=Cosine(0.4), verify_rounds=2), TINY.length)
    fast, slow = (
        log_likelihood(pass_tables(predictor, law, token_ids, order, num_given), 2, num_given)
        for predictor in (network, UncachedTail(network))
    )
    torch.testing.assert_close(fast, slow, atol=1e-10, rtol=0)
    assert fast[-1] == 0


def test_nothing_to_emit_needs_no_pass():
    network = random_network(SMALL, seed=5)
    law = law_of(SelfSpeculative(), 4)
    order, num_given = torch.tensor([ORDER] * 2), torch.tensor([4, 4])
    tables = pass_tables(network, law, torch.zeros(2, 4).long(), order, num_given)
    assert log_likelihood(tables, 1, num_given).tolist() == [0.0, 0.0]


def test_the_tables_do_not_depend_on_how_passes_are_batched():
    network = random_network(TINY, seed=6)
    generator = torch.Generator().manual_seed(1)
    token_ids = torch.randint(TINY.vocab_size, (3, TINY.length), generator=generator)
    order = torch.rand(3, TINY.length, generator=generator).argsort(dim=1)
    law = law_of(SelfSpeculative(window=Cosine(0.4)), TINY.length)
    finished = []
    tables = [
        pass_tables(
            network,
            law,
            token_ids,
            order,
            torch.tensor([0, 2, 5]),
            batch_size=batch_size,
            observe=finished.append,
        )
        for batch_size in (1, 5, 64)
    ]
    num_pairs = 8 + 6 + 3
    assert finished == [1] * num_pairs + [5, 5, 5, 2] + [num_pairs]
    in_window = torch.arange(tables[0].log_draft.shape[2]) < tables[0].window_sizes[..., None]
    for other in tables[1:]:
        for first, second in (
            (tables[0].log_draft, other.log_draft),
            (tables[0].log_target, other.log_target),
        ):
            torch.testing.assert_close(first * in_window, second * in_window, atol=1e-12, rtol=0)
