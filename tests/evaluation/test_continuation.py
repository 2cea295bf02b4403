import itertools
import math

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError
from unmask.evaluation import continuation, passes
from unmask.evaluation.continuation import Continuation, random_masks, score, terms
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.samplers.common import masked_state
from unmask.samplers.sampler import sample
from unmask.samplers.threshold import Threshold
from unmask.speculation.filters import Filter

VOCAB, LENGTH, MASK = 3, 4, 3
ARBITRARY = ArbitraryHybrid(VOCAB, LENGTH, seed=0)
TABLE = JointTable.random(VOCAB, LENGTH, seed=0)
CHAIN = MarkovChain.random(vocab_size=4, order=1, seed=0)


def mean_over_orders(predictor, context, target):
    """The bound of masked diffusion, one token per pass, in plain Python."""
    total = 0.0
    for order in itertools.permutations(range(len(target))):
        shown = [*context, *[MASK] * len(target)]
        for place in order:
            position = len(context) + place
            said = predictor.draft(torch.tensor([shown]), torch.tensor([[position]]))
            total += said.log_probs[0, 0, target[place]].item()
            shown[position] = target[place]
    return total / math.factorial(len(target))


def mean_over_counts_and_sets(predictor, context, target):
    """E_k E_S of the terms, every S in turn."""
    n, total = len(target), 0.0
    filled_ids = torch.tensor([[*context, *target]])
    for k in range(1, n + 1):
        for chosen in itertools.combinations(range(n), k):
            is_masked = torch.zeros(1, len(context) + n, dtype=torch.bool)
            is_masked[0, [len(context) + place for place in chosen]] = True
            said = masked_state.predict(
                predictor, filled_ids.masked_fill(is_masked, MASK), is_masked
            )
            value = terms(said, filled_ids, torch.tensor([n])).item()
            total += value / (n * math.comb(n, k))
    return total


CASES = [((), (0, 2, 1, 1)), ((2,), (1, 0, 0)), ((0, 1), (2, 2))]


@pytest.mark.parametrize(("context", "target"), CASES)
def test_the_expectation_is_the_mean_over_orders(context, target) -> None:
    enumerated = mean_over_counts_and_sets(ARBITRARY, context, target)
    assert enumerated == pytest.approx(mean_over_orders(ARBITRARY, context, target), abs=1e-12)


@pytest.mark.parametrize(("context", "target"), CASES)
def test_the_bound_of_an_exact_predictor_is_the_likelihood(context, target) -> None:
    whole, before = (
        TABLE.log_prob(torch.tensor([[*ids, *[MASK] * (LENGTH - len(ids))]])).item()
        for ids in ((*context, *target), context)
    )
    enumerated = mean_over_counts_and_sets(TABLE, context, target)
    assert enumerated == pytest.approx(whole - before, abs=1e-12)


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_estimate_has_that_expectation(num_samples) -> None:
    wanted = Continuation((2,), (1, 0, 0))
    found = [
        score(ARBITRARY, [wanted], num_samples=num_samples, seed=seed).log_likelihoods[0]
        for seed in range(150)
    ]
    mean, error = torch.tensor(found).mean(), torch.tensor(found).std() / math.sqrt(len(found))
    expected = mean_over_orders(ARBITRARY, wanted.context_ids, wanted.target_ids)
    assert error > 0.001
    assert abs(mean - expected) < 3.5 * error


def test_masks_are_spread_evenly_over_counts_and_sets() -> None:
    assert random_masks(SeededDraws([3]), 5, 5).sum(dim=1).tolist() == [5, 4, 3, 2, 1]
    assert random_masks(SeededDraws([3]), 2, 6).sum(dim=1).tolist() == [2] * 3 + [1] * 3
    masks = torch.cat([random_masks(SeededDraws([seed]), 4, 3) for seed in range(1000)])
    assert len(masks) == 3000
    sets, num_drawn = masks.unique(dim=0, return_counts=True)
    shares = {
        tuple(s): n / len(masks) for s, n in zip(sets.tolist(), num_drawn.tolist(), strict=True)
    }
    assert len(shares) == 2**4 - 1
    for chosen, share in shares.items():
        expected = 1 / (4 * math.comb(4, sum(chosen)))
        assert share == pytest.approx(expected, abs=5 * math.sqrt(expected / len(masks)))


def test_one_token_is_exact_and_candidates_of_a_question_share_its_pass() -> None:
    contexts = [(0, 1), (2,), (0, 1)]
    questions = [Continuation(c, (token,)) for c in contexts for token in range(4)]
    found = score(CHAIN, questions)
    assert found.passes == 2
    assert found.query_tokens == 3 + 2
    for each, value, is_greedy in zip(
        questions, found.log_likelihoods, found.is_greedy, strict=True
    ):
        ids = torch.tensor([[*each.context_ids, 4]])
        said = CHAIN.draft(ids, torch.tensor([[ids.shape[1] - 1]])).log_probs[0, 0]
        assert value == pytest.approx(said[each.target_ids[0]].item(), abs=1e-12)
        assert is_greedy == (int(said.argmax()) == each.target_ids[0])
    assert sum(found.is_greedy) == 3


