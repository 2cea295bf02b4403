"""The look-ahead sampler against a slow twin and its limits, exactly."""

import itertools
import math
from collections import defaultdict

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from tests.reference.law import of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import outcomes_by_recursion, product_of_marginals
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.sampler import sample
from unmask.speculation.filters import Filter


def outcomes_of_twin(predictor, given, sampler, filtered=list):
    """{(tokens, trunk passes, tail passes, accepted): probability}, path by path."""
    mask_id, outcomes = predictor.vocab_size, defaultdict(float)

    def predicted(tokens):
        places = [n for n, token in enumerate(tokens) if token == mask_id]
        log_probs = predictor.draft(torch.tensor([tokens]), torch.tensor([places])).log_probs
        return dict(zip(places, log_probs[0].exp().tolist(), strict=True))

    def filled(tokens, places, probs):
        """(state, probability) for every way to fill the places."""
        for values in itertools.product(range(mask_id), repeat=len(places)):
            after = list(tokens)
            for n, value in zip(places, values, strict=True):
                after[n] = value
            chance = math.prod(filtered(probs[n])[v] for n, v in zip(places, values, strict=True))
            if chance:
                yield tuple(after), chance

    def score(tokens):
        entropies = [-sum(p * math.log(p) for p in probs) for probs in predicted(tokens).values()]
        return -sum(entropies) / len(entropies)

    def chances(paths):
        scores = [score(path) for path in paths]
        if sampler.choice_temperature == 0:
            return [float(n == scores.index(max(scores))) for n in range(len(scores))]
        weights = [math.exp(one / sampler.choice_temperature) for one in scores]
        return [weight / sum(weights) for weight in weights]

    def go_on(tokens, passes, probability):
        probs = predicted(tokens)
        if len(probs) <= sampler.num_tokens:
            for after, chance in filled(tokens, list(probs), probs):
                outcomes[after, passes, 0, given.count(mask_id)] += probability * chance
            return
        pool = sorted(probs, key=lambda n: (-max(probs[n]), n))[: sampler.pool_size]
        sets = list(itertools.combinations(pool, sampler.num_tokens))
        ways = defaultdict(float)  # of one path
        for places in sets:
            for after, chance in filled(tokens, places, probs):
                ways[after] += chance / len(sets)
        onwards = defaultdict(float)
        for paths in itertools.product(ways, repeat=sampler.num_paths):
            drawn = math.prod(ways[path] for path in paths)
            for path, chance in zip(paths, chances(paths), strict=True):
                onwards[path] += drawn * chance
        for path, chance in onwards.items():
            if chance:
                go_on(path, passes + sampler.num_paths, probability * chance)

    go_on(tuple(given), 1, 1.0)
    return dict(outcomes)


@pytest.mark.parametrize("given", [[2, 2, 2], [2, 2, 1]], ids=str)
@pytest.mark.parametrize(
    "sampler",
    [
        Lookahead(num_paths=1, num_tokens=1, pool_size=2),
        Lookahead(num_paths=1, num_tokens=2, pool_size=2),
        Lookahead(num_paths=2, num_tokens=1, pool_size=1),
        Lookahead(num_paths=2, num_tokens=1, pool_size=2),
        Lookahead(num_paths=2, num_tokens=1, pool_size=2, choice_temperature=0.0),
        Lookahead(num_paths=2, num_tokens=2, pool_size=5, choice_temperature=0.5),
        Lookahead(num_paths=2, num_tokens=4, pool_size=4),
    ],
    ids=lambda sampler: "-".join(
        map(str, (sampler.num_paths, sampler.num_tokens, sampler.pool_size))
    ),
)
def test_law_and_costs_are_those_of_the_slow_twin(sampler, given):
    predictor = ArbitraryHybrid(2, 3, seed=1)
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    assert outcomes == pytest.approx(outcomes_of_twin(predictor, given, sampler), abs=1e-12)


def test_the_filter_is_applied_to_what_is_drawn_and_not_to_scores():
    predictor = ArbitraryHybrid(2, 3, seed=2)
    sampler = Lookahead(num_tokens=1, pool_size=2, filter=Filter(temperature=0.5))

    def squared(probs):
        total = sum(prob**2 for prob in probs)
        return [prob**2 / total for prob in probs]

    outcomes = outcomes_by_enumeration(predictor, sampler, [2, 2, 2])
    expected = outcomes_of_twin(predictor, [2, 2, 2], sampler, squared)
    assert outcomes == pytest.approx(expected, abs=1e-12)


# Limits.


