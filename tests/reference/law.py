"""The law of a sampler in two ways that share nothing: every path enumerated, and the recursion.

`check_law` is the promise of the package: what the sampler emits, and what that costs, is what
the likelihood and the expected work say.
"""

import itertools
from collections import defaultdict

import pytest
import torch

from unmask.evaluation.enumeration import every_outcome
from unmask.samplers.common import ordered_state
from unmask.samplers.likelihood import law_of, pass_tables
from unmask.samplers.sampler import sample
from unmask.speculation.likelihood import expected_work, log_likelihood


class WithOrder:
    """A sampler whose order is given, so that the order is not a random choice."""

    def __init__(self, sampler, order):
        self.sampler, self.order = sampler, order

    def init(self, given_ids, *, mask_id, draws):
        order = torch.tensor([self.order]).expand(len(given_ids), -1)
        return ordered_state.start(self.sampler.order, given_ids, order, mask_id=mask_id)

    def step(self, state, predictor, draws):
        return self.sampler.step(state, predictor, draws)


def outcomes_by_enumeration(predictor, sampler, given):
    """{(tokens, trunk passes, tail passes, accepted): probability}."""

    def program(draws):
        given_ids = torch.tensor([given]).expand(len(draws), -1)
        samples = sample(predictor, sampler, given_ids, draws)
        return list(
            zip(
                map(tuple, samples.token_ids.tolist()),
                samples.trunk_passes.tolist(),
                samples.tail_passes.tolist(),
                samples.accepted.tolist(),
                strict=True,
            )
        )

    return every_outcome(program)


def law_by_enumeration(predictor, sampler, given, order):
    """`outcomes_by_enumeration` with the order given."""
    return outcomes_by_enumeration(predictor, WithOrder(sampler, order), given)


def of_tokens(outcomes):
    """{tokens: probability}, whatever the tokens cost."""
    law = defaultdict(float)
    for (tokens, *_), probability in outcomes.items():
        law[tokens] += probability
    return law


def mean_of(outcomes, place):
    """The expectation of one entry of the outcomes: 1 trunk passes, 2 tail passes, 3 accepted."""
    return sum(outcome[place] * probability for outcome, probability in outcomes.items())


def law_by_recursion(predictor, sampler, given, order):
    """Sequences, their log-likelihoods, and the expected work of emitting each."""
    mask_id, length = predictor.vocab_size, len(given)
    choices = [[t] if t != mask_id else range(mask_id) for t in given]
    token_ids = torch.tensor(list(itertools.product(*choices)))
    state = ordered_state.start(
        sampler.order, torch.tensor([given]), torch.tensor([order]), mask_id=mask_id
    )
    orders = state.order.expand(len(token_ids), -1)
    num_given = state.num_revealed.expand(len(token_ids))
    law = law_of(sampler, length)
    tables = pass_tables(predictor, law, token_ids, orders, num_given)
    total = log_likelihood(tables, law.verify_rounds, num_given)
    work = expected_work(
        tables,
        law.verify_rounds,
        num_given,
        first_target_is_draft=predictor.first_target_is_draft,
    )
    return token_ids, total, work


def largest_difference(outcomes, token_ids, total):
    """Between the enumerated and the computed probability, over all sequences."""
    enumerated = of_tokens(outcomes)
    return max(
        abs(enumerated[tuple(row)] - one)
        for row, one in zip(token_ids.tolist(), total.exp().tolist(), strict=True)
    )


def check_law(predictor, sampler, given, order):
    """Law, passes and acceptances of the sampler, each to 1e-10."""
    outcomes = law_by_enumeration(predictor, sampler, given, order)
    token_ids, total, work = law_by_recursion(predictor, sampler, given, order)
    assert total.exp().sum().item() == pytest.approx(1.0, abs=1e-10)
    assert largest_difference(outcomes, token_ids, total) < 1e-10
    computed = [work.trunk_passes, work.tail_passes, work.acceptance.sum(dim=1)]
    for place, values in enumerate(computed, start=1):
        mean = (total.exp() * values).sum().item()
        assert mean == pytest.approx(mean_of(outcomes, place), abs=1e-10)
