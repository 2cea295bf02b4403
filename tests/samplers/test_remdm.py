"""ReMDM against a slow twin and closed forms, exactly.

Positions are revealed and masked again independently of one another and of their tokens, unless
confidence has a say; so who is masked when has a closed form, and costs follow from it.
"""

import itertools
import math
from collections import defaultdict

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.evaluation.enumeration import every_outcome
from unmask.predictors.markov import MarkovChain
from unmask.process import grids, schedules
from unmask.process.remasking import Cap, Confidence, Loop, Rescale
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import sample
from unmask.speculation.filters import Filter

# The rules once more, in plain Python: (sigma of t, sigma_max and confidence, alpha of t).


def cap(eta):
    return lambda t, largest, confidence: [min(eta, largest)] * len(confidence)


def rescale(eta):
    return lambda t, largest, confidence: [eta * largest] * len(confidence)


def by_confidence(eta):
    def sigma(t, largest, confidence):
        weights = [0.0 if c is None else math.exp(-c) for c in confidence]
        total = sum(weights)
        return [eta * largest * weight / total if total else 0.0 for weight in weights]

    return sigma


def looping(eta, t_on, t_off):
    def sigma(t, largest, confidence):
        return [min(eta, largest) if t_off < t <= t_on else 0.0] * len(confidence)

    return sigma


def linear(t):
    return 1 - t


def bent(t_on, t_off, alpha_on):
    def alpha(t):
        if t > t_on:
            return alpha_on * (1 - t) / (1 - t_on)
        return alpha_on if t >= t_off else 1 - (1 - alpha_on) * t / t_off

    return alpha


TWINS = {
    "cap": (Cap(0.3), cap(0.3), linear),
    "cap-that-binds": (Cap(1.0), cap(1.0), linear),
    "rescale": (Rescale(0.6), rescale(0.6), linear),
    "confidence": (Confidence(0.8), by_confidence(0.8), linear),
    "loop": (Loop(0.3, 0.7, 0.2, 0.6), looping(0.3, 0.7, 0.2), bent(0.7, 0.2, 0.6)),
}
every_twin = pytest.mark.parametrize(("remasking", "sigma", "alpha"), TWINS.values(), ids=TWINS)
without_confidence = pytest.mark.parametrize(
    ("remasking", "sigma", "alpha"),
    [twin for name, twin in TWINS.items() if name != "confidence"],
    ids=[name for name in TWINS if name != "confidence"],
)


def steps_of(alpha, num_steps):
    """(t, alpha_t, alpha_s, sigma_max) of each step on the linear grid."""
    for n in range(num_steps):
        t, s = 1 - n / num_steps, 1 - (n + 1) / num_steps
        largest = min(1.0, (1 - alpha(s)) / alpha(t)) if alpha(t) else 1.0
        yield t, alpha(t), alpha(s), largest


def law_by_recursion(predictor, given, sigma, alpha, num_steps, filtered=list):
    """{tokens: probability}, by dictionaries of all states with their probabilities."""
    mask_id = predictor.vocab_size

    def ways(place, tokens, confidence, probs, sigma_here, alpha_t, alpha_s):
        """(probability, token, confidence) for each thing that can become of one position."""
        token = tokens[place]
        if given[place] != mask_id:
            return [(1.0, token, None)]
        if token != mask_id:
            kept = (1 - sigma_here, token, confidence[place])
            return [kept, (sigma_here, mask_id, None)]
        stays = (1 - alpha_s - sigma_here * alpha_t) / (1 - alpha_t)
        drawn_from = filtered(probs[place])
        revealed = [((1 - stays) * drawn_from[v], v, probs[place][v]) for v in range(mask_id)]
        return [(stays, mask_id, None), *revealed]

    law = {(tuple(given), (None,) * len(given)): 1.0}
    for t, alpha_t, alpha_s, largest in steps_of(alpha, num_steps):
        after = defaultdict(float)
        for (tokens, confidence), probability in law.items():
            places = torch.arange(len(given))[None]
            probs = predictor.draft(torch.tensor([tokens]), places).log_probs[0].exp().tolist()
            sigmas = sigma(t, largest, confidence)
            choices = [
                ways(place, tokens, confidence, probs, sigmas[place], alpha_t, alpha_s)
                for place in range(len(given))
            ]
            for combination in itertools.product(*choices):
                chances, new_tokens, new_confidence = zip(*combination, strict=True)
                if all(chance > 1e-15 for chance in chances):
                    after[new_tokens, new_confidence] += probability * math.prod(chances)
        law = after
    return of_tokens(law)