@pytest.mark.parametrize("given", [[2, 2, 2], [2, 1, 2]], ids=str)
def test_one_path_of_one_token_from_a_pool_of_one_is_the_surest_position_each_time(given):
    predictor = ArbitraryHybrid(2, 3, seed=3)
    sampler = Lookahead(num_paths=1, num_tokens=1, pool_size=1)

    def surest_position(probs, drawn, history):
        return [min(drawn, key=lambda n: (-max(probs[n]), n))]

    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    expected = outcomes_by_recursion(predictor, given, surest_position)
    assert outcomes == pytest.approx(expected, abs=1e-12)


def test_all_tokens_at_once_are_drawn_from_their_marginals_in_one_pass():
    table = JointTable.random(vocab_size=2, length=3, seed=4)
    sampler = Lookahead(num_paths=2, num_tokens=3, pool_size=3)
    outcomes = outcomes_by_enumeration(table, sampler, [2, 2, 2])
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)
    assert {passes for _, passes, _, _ in outcomes} == {1}


def test_a_fair_choice_between_two_paths_is_no_choice():
    predictor = ArbitraryHybrid(2, 3, seed=5)
    fair, one = (
        of_tokens(outcomes_by_enumeration(predictor, sampler, [2, 2, 1]))
        for sampler in (
            Lookahead(num_paths=2, num_tokens=1, pool_size=2, choice_temperature=1e15),
            Lookahead(num_paths=1, num_tokens=1, pool_size=2),
        )
    )
    assert fair == pytest.approx(one, abs=1e-12)


# Sequences of a batch.

CHAIN = MarkovChain.random(3, order=1, seed=6)


def mixed_prompts(num_sequences=12, length=9):
    """1 to 9 tokens wanted, and all given in the last."""
    given_ids = torch.full((num_sequences, length), 3)
    for b in range(num_sequences):
        given_ids[b, : b % length] = b % 3
    given_ids[-1] = 2
    return given_ids


@pytest.mark.parametrize("num_paths", [1, 3])
def test_a_sequence_is_the_same_in_any_batch(num_paths):
    check_same_in_any_batch(Lookahead(num_paths=num_paths))


def test_scores_are_of_what_is_masked_however_many_are_in_the_neighbours():
    """This predictor is unsure even of tokens that it is shown."""
    predictor = ArbitraryHybrid(2, 5, seed=7)
    given_ids = torch.full((40, 5), 2)
    given_ids[::2, :2] = 1
    sampler = Lookahead(num_tokens=1, choice_temperature=0.0)
    together = sample(predictor, sampler, given_ids, SeededDraws(range(40))).token_ids
    for b in range(0, 40, 2):
        alone = sample(predictor, sampler, given_ids[b : b + 1], SeededDraws([b])).token_ids
        assert torch.equal(together[b : b + 1], alone)


@pytest.mark.parametrize(("num_paths", "num_tokens"), [(1, 1), (2, 2), (3, 2), (2, 4)])
def test_the_passes_counted_are_those_made_and_those_expected(num_paths, num_tokens):
    """One at first, and then the paths of every step but the last."""
    predictor, given_ids = CountedPasses(CHAIN), mixed_prompts()
    sampler = Lookahead(num_paths=num_paths, num_tokens=num_tokens)
    samples = sample(predictor, sampler, given_ids, SeededDraws(range(12)))
    assert samples.trunk_passes.sum() == predictor.sequence_passes
    num_wanted = (given_ids == 3).sum(dim=1)
    num_steps = (num_wanted / num_tokens).ceil().long()
    expected = (1 + num_paths * (num_steps - 1)) * (num_wanted > 0)
    assert torch.equal(samples.trunk_passes, expected)
    assert torch.equal(samples.accepted, num_wanted)
    is_given = given_ids != 3
    assert torch.equal(samples.token_ids[is_given], given_ids[is_given])


def test_a_finished_sequence_may_stay_in_the_batch():
    sampler, draws = Lookahead(), SeededDraws(range(2))
    given_ids = torch.tensor([[0, 3, 1, 2, 2], [3, 3, 3, 3, 3]])
    state, passes = sampler.init(given_ids, mask_id=3, draws=draws), []
    while not state.is_done.all():
        state, info = sampler.step(state, CHAIN, draws)
        passes.append(info.trunk.passes.tolist())
    assert passes == [[1, 3], [0, 2], [0, 0]]
    alone = sample(CHAIN, sampler, given_ids[1:], SeededDraws([1]))
    assert torch.equal(state.token_ids[1:], alone.token_ids)
    assert torch.equal(state.token_ids[0] != 3, torch.ones(5, dtype=torch.bool))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_paths": 0}, r"Lookahead\.num_paths must be at least 1, got 0"),
        ({"num_tokens": 0}, r"Lookahead\.num_tokens must be at least 1, got 0"),
        ({"pool_size": 1}, r"pool_size must be at least num_tokens, got 1 for 2"),
        ({"choice_temperature": -0.1}, r"Lookahead\.choice_temperature .* got -0\.1"),
    ],
)
def test_a_field_out_of_range_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Lookahead(**fields)
