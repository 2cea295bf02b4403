"""The bounds hold exactly: every order is listed, every choice of S orders averaged over."""

import itertools
import math

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import law_by_recursion, of_tokens, outcomes_by_enumeration
from unmask.process.windows import Fixed
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speculation.bounds import order_bound, tightened_bound

LENGTH = 3
SAMPLER = SelfSpeculative(window=Fixed(2), verify_rounds=1)


@pytest.fixture(scope="module")
def log_prob():
    """log p(x) of all eight sequences: the orders, too, enumerated as the sampler draws them."""
    law = of_tokens(outcomes_by_enumeration(ArbitraryHybrid(2, LENGTH, seed=1), SAMPLER, [2] * 3))
    probs = [law[x] for x in itertools.product(range(2), repeat=LENGTH)]
    return torch.tensor(probs, dtype=torch.float64).log()


@pytest.fixture(scope="module")
def by_order():
    """log p(x | order), by sequence and order."""
    predictor = ArbitraryHybrid(2, LENGTH, seed=1)
    laws = [
        law_by_recursion(predictor, SAMPLER, [2] * LENGTH, list(order))[1]
        for order in itertools.permutations(range(LENGTH))
    ]
    return torch.stack(laws, dim=1)


def expected(bound, by_order, num_orders):
    """The expectation of a bound over `num_orders` independent, uniformly random orders."""
    every_choice = itertools.product(range(by_order.shape[1]), repeat=num_orders)
    return torch.stack([bound(by_order[:, list(choice)]) for choice in every_choice]).mean(dim=0)


def test_all_orders_at_once_give_the_probability_itself(log_prob, by_order):
    torch.testing.assert_close(tightened_bound(by_order), log_prob, rtol=1e-12, atol=0)


def test_the_order_bound_lies_below_the_tightened_one_below_the_truth(log_prob, by_order):
    for num_orders in (2, 3):
        loose = expected(order_bound, by_order, num_orders)
        tight = expected(tightened_bound, by_order, num_orders)
        assert (loose < tight).all() and (tight < log_prob).all()
    for choice in itertools.combinations(range(6), 3):
        some = by_order[:, list(choice)]
        assert (order_bound(some) <= tightened_bound(some) + 1e-14).all()


def test_more_orders_tighten_one_bound_and_not_the_other(by_order):
    tight = [expected(tightened_bound, by_order, num_orders) for num_orders in (1, 2, 3, 4)]
    loose = [expected(order_bound, by_order, num_orders) for num_orders in (1, 2, 3)]
    for fewer, more in itertools.pairwise(tight):
        assert (more > fewer).all()
    for bound in (*loose, tight[0]):
        torch.testing.assert_close(bound, by_order.mean(dim=1))


def test_one_order_is_its_own_bound():
    log_likelihoods = torch.tensor([[-3.0], [-1e5]], dtype=torch.float64)
    assert torch.equal(order_bound(log_likelihoods), log_likelihoods[:, 0])
    assert torch.equal(tightened_bound(log_likelihoods), log_likelihoods[:, 0])


def test_impossible_orders_and_far_off_scales():
    """An order that cannot give x makes the loose bound useless and the tight one log 2 lower."""
    log_likelihoods = torch.tensor([[-1e5, -math.inf]], dtype=torch.float64)
    assert order_bound(log_likelihoods).item() == -math.inf
    assert tightened_bound(log_likelihoods).item() == pytest.approx(-1e5 - math.log(2), rel=1e-15)