@every_twin
@pytest.mark.parametrize(
    ("given", "num_steps"), [([2, 2], 4), ([2, 1, 2], 4), ([2, 2, 2], 3), ([2], 5)], ids=str
)
def test_the_law_is_that_of_the_slow_twin(remasking, sigma, alpha, given, num_steps):
    predictor = ArbitraryHybrid(2, len(given), seed=1)
    sampler = ReMDM(num_steps=num_steps, remasking=remasking)
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, given))
    expected = law_by_recursion(predictor, given, sigma, alpha, num_steps)
    assert law == pytest.approx(expected, abs=1e-12)
    plain = of_tokens(outcomes_by_enumeration(predictor, Ancestral(num_steps=num_steps), given))
    assert len(given) == 1 or law != pytest.approx(plain, abs=1e-3)


def test_the_filter_is_applied_to_what_is_drawn_and_not_to_confidence():
    predictor = ArbitraryHybrid(2, 2, seed=2)

    def squared(probs):
        total = sum(prob**2 for prob in probs)
        return [prob**2 / total for prob in probs]

    sampler = ReMDM(num_steps=4, remasking=Confidence(), filter=Filter(temperature=0.5))
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, [2, 2]))
    expected = law_by_recursion(predictor, [2, 2], by_confidence(1.0), linear, 4, squared)
    assert law == pytest.approx(expected, abs=1e-12)


def test_another_grid_and_schedule():
    grid, schedule = grids.Cosine(), schedules.Cosine()
    alpha = schedule.alpha(grid.times(4)).tolist()
    predictor = ArbitraryHybrid(2, 2, seed=3)
    sampler = ReMDM(num_steps=4, grid=grid, schedule=schedule, remasking=Rescale(0.7))
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, [2, 2]))
    expected = law_by_recursion(
        predictor, [2, 2], rescale(0.7), lambda t: alpha[round(4 * (1 - t))], 4
    )
    assert law == pytest.approx(expected, abs=1e-12)


# Without remasking.

NEVER = [Cap(0.0), Rescale(0.0), Confidence(0.0)]


@pytest.mark.parametrize("remasking", NEVER, ids=str)
@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
def test_sigma_0_is_ancestral_sampling(remasking, given):
    predictor, grid = ArbitraryHybrid(2, 3, seed=4), grids.Linear()
    sampler = ReMDM(num_steps=3, remasking=remasking)
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    plain = outcomes_by_enumeration(predictor, Ancestral(num_steps=3, grid=grid), given)
    assert outcomes == pytest.approx(plain, abs=1e-14)


class Bent:
    """The schedule of a loop."""

    def __init__(self, loop):
        self.loop = loop

    def alpha(self, t):
        return self.loop.alpha(schedules.Linear(), t)

    def alpha_rate(self, t):
        raise NotImplementedError


@pytest.mark.parametrize("remasking", [*NEVER, Loop(eta=0.0)], ids=str)
def test_sigma_0_draws_the_same_tokens_at_the_same_cost(remasking):
    chain = MarkovChain.random(vocab_size=4, order=1, seed=5)
    given_ids = torch.full((30, 10), 4)
    given_ids[::3, 2] = 1
    schedule = Bent(remasking) if isinstance(remasking, Loop) else schedules.Linear()
    remasked, plain = (
        sample(chain, sampler, given_ids, SeededDraws(range(30)))
        for sampler in (
            ReMDM(num_steps=20, remasking=remasking),
            Ancestral(num_steps=20, grid=grids.Linear(), schedule=schedule),
        )
    )
    assert torch.equal(remasked.token_ids, plain.token_ids)
    assert torch.equal(remasked.trunk_passes, plain.trunk_passes)


# Who is masked when.


def patterns(predictor, sampler, given):
    """{(is_masked after each step): probability}."""

    def program(draws):
        seen = [[] for _ in range(len(draws))]

        def observe(state, info, rows):
            for row, is_masked in zip(rows.tolist(), state.is_masked.tolist(), strict=True):
                seen[row].append(tuple(is_masked))

        given_ids = torch.tensor([given]).expand(len(draws), -1)
        sample(predictor, sampler, given_ids, draws, observe)
        return list(map(tuple, seen))

    return every_outcome(program)


def taken_back(history):
    return sum(
        after and not before
        for earlier, later in itertools.pairwise(history)
        for before, after in zip(earlier, later, strict=True)
    )


@without_confidence
def test_each_position_is_revealed_at_time_t_with_probability_alpha_t(remasking, sigma, alpha):
    sampler = ReMDM(num_steps=4, remasking=remasking)
    histories = patterns(ArbitraryHybrid(2, 2, seed=6), sampler, [2, 2])
    for n, (_, _, alpha_s, _) in enumerate(steps_of(alpha, 4)):
        expected = defaultdict(float)
        for pattern in itertools.product([True, False], repeat=2):
            expected[pattern] = math.prod(1 - alpha_s if masked else alpha_s for masked in pattern)
        for history, probability in histories.items():
            expected[history[n]] -= probability
        assert max(map(abs, expected.values())) < 1e-12


