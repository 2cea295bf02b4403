"""The learned policy against a plain recursion, and its limits in closed form."""

import itertools
import math
from collections import defaultdict

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import best_only, product_of_marginals
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.samplers.learned_policy import LearnedPolicy, reveal_log_prob
from unmask.speculation.filters import Filter


def logit_of(position, confidence, masked, time):
    """What the policy of these tests says of one masked position, in plain numbers."""
    crowd = sum(1.0 for n in masked if n != position)
    return 3 * confidence - 1.7 + 0.4 * position * time - 0.3 * crowd


class Table:
    """The same of a batch; nonsense where nothing is masked."""

    def __call__(self, confidence, is_masked, time):
        logits = torch.full_like(confidence, 1e6)
        for b, n in is_masked.nonzero().tolist():
            masked = is_masked[b].nonzero().squeeze(1).tolist()
            assert (confidence[b][~is_masked[b]] == 1).all()
            logits[b, n] = logit_of(n, confidence[b, n].item(), masked, time[b].item())
        return logits


class Always:
    """Says the same of every position."""

    def __init__(self, logit):
        self.logit = logit

    def __call__(self, confidence, is_masked, time):
        return torch.full_like(confidence, self.logit)


def outcomes_by_recursion(predictor, given, *, boldness=1.0, temperature=1.0, filtered=list):
    """{(tokens, trunk passes, tail passes, accepted): probability}, one path at a time."""
    mask_id, outcomes = predictor.vocab_size, defaultdict(float)
    num_wanted = given.count(mask_id)

    def go_on(tokens, num_passes, probability):
        masked = [n for n, token in enumerate(tokens) if token == mask_id]
        if not masked:
            outcomes[tokens, num_passes, 0, num_wanted] += probability
            return
        log_probs = predictor.draft(torch.tensor([tokens]), torch.tensor([masked])).log_probs
        probs = dict(zip(masked, log_probs[0].exp().tolist(), strict=True))
        time = len(masked) / num_wanted
        logits = {n: logit_of(n, max(probs[n]), masked, time) for n in masked}
        for coins in itertools.product([False, True], repeat=len(masked)):
            chance, chosen = probability, []
            for n, is_head in zip(masked, coins, strict=True):
                share = min(1.0, boldness / (1 + math.exp(-logits[n] / temperature)))
                chance *= share if is_head else 1 - share
                chosen += [n] if is_head else []
            chosen = chosen or [max(masked, key=lambda n: logits[n])]
            for values in itertools.product(range(mask_id), repeat=len(chosen)):
                drawn = dict(zip(chosen, values, strict=True))
                weight = math.prod(filtered(probs[n])[drawn[n]] for n in chosen)
                after = tuple(drawn.get(n, token) for n, token in enumerate(tokens))
                if chance * weight:
                    go_on(after, num_passes + 1, chance * weight)

    go_on(tuple(given), 0, 1.0)
    return dict(outcomes)


@pytest.mark.parametrize("prompt", [[2, 2, 2], [2, 1, 2, 2], [3, 3], [3, 0, 3]], ids=str)
@pytest.mark.parametrize(
    ("boldness", "temperature"), [(1.0, 1.0), (0.3, 1.0), (1.4, 1.0), (1.0, 0.4), (0.0, 2.0)]
)
def test_the_law_is_that_of_the_recursion(prompt, boldness, temperature):
    predictor = ArbitraryHybrid(max(prompt), len(prompt), seed=1)
    sampler = LearnedPolicy(policy=Table(), boldness=boldness, policy_temperature=temperature)
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    expected = outcomes_by_recursion(predictor, prompt, boldness=boldness, temperature=temperature)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    num_wanted = prompt.count(max(prompt))
    assert len({passes for _, passes, *_ in outcomes}) == (num_wanted if boldness else 1)


def test_the_confidence_is_not_that_of_the_filtered_distribution():
    predictor = ArbitraryHybrid(2, 3, seed=3)
    sampler = LearnedPolicy(policy=Table(), filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(predictor, sampler, [2, 2, 2])
    expected = outcomes_by_recursion(predictor, [2, 2, 2], filtered=best_only)
    assert outcomes == pytest.approx(expected, abs=1e-12)


def test_a_policy_that_never_dares_reveals_one_token_per_pass():
    predictor = ArbitraryHybrid(2, 4, seed=2)
    outcomes = outcomes_by_enumeration(
        predictor, LearnedPolicy(policy=Always(-math.inf)), [2, 2, 2, 2]
    )
    assert {passes for _, passes, *_ in outcomes} == {4}


def test_a_policy_that_always_dares_is_one_pass_of_independent_tokens():
    table = JointTable.random(vocab_size=3, length=3, seed=2)
    outcomes = outcomes_by_enumeration(table, LearnedPolicy(policy=Always(math.inf)), [3] * 3)
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)
    assert mean_of(outcomes, 1) == pytest.approx(1.0)


def test_one_token_per_pass_follows_an_exact_predictor_whatever_the_policy_prefers():
    """The policy chooses positions, never tokens, so its preferences leave no trace."""
    table = JointTable.random(vocab_size=2, length=4, seed=5)
    sampler = LearnedPolicy(policy=Table(), boldness=0.0)
    law = of_tokens(outcomes_by_enumeration(table, sampler, [2] * 4))
    joint = table.log_joint.exp()
    expected = {tokens: joint[tokens].item() for tokens in itertools.product(range(2), repeat=4)}
    assert law == pytest.approx(expected, abs=1e-12)


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(LearnedPolicy(policy=Table()))


@pytest.mark.parametrize("masked", [[0, 1, 2], [1, 2], [0, 2], [1]], ids=str)
def test_what_a_step_reveals_has_the_probability_that_is_computed(masked):
    """Over all that can be revealed of the masked positions, beside enumeration."""
    logits = torch.tensor([0.3, -0.4, 0.9], dtype=torch.float64)
    is_masked = torch.tensor([n in masked for n in range(3)])
    share = torch.sigmoid(logits).tolist()
    expected = defaultdict(float)
    for coins in itertools.product([False, True], repeat=len(masked)):
        heads = tuple(n for n, is_head in zip(masked, coins, strict=True) if is_head)
        chance = math.prod(share[n] if n in heads else 1 - share[n] for n in masked)
        expected[heads or (max(masked, key=lambda n: share[n]),)] += chance
    for revealed, probability in expected.items():
        is_revealed = torch.tensor([n in revealed for n in range(3)])
        found = reveal_log_prob(logits[None], is_masked[None], is_revealed[None])
        assert found.exp().item() == pytest.approx(probability, abs=1e-12)
    assert math.fsum(expected.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"boldness": -1.0}, "boldness must be.*1 follows the policy"),
        ({"boldness": math.inf}, "boldness must be"),
        ({"policy_temperature": 0.0}, "policy_temperature must be a positive"),
        ({"policy_temperature": float("nan")}, "policy_temperature must be a positive"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        LearnedPolicy(policy=Always(0.0), **choices)
