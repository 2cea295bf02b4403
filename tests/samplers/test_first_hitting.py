"""First-hitting sampling against its closed form: the mean over all orders."""

import itertools
import math

import pytest

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from tests.reference.slow_quota import predicted, sharpened
from unmask.predictors.table import JointTable
from unmask.samplers.first_hitting import FirstHitting
from unmask.speculation.filters import Filter


def mean_over_orders(predictor, given, temperature=1.0):
    """{tokens: probability}, one order after another, one token after another."""
    masked = [i for i, token in enumerate(given) if token == predictor.vocab_size]
    law = {}
    for values in itertools.product(range(predictor.vocab_size), repeat=len(masked)):
        total = 0.0
        for order in itertools.permutations(range(len(masked))):
            tokens, prob = list(given), 1.0
            for k in order:
                prob *= sharpened(predicted(predictor, tokens)[masked[k]], temperature)[values[k]]
                tokens[masked[k]] = values[k]
            total += prob / math.factorial(len(masked))
        law[tuple(tokens)] = total
    return law


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2], [0, 1, 2], [2, 2, 0, 2]], ids=str)
def test_the_law_is_the_mean_over_all_orders(given, temperature):
    predictor = ArbitraryHybrid(2, len(given), seed=1)
    sampler = FirstHitting(filter=Filter(temperature=temperature))
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    expected = mean_over_orders(predictor, given, temperature)
    assert of_tokens(outcomes) == pytest.approx(expected, abs=1e-12)


def test_of_an_exact_predictor_it_draws_exact_samples():
    table = JointTable.random(vocab_size=3, length=3, seed=2)
    law = of_tokens(outcomes_by_enumeration(table, FirstHitting(), [3, 3, 3]))
    for tokens in itertools.product(range(3), repeat=3):
        assert law[tokens] == pytest.approx(table.log_joint[tokens].exp().item(), abs=1e-12)


@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
def test_each_token_takes_one_pass(given):
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(2, 3, seed=3), FirstHitting(), given)
    num_masked = given.count(2)
    assert {outcome[1:] for outcome in outcomes} == {(num_masked, 0, num_masked)}


def test_greedy_leaves_only_the_order_to_chance():
    predictor = ArbitraryHybrid(3, 3, seed=4)
    sampler = FirstHitting(filter=Filter(temperature=0.0))
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, [3, 3, 3]))
    expected = mean_over_orders(predictor, [3, 3, 3], temperature=0)
    assert law == pytest.approx({t: p for t, p in expected.items() if p}, abs=1e-12)
    assert all(prob * 6 == pytest.approx(round(prob * 6)) for prob in law.values())


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(FirstHitting())
