"""Dilated unmasking: its partition against the definition by sets, its law in closed form."""

import itertools
import math

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import product_of_marginals
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.samplers.dilated import Dilated, groups, turns
from unmask.speculation.filters import Filter

SIZES = list(itertools.product(range(1, 71), range(2, 5)))


def as_sets(block_length, base):
    """Places of each group, counted from 1."""
    group = groups(block_length, base).tolist()
    return [{k for k, one in enumerate(group, start=1) if one == t} for t in range(max(group) + 1)]


def by_the_paper(block_length, base):
    """U_t = U_{t-1} + { k not in U_{t-1} : (k - 1) mod s_t = 0 }, and the rest where s_t is 0."""
    left, found = set(range(1, block_length + 1)), []
    for t in itertools.count(1):
        dilation = int(block_length / base**t)
        new = {k for k in left if dilation == 0 or (k - 1) % dilation == 0}
        found.append(new)
        left -= new
        if not left:
            return found


def is_power(block_length, base):
    return block_length in [base**t for t in range(1, 8)]


# The partition.


def test_eight_places_are_three_groups():
    assert as_sets(8, 2) == [{1, 5}, {3, 7}, {2, 4, 6, 8}]


@pytest.mark.parametrize(
    ("block_length", "base", "expected"),
    [
        (1, 2, [{1}]),
        (2, 2, [{1, 2}]),
        (3, 2, [{1, 2, 3}]),
        (5, 2, [{1, 3, 5}, {2, 4}]),
        (7, 3, [{1, 3, 5, 7}, {2, 4, 6}]),
        (9, 3, [{1, 4, 7}, {2, 3, 5, 6, 8, 9}]),
        (6, 7, [{1, 2, 3, 4, 5, 6}]),
    ],
)
def test_other_blocks(block_length, base, expected):
    assert as_sets(block_length, base) == expected


def test_every_place_is_in_the_group_of_the_definition():
    for block_length, base in SIZES:
        found = as_sets(block_length, base)
        assert found == by_the_paper(block_length, base)
        assert sorted(itertools.chain(*found)) == list(range(1, block_length + 1))
        assert all(found)


def test_there_are_at_most_log_many_groups_and_for_a_power_as_many():
    for block_length, base in SIZES:
        rounds = next(t for t in itertools.count() if base**t >= block_length)
        assert len(as_sets(block_length, base)) <= max(1, rounds)
        if is_power(block_length, base):
            assert len(as_sets(block_length, base)) == rounds


def test_no_neighbours_share_a_group_of_a_power_of_two():
    for length in [4, 8, 16, 32, 64]:
        group = groups(length, 2)
        assert (group[1:] != group[:-1]).all()
    assert (groups(12, 2)[1:] == groups(12, 2)[:-1]).any()


def test_blocks_follow_one_another_and_the_last_is_cut_short():
    assert turns(11, block_length=8, base=2).tolist() == [0, 2, 1, 2, 0, 2, 1, 2, 3, 5, 4]


# The law.


def product_given_earlier(predictor, prompt, ordered_groups):
    """{tokens: prod over groups, prod over places, p(token | groups before)}."""
    mask_id, law = predictor.vocab_size, {}
    choices = [range(mask_id) if t == mask_id else [t] for t in prompt]
    for tokens in itertools.product(*choices):
        seen, probability = list(prompt), 1.0
        for group in ordered_groups:
            draft = predictor.draft(torch.tensor([seen]), torch.tensor([group]))
            for column, place in enumerate(group):
                probability *= draft.log_probs[0, column, tokens[place]].exp().item()
                seen[place] = tokens[place]
        law[tokens] = probability
    return law


@pytest.mark.parametrize(
    ("prompt", "block_length", "ordered_groups"),
    [
        ([2, 2, 2, 2], 4, [[0, 2], [1, 3]]),
        # The first four places of 32: 0 is in the first group, 2 in the fourth, the rest last.
        ([2, 2, 2, 2], 32, [[0], [2], [1, 3]]),
        ([2, 1, 2, 2], 4, [[0, 2], [3]]),
        ([0, 2, 1, 2], 4, [[1, 3]]),
        ([2] * 6, 4, [[0, 2], [1, 3], [4], [5]]),
        ([0, 1, 1, 0, 2, 2], 4, [[4], [5]]),
        ([2] * 5, 3, [[0, 1, 2], [3, 4]]),
    ],
    ids=str,
)
def test_the_law_is_a_product_over_groups(prompt, block_length, ordered_groups):
    predictor = ArbitraryHybrid(2, len(prompt), seed=1)
    outcomes = outcomes_by_enumeration(predictor, Dilated(block_length=block_length), prompt)
    expected = product_given_earlier(predictor, prompt, ordered_groups)
    assert of_tokens(outcomes) == pytest.approx(expected, abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {len(ordered_groups)}
    assert mean_of(outcomes, 3) == pytest.approx(prompt.count(2))


def test_two_groups_of_a_joint_table_in_numbers():
    """p(x0) p(x2) p(x1 | x0, x2) p(x3 | x0, x2), from sums of the table alone."""
    table = JointTable.random(vocab_size=2, length=4, seed=3)
    joint = table.log_joint.exp()
    p0, p2 = joint.sum(dim=(1, 2, 3)), joint.sum(dim=(0, 1, 3))
    p02 = joint.sum(dim=(1, 3))
    p1 = joint.sum(dim=3) / p02[:, None, :]
    p3 = joint.sum(dim=1) / p02[:, :, None]
    expected = torch.einsum("a,c,abc,acd->abcd", p0, p2, p1, p3)
    law = of_tokens(outcomes_by_enumeration(table, Dilated(block_length=4), [2] * 4))
    for tokens in itertools.product(range(2), repeat=4):
        assert law[tokens] == pytest.approx(expected[tokens].item(), abs=1e-12)


def test_blocks_of_one_are_exact():
    table = JointTable.random(vocab_size=2, length=4, seed=4)
    outcomes = outcomes_by_enumeration(table, Dilated(block_length=1), [2] * 4)
    for tokens, probability in of_tokens(outcomes).items():
        assert probability == pytest.approx(math.exp(table.log_joint[tokens]), abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {4}


def test_a_base_as_large_as_the_block_is_one_pass_of_independent_tokens():
    table = JointTable.random(vocab_size=3, length=3, seed=5)
    outcomes = outcomes_by_enumeration(table, Dilated(block_length=3, base=3), [3] * 3)
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)


def test_the_filter_is_applied_to_the_prediction():
    predictor = ArbitraryHybrid(2, 4, seed=6)
    sampler = Dilated(block_length=4, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(predictor, sampler, [2] * 4)
    seen = torch.full((1, 4), 2)
    for group in ([0, 2], [1, 3]):
        best = predictor.draft(seen, torch.tensor([group])).log_probs.argmax(dim=-1)
        seen[:, group] = best
    assert of_tokens(outcomes) == {tuple(seen[0].tolist()): 1.0}


def test_sequences_are_the_same_in_any_batch():
    """Some of them have the first group given, so that they are a turn ahead of the others."""
    check_same_in_any_batch(Dilated(block_length=4))


def test_no_block_is_refused():
    with pytest.raises(ConfigError, match="block_length must be at least 1, got 0.*32 takes 5"):
        Dilated(block_length=0)


def test_a_base_of_one_is_refused():
    with pytest.raises(ConfigError, match="base must be at least 2, got 1.*the paper's"):
        Dilated(base=1)
