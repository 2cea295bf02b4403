"""The mean log-ratio against divergences of enumerated laws, on chains of a few tokens."""

import itertools
import math

import pytest
import torch

from tests.reference.law import law_by_enumeration, of_tokens, outcomes_by_enumeration
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.evaluation import divergence
from unmask.evaluation.divergence import bits_per_token, log_ratios, log_ratios_of, reading_of
from unmask.evaluation.enumeration import every_outcome
from unmask.predictors.markov import MarkovChain
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.dilated import Dilated
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.likelihood import law_of, order_for, pass_tables
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.top_k import TopKEntropy, TopKMargin
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import log_likelihood

PAIRS = MarkovChain.random(vocab_size=2, order=2, seed=1)
TRIPLES = MarkovChain.random(vocab_size=3, order=1, seed=2)


def name_of(sampler):
    return type(sampler).__name__


def surer_is_riper(confidence, is_masked, time):
    return 4 * confidence - 2


SETTLED = [
    FixedPartition(window=Fixed(2), order="left-to-right"),
    FixedPartition(window=Whole(), order="confident"),
    FixedPartition(window=Fixed(3), order="confident"),
    TopKMargin(num_steps=2),
    TopKEntropy(num_steps=3),
    EntropyBounded(bound=0.4),
    EntropyBounded(bound=0.9, ranking="margin"),
    Dilated(block_length=4),
    Dilated(block_length=2),
    TopKEntropy(num_steps=2, filter=Filter(temperature=0.6)),
]
"""Positions follow from the tokens revealed."""
DRAWN = [
    Ancestral(num_steps=2),
    Ancestral(num_steps=3, prediction="fresh"),
    FixedPartition(window=Fixed(2)),
    TopKMargin(num_steps=2, choice_temperature=0.3),
    LearnedPolicy(policy=surer_is_riper),
]
"""Positions are drawn."""


def mean_ratio(chain, sampler, given):
    """The expectation of what `log_ratios_of` returns, over all choices of the sampler."""

    def program(draws):
        given_ids = torch.tensor([given]).expand(len(draws), -1)
        return log_ratios_of(chain, sampler, given_ids, draws).nats.tolist()

    return sum(nats * probability for nats, probability in every_outcome(program).items())


def divergence_of(chain, law, given):
    """sum_x q(x) log (q(x) / p(x | given)), from a law written down."""
    log_given = chain.log_prob(torch.tensor([given])).item()
    log_probs = chain.log_prob(torch.tensor(list(law))).tolist()
    return sum(
        probability * (math.log(probability) - log_prob + log_given)
        for probability, log_prob in zip(law.values(), log_probs, strict=True)
    )


def law_of_sampler(chain, sampler, given):
    return of_tokens(outcomes_by_enumeration(chain, sampler, given))


@pytest.mark.parametrize("sampler", SETTLED, ids=name_of)
def test_where_positions_follow_from_the_tokens_the_mean_is_the_divergence(sampler):
    assert reading_of(sampler) == "equal"
    for chain, given in ((PAIRS, [2] * 4), (TRIPLES, [3] * 3), (PAIRS, [2, 1, 2, 2])):
        exact = divergence_of(chain, law_of_sampler(chain, sampler, given), given)
        assert exact > 1e-4 or sampler.filter == Filter()
        assert mean_ratio(chain, sampler, given) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("sampler", DRAWN, ids=name_of)
def test_where_positions_are_drawn_the_mean_is_more_than_the_divergence(sampler):
    assert reading_of(sampler) == "at most"
    given = [2] * 3
    exact = divergence_of(PAIRS, law_of_sampler(PAIRS, sampler, given), given)
    mean = mean_ratio(PAIRS, sampler, given)
    assert 0 <= exact < mean - 1e-4


@pytest.mark.parametrize("window", [Fixed(2), Cosine(0.4)], ids=str)
def test_a_random_order_gives_the_mean_over_orders_of_their_divergences(window):
    """The chain rule, term by term: KL(q(x, w) || p(x, w)) for a uniform w."""
    sampler, given = FixedPartition(window=window), [2] * 3
    orders = list(itertools.permutations(range(3)))
    by_order = [
        divergence_of(
            PAIRS, of_tokens(law_by_enumeration(PAIRS, sampler, given, list(order))), given
        )
        for order in orders
    ]
    expected = sum(by_order) / len(orders)
    assert mean_ratio(PAIRS, sampler, given) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "sampler", [FirstHitting(), FixedPartition(window=Fixed(1)), TopKMargin(num_steps=4)], ids=str
)
def test_one_by_one_every_sample_has_ratio_one(sampler):
    ratios = log_ratios(PAIRS, sampler, length=6, num_samples=20, seed=0)
    if not isinstance(sampler, TopKMargin):
        assert ratios.nats.abs().max() < 1e-12 and set(ratios.trunk_passes.tolist()) == {6}
    else:
        assert ratios.nats.abs().max() > 1e-3  # 6 tokens in 4 steps