def mixed_continuations():
    """Of many lengths, some behind no context."""
    tokens = torch.arange(120).tolist()
    return [
        Continuation(
            tuple(t * t % 7 % 4 for t in tokens[n : n + n % 5]),
            tuple(t * n % 5 % 4 for t in tokens[n : n + 1 + n % 6]),
        )
        for n in range(30)
    ]


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_a_score_does_not_depend_on_what_is_scored_beside_it(batch_size) -> None:
    wanted = mixed_continuations()
    alone = [score(CHAIN, [each], num_samples=6, seed=5) for each in wanted]
    shuffled = wanted[::3] + wanted[1::3] + wanted[2::3]
    together = score(CHAIN, shuffled, num_samples=6, seed=5, batch_size=batch_size)
    for each, expected in zip(wanted, alone, strict=True):
        place = shuffled.index(each)
        assert together.is_greedy[place] == expected.is_greedy[0]
        expected_nats = expected.log_likelihoods[0]
        assert together.log_likelihoods[place] == pytest.approx(expected_nats, abs=1e-12)
    other_seed = score(CHAIN, shuffled, num_samples=6, seed=6, batch_size=batch_size)
    assert other_seed.log_likelihoods != together.log_likelihoods


def test_streams_of_continuations_differ(monkeypatch) -> None:
    seen = []

    def noted(draws, num_targets, num_samples):
        seen.append(random_masks(draws, num_targets, num_samples))
        return seen[-1]

    monkeypatch.setattr(continuation, "random_masks", noted)
    wanted = [Continuation((a,), (b,) * 8) for a in range(4) for b in range(4)]
    score(CHAIN, wanted, num_samples=3)
    assert len({tuple(masks.flatten().tolist()) for masks in seen}) == 16


def test_greedy_is_what_one_token_per_pass_writes() -> None:
    targets = list(itertools.product(range(VOCAB), repeat=3))
    for context in range(VOCAB):
        given = torch.tensor([[context, MASK, MASK, MASK]])
        rule = Threshold(threshold=2.0, filter=Filter(temperature=0.0))
        written = sample(ARBITRARY, rule, given, SeededDraws([0])).token_ids[0, 1:].tolist()
        found = score(ARBITRARY, [Continuation((context,), t) for t in targets], num_samples=1)
        assert [list(t) for t, is_it in zip(targets, found.is_greedy, strict=True) if is_it] == [
            written
        ]
        assert found.passes == 3 + len(targets)


def test_greedy_decoding_is_over_once_nothing_agrees_with_it() -> None:
    given = torch.tensor([[0, MASK, MASK, MASK]])
    first = masked_state.predict(ARBITRARY, given, given == MASK)
    position, token = divmod(int(first.log_probs[0].flatten().argmax()), VOCAB)
    wrong = [(token + 1) % VOCAB] * 3
    found = score(ARBITRARY, [Continuation((0,), tuple(wrong))], num_samples=2)
    assert found.passes == 1 + 2 and not found.is_greedy[0]
    wrong[position] = token
    found = score(ARBITRARY, [Continuation((0,), tuple(wrong))], num_samples=2)
    assert found.passes > 1 + 2


def test_a_pass_asks_for_no_more_than_memory_has_room_for(monkeypatch) -> None:
    wanted = mixed_continuations()
    expected = score(CHAIN, wanted, num_samples=4)
    widths = []

    class Noting:
        vocab_size, device = CHAIN.vocab_size, CHAIN.device

        def draft(self, token_ids, positions):
            widths.append(positions.numel())
            return CHAIN.draft(token_ids, positions)

    monkeypatch.setattr(passes, "_NUMBERS_AT_ONCE", 12 * 4)
    found = score(Noting(), wanted, num_samples=4)
    assert max(widths) <= 12 < max(16, 2 * 6)
    assert found.log_likelihoods == pytest.approx(expected.log_likelihoods, abs=1e-12)


def test_it_is_told_how_many_are_done() -> None:
    told = []
    score(CHAIN, mixed_continuations(), num_samples=2, observe=told.append)
    assert told == list(range(1, 31))


def test_nothing_to_score_is_nothing() -> None:
    found = score(CHAIN, [])
    assert (found.log_likelihoods, found.is_greedy, found.passes) == ([], [], 0)


@pytest.mark.parametrize(
    ("wanted", "options", "error", "message"),
    [
        (Continuation((0,), ()), {}, DataError, "continuation 0 has no tokens"),
        (Continuation((4,), (0,)), {}, DataError, r"must be 0 to 3; continuation 0 holds 4"),
        (Continuation((), (-1,)), {}, DataError, "holds -1"),
        (Continuation((), (1,)), {"num_samples": 0}, ConfigError, "num_samples must be at least"),
        (Continuation((), (1,)), {"batch_size": 0}, ConfigError, "batch_size must be at least"),
    ],
)
def test_what_cannot_be_scored_is_refused(wanted, options, error, message) -> None:
    with pytest.raises(error, match=message):
        score(CHAIN, [wanted], **options)
