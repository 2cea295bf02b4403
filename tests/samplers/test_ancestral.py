"""The ancestral sampler against closed forms, exactly.

A token is revealed in step n with probability d_n = alpha_{n+1} - alpha_n, whatever the others
do. Tokens revealed in the same step ignore each other; nothing else is wrong with the result.
"""

import itertools

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.process import grids, schedules
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.sampler import sample
from unmask.speculation.filters import Filter

GRIDS = [grids.Linear(), grids.Cosine(), grids.Polynomial(3.0)]
SCHEDULES = [schedules.Linear(), schedules.Cosine()]


def reveal_probs(sampler):
    """d_n for n = 0..T-1."""
    alpha = sampler.schedule.alpha(sampler.grid.times(sampler.num_steps))
    return alpha.diff().tolist()


def joint_of(table):
    return table.log_joint.exp()


def check_tokens(outcomes, expected):
    law = of_tokens(outcomes)
    for tokens in itertools.product(*map(range, expected.shape)):
        assert law.pop(tokens, 0.0) == pytest.approx(expected[tokens].item(), abs=1e-12)
    assert not law


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_two_tokens_are_independent_only_if_revealed_together(num_steps, grid, schedule):
    table = JointTable.random(vocab_size=3, length=2, seed=1)
    joint = joint_of(table)
    factorised = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
    sampler = Ancestral(num_steps=num_steps, grid=grid, schedule=schedule)
    together = sum(prob**2 for prob in reveal_probs(sampler))
    outcomes = outcomes_by_enumeration(table, sampler, [3, 3])
    check_tokens(outcomes, (1 - together) * joint + together * factorised)


@pytest.mark.parametrize("num_steps", [1, 2, 4, 7])
def test_on_the_linear_grid_they_are_revealed_together_once_in_num_steps(num_steps):
    sampler = Ancestral(num_steps=num_steps, grid=grids.Linear())
    assert sum(prob**2 for prob in reveal_probs(sampler)) == pytest.approx(1 / num_steps)


def test_one_step_draws_every_token_from_its_marginal():
    table = JointTable.random(vocab_size=2, length=3, seed=2)
    joint = joint_of(table)
    margins = [joint.sum(dim=[a for a in range(3) if a != axis]) for axis in range(3)]
    outcomes = outcomes_by_enumeration(table, Ancestral(num_steps=1), [2, 2, 2])
    check_tokens(outcomes, torch.einsum("a,b,c->abc", *margins))
    assert mean_of(outcomes, 1) == pytest.approx(1.0)


@pytest.mark.parametrize("num_steps", [2, 3])
@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
def test_passes_are_the_steps_that_reveal_something(num_steps, given):
    """A pass in step n unless none of the m tokens falls in it: sum_n 1 - (1 - d_n)^m."""
    predictor, num_masked = ArbitraryHybrid(2, 3, seed=3), given.count(2)
    sampler = Ancestral(num_steps=num_steps, prediction="reused")
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    expected = sum(1 - (1 - prob) ** num_masked for prob in reveal_probs(sampler))
    assert mean_of(outcomes, 1) == pytest.approx(expected, abs=1e-12)
    assert mean_of(outcomes, 2) == 0
    assert mean_of(outcomes, 3) == pytest.approx(num_masked)


@pytest.mark.parametrize("num_steps", [2, 3])
def test_fresh_predictions_cost_a_pass_per_step_until_nothing_is_masked(num_steps):
    """Step n happens unless all L tokens were revealed before: sum_n 1 - alpha_n^L."""
    sampler = Ancestral(num_steps=num_steps, prediction="fresh")
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(2, 3, seed=3), sampler, [2, 2, 2])
    alpha = sampler.schedule.alpha(sampler.grid.times(num_steps)).tolist()
    expected = sum(1 - before**3 for before in alpha[:-1])
    assert mean_of(outcomes, 1) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("given", [[2, 2, 2], [2, 2, 0]], ids=str)
def test_reused_and_fresh_predictions_have_the_same_law(given):
    predictor = ArbitraryHybrid(2, 3, seed=4)
    reused, fresh = (
        outcomes_by_enumeration(predictor, Ancestral(num_steps=3, prediction=prediction), given)
        for prediction in ("reused", "fresh")
    )
    assert of_tokens(reused) == pytest.approx(of_tokens(fresh), abs=1e-14)
    assert mean_of(reused, 1) < mean_of(fresh, 1)


def test_reused_and_fresh_predictions_draw_the_same_samples_in_fewer_passes():
    chain = MarkovChain.random(vocab_size=4, order=1, seed=5)
    given_ids = torch.full((50, 10), 4)
    given_ids[::3, 2] = 1
    reused, fresh = (
        sample(
            chain,
            Ancestral(num_steps=20, prediction=prediction),
            given_ids,
            SeededDraws(range(50)),
        )
        for prediction in ("reused", "fresh")
    )
    assert torch.equal(reused.token_ids, fresh.token_ids)
    assert (reused.trunk_passes <= fresh.trunk_passes).all()
    assert reused.trunk_passes.sum() < 0.6 * fresh.trunk_passes.sum()
    assert (reused.trunk_passes <= 10).all() and (fresh.trunk_passes <= 20).all()


def test_what_is_given_stays_and_is_conditioned_on():
    """With one token given, two remain: the closed form of the conditional distribution."""
    table = JointTable.random(vocab_size=2, length=3, seed=6)
    conditional = joint_of(table)[:, 1, :] / joint_of(table)[:, 1, :].sum()
    factorised = conditional.sum(dim=1, keepdim=True) * conditional.sum(dim=0, keepdim=True)
    sampler = Ancestral(num_steps=4)
    together = sum(prob**2 for prob in reveal_probs(sampler))
    law = of_tokens(outcomes_by_enumeration(table, sampler, [2, 1, 2]))
    assert all(tokens[1] == 1 for tokens in law)
    expected = (1 - together) * conditional + together * factorised
    for first, last in itertools.product(range(2), repeat=2):
        assert law[first, 1, last] == pytest.approx(expected[first, last].item(), abs=1e-12)


def test_the_filter_is_applied_to_the_prediction():
    table = JointTable.random(vocab_size=3, length=2, seed=7)
    best = table.posterior(torch.tensor([[3, 3]])).argmax(dim=-1)[0].tolist()
    sampler = Ancestral(num_steps=1, filter=Filter(temperature=0.0))
    assert of_tokens(outcomes_by_enumeration(table, sampler, [3, 3])) == {tuple(best): 1.0}


def test_no_step_is_refused():
    with pytest.raises(ConfigError, match="num_steps must be at least 1, got 0.*64 is a good"):
        Ancestral(num_steps=0)


def test_a_prediction_of_another_kind_is_refused():
    sampler = Ancestral()
    object.__setattr__(sampler, "prediction", "cached")  # past the tests' own check of types
    with pytest.raises(ConfigError, match="must be 'reused' or 'fresh', got 'cached'"):
        sampler.__post_init__()
