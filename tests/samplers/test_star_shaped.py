"""The star-shaped sampler against a slow twin and its limits, exactly."""

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from tests.reference.law import of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import product_of_marginals
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.process import grids, schedules
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.sampler import sample
from unmask.samplers.star_shaped import LowConfidence, StarShaped
from unmask.speculation.filters import Filter


def subsets(scores, number, temperature):
    """(probability, positions) of every choice of `number` of the positions in `scores`."""
    if temperature == 0:
        yield 1.0, frozenset(sorted(scores, key=lambda n: (-scores[n], n))[:number])
        return
    weights = {n: math.exp(score / temperature) for n, score in scores.items()}
    for order in itertools.permutations(weights, number):
        chance, left = 1.0, sum(weights.values())
        for n in order:
            chance *= weights[n] / left
            left -= weights[n]
        yield chance, frozenset(order)


def low_confidence(tokens, confidence):
    return {n: -math.log(c) for n, c in confidence.items()}


def law_by_recursion(
    predictor, given, num_steps, t_on, temperature, errors=low_confidence, filtered=list
):
    """{tokens: probability} on the linear grid and schedule; confidence is {position: c}."""
    mask_id, num_wanted = predictor.vocab_size, given.count(predictor.vocab_size)
    law = defaultdict(float)

    def go_on(step, tokens, confidence, probability):
        if step == num_steps:
            law[tokens] += probability
            return
        masked = [n for n, token in enumerate(tokens) if token == mask_id]
        is_star = 1 - step / num_steps <= t_on
        reveal = 1 / (num_steps - step)  # (t - s) / t
        places = torch.arange(len(given))[None]
        probs = predictor.draft(torch.tensor([tokens]), places).log_probs[0].exp().tolist()
        values = [*range(mask_id)] + ([] if is_star else [mask_id])
        for guesses in itertools.product(values, repeat=len(masked)):
            chance, guess, sure = probability, list(tokens), dict(confidence)
            for n, value in zip(masked, guesses, strict=True):
                guess[n] = value
                if value == mask_id:
                    chance *= 1 - reveal
                else:
                    chance *= filtered(probs[n])[value] * (1 if is_star else reveal)
                    sure[n] = probs[n][value]
            if not chance:
                continue
            if not is_star:
                go_on(step + 1, tuple(guess), sure, chance)
                continue
            number = -(-(num_steps - step - 1) * num_wanted // num_steps)  # ceil
            for share, again in subsets(errors(guess, sure), number, temperature):
                after = [mask_id if n in again else token for n, token in enumerate(guess)]
                kept = {n: c for n, c in sure.items() if n not in again}
                go_on(step + 1, tuple(after), kept, chance * share)

    go_on(0, tuple(given), {}, 1.0)
    return law


@pytest.mark.parametrize("temperature", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("given", "num_steps", "t_on"),
    [
        ([2, 2], 3, 0.7),
        ([2, 2], 3, 1.0),
        ([2, 2, 2], 2, 1.0),
        ([2, 2, 2], 3, 0.7),
        ([2, 0, 2], 4, 0.5),
    ],
    ids=str,
)
def test_the_law_is_that_of_the_slow_twin(given, num_steps, t_on, temperature):
    predictor = ArbitraryHybrid(2, len(given), seed=1)
    sampler = StarShaped(num_steps=num_steps, t_on=t_on, choice_temperature=temperature)
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, given))
    expected = law_by_recursion(predictor, given, num_steps, t_on, temperature)
    assert law == pytest.approx(expected, abs=1e-12)
    plain = Ancestral(num_steps=num_steps, grid=grids.Linear())
    others = of_tokens(outcomes_by_enumeration(predictor, plain, given))
    assert law != pytest.approx(others, abs=1e-3)


@dataclass(frozen=True)
class Dislikes:
    """A judge of tokens: this one is likely an error, most of all where it comes late."""

    token_id: int
    trunk_passes: int = 0

    def __call__(self, guess_ids, confidence):
        return (guess_ids == self.token_id) * torch.arange(1.0, guess_ids.shape[1] + 1)


