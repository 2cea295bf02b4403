"""Ancestral sampling with a fixed partition: its law by enumeration, and what it costs."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import (
    check_law,
    largest_difference,
    law_by_enumeration,
    law_by_recursion,
    of_tokens,
    outcomes_by_enumeration,
)
from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.process.windows import Cosine, Fixed, Whole, starts
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.likelihood import law_of, num_passes, pass_tables
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speculation import accept_reject
from unmask.speculation.filters import Filter

WINDOWS = [Fixed(1), Fixed(2), Fixed(3), Whole(), Cosine(0.5)]
ORDER = [2, 0, 3, 1]


@pytest.mark.parametrize("order", ["random", "confident"])
@pytest.mark.parametrize("first_target_is_draft", [True, False])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_likelihood_and_work_are_those_of_the_sampler(window, first_target_is_draft, order):
    predictor = ArbitraryHybrid(2, 4, 0, first_target_is_draft)
    sampler = FixedPartition(window=window, order=order)
    check_law(predictor, sampler, [2] * 4, ORDER)
    check_law(predictor, sampler, [1, 2, 2, 0], ORDER)
    check_law(ArbitraryHybrid(3, 3, seed=1), sampler, [3] * 3, [1, 2, 0])


@pytest.mark.parametrize("filter", [Filter(temperature=0.7), Filter(top_p=0.8)], ids=str)
def test_likelihood_is_the_samplers_own_under_filters(filter):
    sampler = FixedPartition(window=Fixed(2), filter=filter)
    check_law(ArbitraryHybrid(3, 3, seed=3), sampler, [3] * 3, [1, 2, 0])


def slow_law(predictor, groups, row):
    """The product over groups of the product of drafts, one token after another."""
    seen, probability = [predictor.vocab_size] * len(row), 1.0
    for group in groups:
        log_probs = predictor.draft(torch.tensor([seen]), torch.tensor([group])).log_probs[0]
        for k, position in enumerate(group):
            probability *= log_probs[k, row[position]].exp().item()
        for position in group:
            seen[position] = row[position]
    return probability


@pytest.mark.parametrize(
    ("window", "groups"),
    [
        (Fixed(1), [[2], [0], [3], [1]]),
        (Fixed(2), [[2, 0], [3, 1]]),
        (Fixed(3), [[2, 0, 3], [1]]),
        (Whole(), [[2, 0, 3, 1]]),
    ],
    ids=str,
)
def test_the_law_is_a_product_of_drafts(window, groups):
    predictor = ArbitraryHybrid(2, 4, seed=4)
    law = of_tokens(law_by_enumeration(predictor, FixedPartition(window=window), [2] * 4, ORDER))
    for row in itertools.product(range(2), repeat=4):
        assert law[row] == pytest.approx(slow_law(predictor, groups, row), abs=1e-12)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_it_is_self_speculative_sampling_that_trusts_every_draft(window, monkeypatch):
    predictor = ArbitraryHybrid(2, 4, seed=5, first_target_is_draft=False)
    token_ids, total, _ = law_by_recursion(
        predictor, FixedPartition(window=window), [2] * 4, ORDER
    )

    def always(log_draft, log_target):
        return torch.ones_like(log_draft).double()

    verifying = SelfSpeculative(window=window, verify_rounds=1)
    if not isinstance(window, Fixed) or window.num_tokens > 1:
        outcomes = law_by_enumeration(predictor, verifying, [2] * 4, ORDER)
        assert largest_difference(outcomes, token_ids, total) > 1e-3
    monkeypatch.setattr(accept_reject, "acceptance_probability", always)
    outcomes = law_by_enumeration(predictor, verifying, [2] * 4, ORDER)
    assert largest_difference(outcomes, token_ids, total) < 1e-10


def test_groups_of_one_are_one_by_one():
    """Masked diffusion, one token per pass: the limit that verifying windows of one has too."""
    predictor = ArbitraryHybrid(3, 3, seed=6)
    laws = [
        law_by_recursion(predictor, sampler, [3] * 3, [1, 2, 0])[1]
        for sampler in (FixedPartition(window=Fixed(1)), SelfSpeculative(window=Fixed(1)))
    ]
    torch.testing.assert_close(*laws)


def test_a_random_order_is_averaged_over():
    predictor, sampler = ArbitraryHybrid(2, 3, seed=7), FixedPartition(window=Fixed(2))
    exact = of_tokens(outcomes_by_enumeration(predictor, sampler, [2] * 3))
    laws = [
        law_by_recursion(predictor, sampler, [2] * 3, list(order))
        for order in itertools.permutations(range(3))
    ]
    mean = torch.stack([total.exp() for _, total, _ in laws]).mean(0)
    for row, one in zip(map(tuple, laws[0][0].tolist()), mean.tolist(), strict=True):
        assert one == pytest.approx(exact[row], abs=1e-10)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_pass_per_group_to_sample_and_to_score(window):
    predictor, sampler = ArbitraryHybrid(2, 4, seed=8), FixedPartition(window=window)
    num_groups = len(starts(window, 4))
    samples = sample(predictor, sampler, torch.full((9, 4), 2), SeededDraws(range(9)))
    assert samples.trunk_passes.tolist() == [num_groups] * 9
    assert samples.accepted.tolist() == [4] * 9
    assert not samples.tail_passes.any() and not samples.rejected.any()

    law, made = law_of(sampler, 4), []
    order = torch.tensor([ORDER]).expand(9, -1)
    pass_tables(predictor, law, samples.token_ids, order, order[:, 0] * 0, observe=made.append)
    assert num_passes(law, 4) == num_groups and sum(made) == 9 * num_groups
    assert num_passes(law_of(SelfSpeculative(window=window), 4), 4) == 4


def test_a_network_without_causal_blocks_will_do():
    config = replace(TINY, vocab_size=2, length=4, num_trunk_blocks=1, num_tail_blocks=0)
    network = random_network(config, seed=1)
    check_law(network, FixedPartition(window=Fixed(3)), [2] * 4, ORDER)


@pytest.mark.parametrize("order", ["random", "confident"])
def test_sequences_are_the_same_in_any_batch(order):
    check_same_in_any_batch(FixedPartition(window=Cosine(0.2), order=order))
