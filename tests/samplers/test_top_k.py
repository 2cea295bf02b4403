"""Top-k by margin and by entropy against closed forms and against its slow twin, exactly."""

import itertools
import math

import pytest
import torch

from tests.reference import slow_quota
from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.process import grids
from unmask.samplers.top_k import TopKEntropy, TopKMargin
from unmask.speculation.filters import Filter

GRIDS = {
    "linear": (grids.Linear(), slow_quota.linear),
    "cosine": (grids.Cosine(), slow_quota.cosine),
}


def margin(probs):
    first, second, *_ = sorted(probs, reverse=True)
    return first - second


def minus_entropy(probs):
    return sum(prob * math.log(prob) for prob in probs)


SCORE = {TopKMargin: margin, TopKEntropy: minus_entropy}
both_scores = pytest.mark.parametrize("TopK", SCORE)


def slow_law(predictor, given, sampler, shape):
    """A step of the twin: every choice of positions, then every draw there."""
    num_wanted = given.count(predictor.vocab_size)

    def step(probs, num_passes):
        share_left = shape((num_passes + 1) / sampler.num_steps)
        num_chosen = slow_quota.quota(len(probs), num_wanted, share_left)
        scores = {i: SCORE[type(sampler)](probs[i]) for i in probs}
        for choosing, chosen in slow_quota.every_choice(
            scores, num_chosen, sampler.choice_temperature
        ):
            for drawing, drawn in slow_quota.every_draw(probs, chosen, sampler.filter.temperature):
                yield choosing * drawing, drawn

    return slow_quota.law(predictor, given, step)


def check_against_twin(predictor, given, sampler, shape):
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    num_wanted = given.count(predictor.vocab_size)
    assert {outcome[2:] for outcome in outcomes} == {(0, num_wanted)}
    law = {(tokens, passes): prob for (tokens, passes, _, _), prob in outcomes.items()}
    expected = slow_law(predictor, given, sampler, shape)
    assert law == pytest.approx({o: p for o, p in expected.items() if p}, abs=1e-12)


@both_scores
@pytest.mark.parametrize("choice_temperature", [0.0, 0.3])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("given", [[3, 3, 3], [3, 1, 3]], ids=str)
@pytest.mark.parametrize("num_steps", [1, 2, 3, 5])
def test_the_law_is_that_of_the_slow_twin(TopK, num_steps, given, grid, choice_temperature):
    rule, shape = GRIDS[grid]
    sampler = TopK(num_steps=num_steps, grid=rule, choice_temperature=choice_temperature)
    check_against_twin(ArbitraryHybrid(3, 3, seed=1), given, sampler, shape)


@both_scores
@pytest.mark.parametrize("choice_temperature", [0.0, 0.3])
@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_the_filter_changes_what_is_drawn_and_not_where(TopK, temperature, choice_temperature):
    sampler = TopK(
        num_steps=2,
        choice_temperature=choice_temperature,
        filter=Filter(temperature=temperature),
    )
    given = [3, 3, 0, 3]
    check_against_twin(ArbitraryHybrid(3, 4, seed=2), given, sampler, slow_quota.cosine)


@both_scores
def test_one_step_draws_every_token_from_its_marginal(TopK):
    table = JointTable.random(vocab_size=3, length=3, seed=4)
    joint = table.log_joint.exp()
    margins = [joint.sum(dim=[a for a in range(3) if a != axis]) for axis in range(3)]
    expected = torch.einsum("a,b,c->abc", *margins)
    for choice_temperature in (0.0, 1.0):
        sampler = TopK(num_steps=1, choice_temperature=choice_temperature)
        law = of_tokens(outcomes_by_enumeration(table, sampler, [3, 3, 3]))
        for tokens in itertools.product(range(3), repeat=3):
            assert law[tokens] == pytest.approx(expected[tokens].item(), abs=1e-12)


@both_scores
@pytest.mark.parametrize("num_steps", [3, 4, 64])
def test_one_by_one_the_position_is_a_function_of_what_is_revealed(TopK, num_steps):
    """p(x) = the product of draft(x_i | revealed), i the one that scores highest."""
    predictor, sampler = ArbitraryHybrid(3, 3, seed=5), TopK(num_steps=num_steps)
    outcomes = outcomes_by_enumeration(predictor, sampler, [3, 3, 3])
    assert {passes for _, passes, _, _ in outcomes} == {3}
    law = of_tokens(outcomes)
    for values in itertools.product(range(3), repeat=3):
        tokens, expected = [3, 3, 3], 1.0
        while 3 in tokens:
            probs = slow_quota.predicted(predictor, tokens)
            i = max(probs, key=lambda i: SCORE[TopK](probs[i]))
            expected *= probs[i][values[i]]
            tokens[i] = values[i]
        assert law[values] == pytest.approx(expected, abs=1e-12)


@both_scores
def test_one_by_one_an_exact_predictor_draws_exact_samples(TopK):
    """Where a token goes may depend on what is revealed, never on the token."""
    table = JointTable.random(vocab_size=2, length=3, seed=6)
    for choice_temperature in (0.0, 0.5):
        sampler = TopK(num_steps=3, choice_temperature=choice_temperature)
        law = of_tokens(outcomes_by_enumeration(table, sampler, [2, 2, 2]))
        for tokens in itertools.product(range(2), repeat=3):
            assert law[tokens] == pytest.approx(table.log_joint[tokens].exp().item(), abs=1e-12)


@both_scores
def test_greedy_without_noise_leaves_nothing_to_chance(TopK):
    sampler = TopK(num_steps=2, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(3, 4, seed=7), sampler, [3, 3, 3, 3])
    assert list(outcomes.values()) == [1.0]


@both_scores
def test_sequences_are_the_same_in_any_batch(TopK):
    check_same_in_any_batch(TopK(num_steps=4, choice_temperature=0.5))


@both_scores
def test_no_step_is_refused(TopK):
    with pytest.raises(
        ConfigError, match=f"{TopK.__name__}.num_steps must be at least 1, got 0.*64 is"
    ):
        TopK(num_steps=0)


@both_scores
@pytest.mark.parametrize("temperature", [-1.0, math.inf, math.nan])
def test_a_choice_temperature_out_of_range_is_refused(TopK, temperature):
    message = (
        f"{TopK.__name__}.choice_temperature must be a number of at least 0, got.*0 always takes"
    )
    with pytest.raises(ConfigError, match=message):
        TopK(choice_temperature=temperature)