def dislikes(token_id):
    def errors(tokens, confidence):
        return {n: (tokens[n] == token_id) * (n + 1) for n in confidence}

    return errors


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("given", [[2, 2, 2], [1, 2, 2]], ids=str)
def test_another_judge_of_errors_may_decide(given, temperature):
    predictor = ArbitraryHybrid(2, 3, seed=2)
    sampler = StarShaped(
        num_steps=3, t_on=0.7, error_predictor=Dislikes(1), choice_temperature=temperature
    )
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, given))
    expected = law_by_recursion(predictor, given, 3, 0.7, temperature, dislikes(1))
    assert law == pytest.approx(expected, abs=1e-12)
    by_confidence = law_by_recursion(predictor, given, 3, 0.7, temperature)
    assert law != pytest.approx(by_confidence, abs=1e-3)


class Arbitrary:
    """A judge like a trained one: what it says of a token depends on the whole guess."""

    trunk_passes = 1

    def __init__(self, mask_id):
        self.mask_id, self.sequence_passes = mask_id, 0

    def __call__(self, guess_ids, confidence):
        assert (guess_ids < self.mask_id).all()  # it knows no masks
        self.sequence_passes += len(guess_ids)
        return torch.tensor([arbitrary(row) for row in guess_ids.tolist()], dtype=torch.float32)


def arbitrary(tokens):
    code = sum((token + 1) * 5**n for n, token in enumerate(tokens))
    return [2 * math.sin(code * (n + 1)) for n in range(len(tokens))]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize(
    ("given", "num_steps", "t_on"), [([2, 2, 2], 3, 0.7), ([1, 2, 2], 3, 1.0)], ids=str
)
def test_a_judge_of_whole_guesses_is_followed_and_paid_for(given, num_steps, t_on, temperature):
    predictor = ArbitraryHybrid(2, 3, seed=10)
    sampler = StarShaped(
        num_steps=num_steps,
        t_on=t_on,
        error_predictor=Arbitrary(mask_id=2),
        choice_temperature=temperature,
    )
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    expected = law_by_recursion(
        predictor,
        given,
        num_steps,
        t_on,
        temperature,
        lambda tokens, confidence: {n: arbitrary(tokens)[n] for n in confidence},
    )
    assert of_tokens(outcomes) == pytest.approx(expected, abs=1e-6)  # e is in float32
    if t_on == 1:  # every step guesses, and all but the last are judged
        assert {trunk for _, trunk, _, _ in outcomes} == {2 * num_steps - 1}


def test_the_passes_of_the_judge_are_counted():
    judge, predictor = Arbitrary(mask_id=3), CountedPasses(MarkovChain.random(3, order=1, seed=11))
    given_ids = torch.full((20, 6), 3)
    given_ids[::3, 2:] = 1
    sampler = StarShaped(num_steps=12, error_predictor=judge)
    samples = sample(predictor, sampler, given_ids, SeededDraws(range(20)))
    assert samples.trunk_passes.sum() == predictor.sequence_passes + judge.sequence_passes
    # Steps from time t_on = 0.55 on: those at 6/12, 5/12, ..., 1/12; the last masks nothing.
    assert judge.sequence_passes == 20 * 5


def test_the_filter_is_applied_to_what_is_drawn_and_not_to_confidence():
    predictor = ArbitraryHybrid(2, 2, seed=3)

    def squared(probs):
        total = sum(prob**2 for prob in probs)
        return [prob**2 / total for prob in probs]

    sampler = StarShaped(num_steps=3, t_on=0.7, filter=Filter(temperature=0.5))
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, [2, 2]))
    expected = law_by_recursion(predictor, [2, 2], 3, 0.7, 1.0, filtered=squared)
    assert law == pytest.approx(expected, abs=1e-12)


# Limits.


@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
@pytest.mark.parametrize("schedule", [schedules.Linear(), schedules.Cosine()], ids=str)
def test_without_star_shaped_steps_it_is_ancestral_sampling(schedule, given):
    predictor = ArbitraryHybrid(2, 3, seed=4)
    star, plain = (
        outcomes_by_enumeration(predictor, sampler, given)
        for sampler in (
            StarShaped(num_steps=3, schedule=schedule, t_on=0.0),
            Ancestral(num_steps=3, schedule=schedule, grid=grids.Linear()),
        )
    )
    assert star == pytest.approx(plain, abs=1e-14)


