"""Sequences too long to enumerate: what they cost, and what they are, on average.

Predictor: a Markov chain that knows its posterior exactly, so samples must follow the chain.
"""

import math
from functools import cache

import pytest
import torch

from tests.reference.chi_square import follows
from unmask.draws import SeededDraws
from unmask.predictors.markov import MarkovChain
from unmask.process.windows import Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.likelihood import law_of, pass_tables
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speculation.likelihood import expected_work

LENGTH, VOCAB_SIZE = 24, 3
# A token is the one before it with a chance of 0.79, so that drafts made at once are often wrong.
CHAIN = MarkovChain(torch.tensor([0.0, 0.5, 1.0]), 2 * torch.eye(VOCAB_SIZE))
SAMPLER = SelfSpeculative(window=Whole(), verify_rounds=1)


def drawn(sampler, num_sequences):
    given_ids = torch.full((num_sequences, LENGTH), VOCAB_SIZE)
    return sample(CHAIN, sampler, given_ids, SeededDraws(range(num_sequences)))


@cache
def drawn_and_expected(num_sequences=120):
    """Samples, and what each of them would cost on average over all ways to draw it."""
    samples = drawn(SAMPLER, num_sequences)
    # `init` draws nothing but the order, as the first thing a sequence's stream is used for.
    state = SAMPLER.init(
        torch.full((num_sequences, LENGTH), VOCAB_SIZE),
        mask_id=VOCAB_SIZE,
        draws=SeededDraws(range(num_sequences)),
    )
    tables = pass_tables(
        CHAIN, law_of(SAMPLER, LENGTH), samples.token_ids, state.order, state.num_revealed
    )
    work = expected_work(
        tables, SAMPLER.verify_rounds, state.num_revealed, first_target_is_draft=True
    )
    return samples, work


@pytest.mark.parametrize("counted", ["trunk_passes", "tail_passes", "accepted"])
def test_the_work_done_is_the_work_expected(counted):
    """Five standard errors of the mean difference: one false alarm in two million re-seedings."""
    samples, work = drawn_and_expected()
    expected = {
        "trunk_passes": work.trunk_passes,
        "tail_passes": work.tail_passes,
        "accepted": work.acceptance.sum(dim=1),
    }[counted]
    surplus = getattr(samples, counted) - expected
    standard_error = surplus.std() / math.sqrt(len(surplus))
    assert 0 < standard_error < 0.2
    assert surplus.mean().abs() < 5 * standard_error


def test_expecting_is_less_noisy_than_counting():
    samples, work = drawn_and_expected()
    assert work.trunk_passes.var() < 0.8 * samples.trunk_passes.double().var()
    assert 2 < work.trunk_passes.mean() < LENGTH / 4


@pytest.mark.parametrize("place", [0, 11, 22])
@pytest.mark.parametrize(
    ("sampler", "follows_chain"), [(SAMPLER, True), (Ancestral(num_steps=1), False)]
)
def test_neighbours_follow_the_chain(place, sampler, follows_chain):
    """One pair per sequence, so that pairs are independent; tokens drawn at once do not pass."""
    initial, transition = CHAIN.log_initial.exp(), CHAIN.log_transition.exp()
    marginal = initial @ torch.linalg.matrix_power(transition, place)
    token_ids = two_thousand(sampler)
    pairs = token_ids[:, place] * VOCAB_SIZE + token_ids[:, place + 1]
    assert follows(pairs, (marginal[:, None] * transition).flatten()) == follows_chain


@cache
def two_thousand(sampler):
    return drawn(sampler, 2_000).token_ids