VERIFYING = [
    SelfSpeculative(window=Whole(), verify_rounds=1),
    SelfSpeculative(window=Fixed(3), verify_rounds=2),
    SelfSpeculative(window=Cosine(0.3), verify_rounds=4),
    SelfSpeculative(window=Whole(), verify_rounds=8, patience=0.2),
    SelfSpeculative(window=Fixed(3), verify_rounds=1, order="confident"),
    SelfSpeculative(window=Cosine(0.3), verify_rounds=2, order="spaced"),
    TargetOnly(window=Whole()),
    TargetOnly(window=Fixed(3)),
]


@pytest.mark.parametrize("sampler", VERIFYING, ids=name_of)
def test_what_verifies_has_no_divergence(sampler):
    """Its own likelihood of any sequence is that of the chain, in any window."""
    assert reading_of(sampler) == "zero"
    token_ids = TRIPLES.sample(SeededDraws(range(6)), batch_size=6, length=8)
    order, law = order_for(sampler, token_ids, seed=0, number=0), law_of(sampler, 8)
    num_given = torch.zeros_like(token_ids[:, 0])
    tables = pass_tables(TRIPLES, law, token_ids, order, num_given)
    own = log_likelihood(tables, law.verify_rounds, num_given)
    torch.testing.assert_close(own, TRIPLES.log_prob(token_ids), atol=1e-10, rtol=0)
    enumerated = law_of_sampler(PAIRS, sampler, [2] * 3)
    assert divergence_of(PAIRS, enumerated, [2] * 3) == pytest.approx(0, abs=1e-12)


def test_what_looks_at_drawn_tokens_has_no_such_formula(monkeypatch):
    """The mean ratio of a threshold is not its divergence, nor a bound on it."""
    sampler, given = Threshold(threshold=0.7), [2] * 3
    assert reading_of(sampler) == "unknown"
    with pytest.raises(ConfigError, match="no formula for the way that Threshold takes"):
        log_ratios(PAIRS, sampler, length=4, num_samples=1, seed=0)
    monkeypatch.setattr(divergence, "reading_of", lambda sampler: "equal")
    exact = divergence_of(PAIRS, law_of_sampler(PAIRS, sampler, given), given)
    assert mean_ratio(PAIRS, sampler, given) < exact - 1e-3


def test_every_sampler_is_read_in_one_way():
    made = {
        name: LearnedPolicy(policy=surer_is_riper) if cls is LearnedPolicy else cls()
        for name, cls in SAMPLERS.items()
    }
    readings = {name: reading_of(sampler) for name, sampler in made.items()}
    by_reading = {
        reading: {name for name in readings if readings[name] == reading}
        for reading in set(readings.values())
    }
    assert by_reading == {
        "zero": {"self-speculative", "target-only"},
        "equal": {"top-k-margin", "top-k-entropy", "entropy-bounded", "dilated"},
        "at most": {"ancestral", "first-hitting", "fixed-partition", "learned-policy"},
        "unknown": {
            "maskgit", "semi-autoregressive", "threshold", "factor", "klass", "remdm",
            "star-shaped", "lookahead", "self-draft", "draft-verify", "wino",
            "lossless", "lossless-branching", "autoregressive", "prefix-verify",
        },
    }  # fmt: skip
    assert reading_of(SelfSpeculative(filter=Filter(temperature=0.5))) == "unknown"


def test_samples_converge_to_the_expectation():
    sampler, given = TopKMargin(num_steps=2), [2] * 4
    exact = divergence_of(PAIRS, law_of_sampler(PAIRS, sampler, given), given)
    nats = log_ratios(PAIRS, sampler, length=4, num_samples=3000, seed=0, batch_size=1000).nats
    error = nats.std().item() / math.sqrt(len(nats))
    assert 0 < error < 0.1
    assert nats.mean().item() == pytest.approx(exact, abs=5 * error)


@pytest.mark.parametrize("sampler", [Ancestral(num_steps=4), EntropyBounded(bound=1.0)], ids=str)
def test_ratios_are_the_same_in_any_batch(sampler):
    made = [
        log_ratios(PAIRS, sampler, length=9, num_samples=11, seed=4, batch_size=size)
        for size in (11, 4, 1)
    ]
    for other in made[1:]:
        torch.testing.assert_close(made[0].nats, other.nats, atol=1e-10, rtol=0)
        assert torch.equal(made[0].trunk_passes, other.trunk_passes)


def test_bits_per_token():
    assert bits_per_token(torch.tensor([16 * math.log(2)]), 8).tolist() == pytest.approx([2.0])
