"""Semi-autoregressive decoding against closed forms and against its slow twin, exactly."""

import itertools

import pytest
import torch
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from tests.reference import slow_quota
from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.exact import random_log_probs
from unmask.predictors.protocol import Draft
from unmask.predictors.table import JointTable
from unmask.samplers.sampler import sample
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.speculation.filters import Filter


class ByPosition:
    """A distribution for each position, whatever is revealed: many steps cost little."""

    vocab_size, device = 3, torch.device("cpu")
    log_probs = random_log_probs(SeededDraws([0]), 27, 3)

    def draft(self, token_ids, positions):
        return Draft(self.log_probs[positions], None)


PREDICTOR = ByPosition()


def slow_law(predictor, given, sampler, quotas):
    """A step of the twin: draws in the first block with masks, of which the surest stay."""

    def block(i):
        return (i - given.index(2)) // sampler.block_length

    def step(probs, num_passes):
        inside = [i for i in probs if block(i) == block(min(probs))]
        for drawing, drawn in slow_quota.every_draw(probs, inside, sampler.filter.temperature):
            score = {i: probs[i][token] for i, token in drawn.items()}
            for choosing, chosen in slow_quota.every_choice(score, quotas[num_passes], 0):
                yield drawing * choosing, {i: drawn[i] for i in chosen}

    return slow_quota.law(predictor, given, step)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.0])
@pytest.mark.parametrize(
    ("given", "block_length", "num_steps", "quotas"),
    [
        ([2, 2, 2, 2], 2, 2, [2, 2]),
        ([2, 2, 2, 2], 2, 3, [1, 1, 2]),
        ([2, 2, 2, 2], 2, 4, [1, 1, 1, 1]),
        ([2, 2, 2, 2], 3, 2, [3, 1]),
        ([2, 2, 2, 2], 3, 3, [2, 1, 1]),  # of 3 steps the last token takes one
        ([2, 2, 2, 2], 4, 3, [2, 1, 1]),
        ([2, 0, 2, 2], 2, 2, [1, 2]),  # a given token takes part of a block
        ([2, 0, 2, 2], 3, 2, [2, 1]),
        ([1, 2, 2, 2], 2, 2, [2, 1]),  # but the first begins where something is wanted
        ([2, 2, 2], 2, 5, [1, 1, 1]),
        ([2, 2, 2], 3, 1, [3]),
    ],
    ids=str,
)
def test_the_law_is_that_of_the_slow_twin(given, block_length, num_steps, quotas, temperature):
    predictor = ArbitraryHybrid(2, len(given), seed=1)
    sampler = SemiAutoregressive(
        num_steps=num_steps, block_length=block_length, filter=Filter(temperature=temperature)
    )
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    assert {outcome[1:] for outcome in outcomes} == {(len(quotas), 0, given.count(2))}
    law = {(tokens, passes): prob for (tokens, passes, _, _), prob in outcomes.items()}
    expected = slow_law(predictor, given, sampler, quotas)
    assert law == pytest.approx({o: p for o, p in expected.items() if p}, abs=1e-12)


def test_one_block_in_one_step_draws_every_token_from_its_marginal():
    table = JointTable.random(vocab_size=2, length=3, seed=2)
    joint = table.log_joint.exp()
    margins = [joint.sum(dim=[a for a in range(3) if a != axis]) for axis in range(3)]
    expected = torch.einsum("a,b,c->abc", *margins)
    sampler = SemiAutoregressive(num_steps=1, block_length=3)
    law = of_tokens(outcomes_by_enumeration(table, sampler, [2, 2, 2]))
    for tokens in itertools.product(range(2), repeat=3):
        assert law[tokens] == pytest.approx(expected[tokens].item(), abs=1e-12)


def test_blocks_of_one_position_are_autoregressive():
    predictor = ArbitraryHybrid(3, 3, seed=3)
    law = of_tokens(
        outcomes_by_enumeration(predictor, SemiAutoregressive(block_length=1), [3, 3, 3])
    )
    for a, b, c in itertools.product(range(3), repeat=3):
        expected = (
            slow_quota.predicted(predictor, [3, 3, 3])[0][a]
            * slow_quota.predicted(predictor, [a, 3, 3])[1][b]
            * slow_quota.predicted(predictor, [a, b, 3])[2][c]
        )
        assert law[a, b, c] == pytest.approx(expected, abs=1e-12)


# How many, and where.