@without_confidence
def test_as_many_are_taken_back_as_the_closed_form_says(remasking, sigma, alpha):
    """sum_n L alpha_n sigma_n."""
    sampler = ReMDM(num_steps=4, remasking=remasking)
    histories = patterns(ArbitraryHybrid(2, 3, seed=6), sampler, [2, 1, 2])
    number = sum(taken_back(history) * prob for history, prob in histories.items())
    expected = sum(
        2 * alpha_t * sigma(t, largest, [0])[0] for t, alpha_t, _, largest in steps_of(alpha, 4)
    )
    assert number == pytest.approx(expected, abs=1e-12)
    assert number > 0.2


def test_confidence_masks_more_than_the_schedule_by_what_it_takes_back():
    """E_s = E_t + (L - E_t) (alpha_s - alpha_t) / (1 - alpha_t) - eta sigma_max P(any revealed).

    E: the number of tokens revealed.
    """
    sampler, length = ReMDM(num_steps=4, remasking=Confidence(0.9)), 2
    histories = patterns(ArbitraryHybrid(2, length, seed=7), sampler, [2] * length)
    revealed, any_revealed = 0.0, 0.0
    for n, (_, alpha_t, alpha_s, largest) in enumerate(steps_of(linear, 4)):
        gained = (length - revealed) * (alpha_s - alpha_t) / (1 - alpha_t)
        revealed += gained - 0.9 * largest * any_revealed
        numbers = [(history[n].count(False), prob) for history, prob in histories.items()]
        assert sum(k * prob for k, prob in numbers) == pytest.approx(revealed, abs=1e-12)
        any_revealed = sum(prob for k, prob in numbers if k)
    assert revealed == pytest.approx(length)
    assert sum(taken_back(history) * prob for history, prob in histories.items()) > 0.5


@without_confidence
@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
def test_passes_are_the_steps_that_reveal_something(remasking, sigma, alpha, given):
    """A token is revealed in a step with probability v = alpha_s - (1 - sigma) alpha_t."""
    sampler, num_masked = ReMDM(num_steps=3, remasking=remasking), given.count(2)
    outcomes = outcomes_by_enumeration(ArbitraryHybrid(2, 3, seed=8), sampler, given)
    expected = 0.0
    for t, alpha_t, alpha_s, largest in steps_of(alpha, 3):
        reveal = alpha_s - (1 - sigma(t, largest, [0])[0]) * alpha_t
        expected += 1 - (1 - reveal) ** num_masked
    assert mean_of(outcomes, 1) == pytest.approx(expected, abs=1e-12)
    assert mean_of(outcomes, 2) == 0
    assert {accepted for _, _, _, accepted in outcomes} == {num_masked}


# Sequences of a batch.


@pytest.mark.parametrize("remasking", [Confidence(), Loop(eta=0.3)], ids=str)
def test_a_sequence_is_the_same_in_any_batch(remasking):
    check_same_in_any_batch(ReMDM(num_steps=6, remasking=remasking))


@pytest.mark.parametrize("remasking", [Cap(0.5), Confidence()], ids=str)
def test_what_is_given_is_never_masked(remasking):
    given_ids = torch.full((20, 6), 3)
    given_ids[:, [1, 4]] = torch.tensor([0, 2])
    seen = []

    def observe(state, info, rows):
        seen.append(state.token_ids)
        assert torch.equal(state.is_masked, state.token_ids == 3)

    chain = MarkovChain.random(3, order=1, seed=9)
    sampler = ReMDM(num_steps=15, remasking=remasking)
    samples = sample(chain, sampler, given_ids, SeededDraws(range(20)), observe)
    assert len(seen) == 15
    for token_ids in [*seen, samples.token_ids]:
        assert (token_ids[:, [1, 4]] == torch.tensor([0, 2])).all()
    assert (samples.token_ids < 3).all()


def test_the_passes_counted_are_those_made():
    predictor = CountedPasses(MarkovChain.random(3, order=1, seed=9))
    sampler = ReMDM(num_steps=15, remasking=Cap(0.3))
    samples = sample(predictor, sampler, torch.full((20, 6), 3), SeededDraws(range(20)))
    assert samples.trunk_passes.sum() == predictor.sequence_passes < 20 * 15


def test_no_step_is_refused():
    with pytest.raises(ConfigError, match=r"ReMDM\.num_steps must be at least 1, got 0"):
        ReMDM(num_steps=0)
