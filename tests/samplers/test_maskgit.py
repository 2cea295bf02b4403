"""MaskGIT against closed forms and against its slow twin, exactly."""

import itertools
import math

import pytest
import torch

from tests.reference import slow_quota
from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft
from unmask.predictors.table import JointTable
from unmask.process import grids
from unmask.samplers.maskgit import MaskGIT
from unmask.speculation.filters import Filter

GRIDS = {
    "linear": (grids.Linear(), slow_quota.linear),
    "cosine": (grids.Cosine(), slow_quota.cosine),
}


def slow_law(predictor, given, sampler, shape):
    """A step of the twin: every draw everywhere, every choice among what was drawn."""
    num_wanted = given.count(predictor.vocab_size)

    def step(probs, num_passes):
        share_done = (num_passes + 1) / sampler.num_steps
        num_chosen = slow_quota.quota(len(probs), num_wanted, shape(share_done))
        noise = sampler.choice_temperature * (1 - share_done)
        for drawing, drawn in slow_quota.every_draw(
            probs, list(probs), sampler.filter.temperature
        ):
            score = {i: math.log(probs[i][token]) for i, token in drawn.items()}
            if not drawing:
                continue
            for choosing, chosen in slow_quota.every_choice(score, num_chosen, noise):
                yield drawing * choosing, {i: drawn[i] for i in chosen}

    return slow_quota.law(predictor, given, step)


def check_against_twin(predictor, given, sampler, shape):
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    num_wanted = given.count(predictor.vocab_size)
    assert {outcome[2:] for outcome in outcomes} == {(0, num_wanted)}
    law = {(tokens, passes): prob for (tokens, passes, _, _), prob in outcomes.items()}
    assert law == pytest.approx(slow_law(predictor, given, sampler, shape), abs=1e-12)


@pytest.mark.parametrize("choice_temperature", [0.0, 0.7])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
@pytest.mark.parametrize("num_steps", [1, 2, 3, 5])
def test_the_law_is_that_of_the_slow_twin(num_steps, given, grid, choice_temperature):
    rule, shape = GRIDS[grid]
    sampler = MaskGIT(num_steps=num_steps, grid=rule, choice_temperature=choice_temperature)
    check_against_twin(ArbitraryHybrid(2, 3, seed=1), given, sampler, shape)


@pytest.mark.parametrize("choice_temperature", [0.0, 1.5])
@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_the_filter_changes_what_is_drawn_and_not_how_sure_one_is(temperature, choice_temperature):
    sampler = MaskGIT(
        num_steps=2,
        choice_temperature=choice_temperature,
        filter=Filter(temperature=temperature),
    )
    given = [3, 3, 0, 3]
    check_against_twin(ArbitraryHybrid(3, 4, seed=2), given, sampler, slow_quota.cosine)


def test_several_positions_are_chosen_without_replacement():
    """Of four positions the first step chooses two, in twelve ways."""
    sampler = MaskGIT(num_steps=2, choice_temperature=2.0)
    given = [2, 2, 2, 2]
    check_against_twin(ArbitraryHybrid(2, 4, seed=3), given, sampler, slow_quota.cosine)


def test_one_step_draws_every_token_from_its_marginal():
    table = JointTable.random(vocab_size=3, length=3, seed=4)
    joint = table.log_joint.exp()
    margins = [joint.sum(dim=[a for a in range(3) if a != axis]) for axis in range(3)]
    expected = torch.einsum("a,b,c->abc", *margins)
    for choice_temperature in (0.0, 1.0):
        sampler = MaskGIT(num_steps=1, choice_temperature=choice_temperature)
        law = of_tokens(outcomes_by_enumeration(table, sampler, [3, 3, 3]))
        for tokens in itertools.product(range(3), repeat=3):
            assert law[tokens] == pytest.approx(expected[tokens].item(), abs=1e-12)


@pytest.mark.parametrize("num_steps", [3, 4, 64])
def test_as_many_steps_as_tokens_reveal_them_one_by_one(num_steps):
    sampler = MaskGIT(num_steps=num_steps, choice_temperature=1.0)
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(2, 3, seed=5), sampler, [2, 2, 2])
    assert {passes for _, passes, _, _ in outcomes} == {3}


def test_greedy_without_noise_leaves_nothing_to_chance():
    sampler = MaskGIT(num_steps=2, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(3, 4, seed=6), sampler, [3, 3, 3, 3])
    assert list(outcomes.values()) == [1.0]


class Certain:
    """The token 0, with a probability that float64 can hold as a logarithm only."""

    vocab_size, device = 2, torch.device("cpu")

    def draft(self, token_ids, positions):
        log_probs = torch.tensor([0.0, -1e4], dtype=torch.float64)
        return Draft(log_probs.expand(*positions.shape, 2), None)


def test_what_is_drawn_against_all_odds_is_chosen_all_the_same():
    sampler = MaskGIT(num_steps=3, choice_temperature=1.0, filter=Filter(temperature=1e5))
    outcomes = outcomes_by_enumeration(Certain(), sampler, [2, 2, 2])
    assert {outcome[1:] for outcome in outcomes} == {(3, 0, 3)}
    assert len(of_tokens(outcomes)) == 8


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(MaskGIT(num_steps=4, choice_temperature=1.0))


def test_no_step_is_refused():
    with pytest.raises(ConfigError, match="MaskGIT.num_steps must be at least 1, got 0.*64 is"):
        MaskGIT(num_steps=0)


@pytest.mark.parametrize("temperature", [-1.0, math.inf, math.nan])
def test_a_choice_temperature_out_of_range_is_refused(temperature):
    message = "MaskGIT.choice_temperature must be a number of at least 0, got.*0 always takes"
    with pytest.raises(ConfigError, match=message):
        MaskGIT(choice_temperature=temperature)