def revealed_in_each_step(sampler, given):
    """The positions that each step reveals."""
    before, steps = torch.tensor(given) == 3, []

    def observe(state, info, rows):
        nonlocal before
        assert info.trunk.passes.tolist() == [1]
        steps.append((before & ~state.is_masked[0]).nonzero().squeeze(1).tolist())
        before = state.is_masked[0]

    sample(PREDICTOR, sampler, torch.tensor([given]), SeededDraws([0]), observe)
    return steps


@pytest.mark.parametrize("num_blocks", [1, 3])
@pytest.mark.parametrize("block_length", [1, 4, 7])
def test_full_blocks_have_the_quota_of_the_source(block_length, num_blocks):
    for steps_per_block in range(1, block_length + 2):
        base, rest = divmod(block_length, steps_per_block)
        of_block = [base + (k < rest) for k in range(steps_per_block) if base + (k < rest)]
        sampler = SemiAutoregressive(
            num_steps=steps_per_block * num_blocks, block_length=block_length
        )
        steps = revealed_in_each_step(sampler, [3] * block_length * num_blocks)
        assert list(map(len, steps)) == of_block * num_blocks


@pytest.mark.parametrize(
    ("wanted", "num_steps", "quotas"),
    [
        ([4, 4], 5, [2, 1, 1, 2, 2]),
        ([4, 4, 4], 7, [2, 1, 1, 2, 2, 2, 2]),
        ([2, 4], 3, [2, 2, 2]),  # two thirds of what is wanted, so two of three steps
        ([1, 4, 4], 3, [1, 4, 4]),
        ([1, 1, 4], 3, [1, 1, 4]),  # the last block's share is two, but the others need one each
        ([0, 1, 4], 4, [1, 2, 1, 1]),
    ],
    ids=str,
)
def test_blocks_share_the_steps_by_what_is_wanted_in_them(wanted, num_steps, quotas):
    """Blocks of four, of which the first positions are wanted."""
    sampler = SemiAutoregressive(num_steps=num_steps, block_length=4)
    given = [token for number in wanted for token in [3] * number + [0] * (4 - number)]
    assert list(map(len, revealed_in_each_step(sampler, given))) == quotas


@settings(deadline=None, derandomize=True, max_examples=60)
@for_all(
    st.lists(st.sampled_from([0, 3, 3]), min_size=1, max_size=12),
    st.integers(1, 14),
    st.integers(0, 14),
)
def test_blocks_are_filled_in_turn_and_every_step_counts(given, block_length, more_steps):
    masked = [i for i, token in enumerate(given) if token == 3]
    num_blocks = len({(i - masked[0]) // block_length for i in masked})
    num_steps = max(1, num_blocks + more_steps)
    sampler = SemiAutoregressive(num_steps=num_steps, block_length=block_length)
    steps = revealed_in_each_step(sampler, given)
    assert len(steps) == min(num_steps, len(masked))
    assert sorted(itertools.chain(*steps)) == masked
    blocks = [{(i - masked[0]) // block_length for i in step} for step in steps]
    assert all(len(block) == 1 for block in blocks)
    in_turn = [min(block) for block in blocks]
    assert in_turn == sorted(in_turn)


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(SemiAutoregressive(num_steps=5, block_length=4))


# What is refused.


def test_no_step_is_refused():
    with pytest.raises(ConfigError, match="SemiAutoregressive.num_steps must be at least 1, got"):
        SemiAutoregressive(num_steps=0)


def test_a_block_without_positions_is_refused():
    with pytest.raises(ConfigError, match="block_length must be at least 1, got 0.*32 is common"):
        SemiAutoregressive(block_length=0)


def test_fewer_steps_than_blocks_to_fill_are_refused():
    sampler = SemiAutoregressive(num_steps=2, block_length=2)
    given_ids = torch.tensor([[0, 0, 3, 3, 3, 3], [3, 0, 3, 0, 3, 0]])
    alone = sample(PREDICTOR, sampler, given_ids[:1], SeededDraws([0]))
    assert alone.trunk_passes.tolist() == [2]
    message = "must be at least 3, the number of blocks of 2 positions to fill, got 2.*longer"
    with pytest.raises(ConfigError, match=message):
        sample(PREDICTOR, sampler, given_ids, SeededDraws([0, 1]))


@pytest.mark.parametrize("shape", [(0, 4), (2, 0)])
def test_nothing_to_reveal_is_no_mistake(shape):
    given_ids = torch.zeros(shape, dtype=torch.long)
    samples = sample(PREDICTOR, SemiAutoregressive(), given_ids, SeededDraws(range(shape[0])))
    assert samples.token_ids.shape == shape