@pytest.mark.parametrize("t_on", [0.0, 1.0])
def test_one_step_draws_every_token_from_its_marginal(t_on):
    table = JointTable.random(vocab_size=2, length=3, seed=5)
    outcomes = outcomes_by_enumeration(table, StarShaped(num_steps=1, t_on=t_on), [2, 2, 2])
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)


def test_high_temperature_chooses_at_random_and_low_temperature_the_least_sure():
    guess_ids = torch.full((400, 6), 3)
    chain = MarkovChain.random(3, order=1, seed=6)

    def mean_confidence_masked(temperature):
        sampler = StarShaped(num_steps=2, t_on=1.0, choice_temperature=temperature)
        state = sampler.init(guess_ids, mask_id=3, draws=SeededDraws(range(400)))
        state, _ = sampler.step(state, chain, SeededDraws(range(400)))
        assert (state.is_masked.sum(dim=1) == 3).all()
        return state.confidence[~state.is_masked].mean().item()  # of what was kept

    kept = [mean_confidence_masked(temperature) for temperature in (0.0, 0.3, 100.0)]
    assert kept[0] > kept[1] > kept[2]
    everything = mean_confidence_masked(1e9)
    assert kept[2] == pytest.approx(everything, abs=0.02)


# How much is masked, and what it costs.


@pytest.mark.parametrize("grid", [grids.Linear(), grids.Cosine()], ids=str)
def test_as_many_are_masked_as_the_schedule_says(grid):
    given_ids = torch.full((30, 10), 3)
    given_ids[::2, 3] = 1
    sampler = StarShaped(num_steps=10, grid=grid, t_on=0.65)
    times = grid.times(10).tolist()
    seen = []
    sample(
        MarkovChain.random(3, order=1, seed=7),
        sampler,
        given_ids,
        SeededDraws(range(30)),
        observe=lambda state, info, rows: seen.append(state),
    )
    assert len(seen) == 10
    for n, state in enumerate(seen):
        num_masked = state.is_masked.sum(dim=1)
        assert (state.token_ids[::2, 3] == 1).all()
        if times[n] <= 0.65:
            even, odd = (math.ceil(round(times[n + 1] * wanted, 6)) for wanted in (9, 10))
            assert (num_masked[::2] == even).all() and (num_masked[1::2] == odd).all()
        else:
            assert len(num_masked.unique()) > 1 or n == 0


def test_tokens_are_taken_back():
    before, num_taken_back = None, 0

    def observe(state, info, rows):
        nonlocal before, num_taken_back
        if before is not None:
            num_taken_back += int((state.is_masked & ~before).sum())
        before = state.is_masked

    chain, given_ids = MarkovChain.random(3, order=1, seed=8), torch.full((20, 8), 3)
    sample(chain, StarShaped(num_steps=10), given_ids, SeededDraws(range(20)), observe)
    assert num_taken_back > 20


def test_the_passes_counted_are_those_made():
    predictor = CountedPasses(MarkovChain.random(3, order=1, seed=9))
    given_ids = torch.full((20, 6), 3)
    given_ids[7] = 1
    samples = sample(predictor, StarShaped(num_steps=12), given_ids, SeededDraws(range(20)))
    assert samples.trunk_passes.sum() == predictor.sequence_passes < 19 * 12
    assert samples.trunk_passes[7] == 0
    assert torch.equal(samples.accepted, (given_ids == 3).sum(dim=1))
    assert not samples.rejected.any()


@pytest.mark.parametrize(
    "judge", [LowConfidence(), Arbitrary(mask_id=4)], ids=["confidence", "arbitrary"]
)
def test_a_sequence_is_the_same_in_any_batch(judge):
    check_same_in_any_batch(StarShaped(num_steps=6, error_predictor=judge))


def test_confidence_too_small_for_a_number_is_still_a_score():
    errors = LowConfidence()(torch.zeros(1, 3).long(), torch.tensor([[0.0, 1.0, torch.inf]]))
    assert errors[0, 0] > 80 and errors[0, 1] == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_steps", 0, r"StarShaped\.num_steps must be at least 1, got 0"),
        ("t_on", 1.5, r"StarShaped\.t_on must lie between 0 and 1, got 1\.5"),
        ("choice_temperature", -1.0, r"StarShaped\.choice_temperature .* got -1\.0"),
    ],
)
def test_a_field_out_of_range_is_refused(field, value, message):
    with pytest.raises(ConfigError, match=message):
        StarShaped(**{field: value})
