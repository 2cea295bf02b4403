import itertools
import math
from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError
from unmask.evaluation.judge import judge_bits
from unmask.predictors.markov import MarkovChain
from unmask.process import orders

JUDGE = replace(
    TINY, num_trunk_blocks=0, num_tail_blocks=2, tail_inputs="token", output_residual=False
)
CONFIGS = [
    JUDGE,
    replace(JUDGE, first_target="start-track"),
    replace(JUDGE, tail_inputs="token+current+next", output_residual=True),
    replace(JUDGE, tail_rotary="halves", heads="separate", num_tail_blocks=1),
]
CHAIN = MarkovChain.random(vocab_size=3, order=2, seed=0)


def random_ids(vocab_size, length, num_sequences=21):
    where = torch.ones(num_sequences, length, dtype=torch.bool)
    uniform = SeededDraws(range(num_sequences)).uniform(where)
    return (uniform * vocab_size).long()


@torch.inference_mode()
def bits_one_token_at_a_time(network, ids):
    """The network shown the tokens so far and nothing else, as in training, once per token."""
    length, num_bits = len(ids), 0.0
    order = orders.left_to_right(1, length)
    masked = torch.full((1, length), network.vocab_size)
    for n in range(length):
        so_far = masked.clone()
        so_far[0, :n] = ids[:n]
        draft_logits, target_logits = network(masked, so_far, order)
        uses_draft = n == 0 and network.config.first_target == "draft"
        logits = (draft_logits if uses_draft else target_logits)[0, n]
        num_bits -= math.log2(logits.softmax(dim=0)[ids[n]])
    return num_bits / length


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("length", [1, 5, 8])
def test_bits_are_those_of_one_token_at_a_time(config, length) -> None:
    network = random_network(config)
    token_ids = random_ids(config.vocab_size, length, num_sequences=6)
    expected = [bits_one_token_at_a_time(network, ids) for ids in token_ids]
    assert judge_bits(network, token_ids).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("length", [2, 3, 9])
def test_bits_of_a_chain_are_its_log_probability(length) -> None:
    token_ids = random_ids(3, length)
    expected = -CHAIN.log_prob(token_ids) / (length * math.log(2))
    torch.testing.assert_close(judge_bits(CHAIN, token_ids), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("config", CONFIGS)
def test_probabilities_of_all_sequences_add_up_to_one(config) -> None:
    """So no term looks at its own token or at a later one."""
    network = random_network(replace(config, vocab_size=3))
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    total = torch.exp2(-4 * judge_bits(network, every)).sum().item()
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("predictor", [CHAIN, random_network(JUDGE)], ids=["chain", "network"])
def test_bits_are_the_same_in_any_batch(predictor) -> None:
    token_ids = random_ids(3, 8)
    together = judge_bits(predictor, token_ids)
    assert together.shape == (21,) and together.dtype == torch.float64
    assert len(together.unique()) > 10
    for batch_size in (1, 7, 21):
        bits = judge_bits(predictor, token_ids, batch_size=batch_size)
        torch.testing.assert_close(bits, together, rtol=0, atol=1e-12)


def test_a_sampler_of_low_entropy_gets_fewer_bits_than_the_law_itself() -> None:
    """What the measure cannot see: the likeliest sequence, over and over, has the best score."""
    every = torch.tensor(list(itertools.product(range(3), repeat=5)))
    bits = judge_bits(CHAIN, every)
    entropy = (torch.exp2(-5 * bits) * bits).sum()
    assert bits.min() < 0.8 * entropy


def test_a_network_with_a_trunk_is_no_judge() -> None:
    with pytest.raises(ConfigError, match="has no trunk blocks, this HybridTransformer has 2"):
        judge_bits(random_network(TINY), random_ids(5, 8))


@pytest.mark.parametrize("wrong_id", [3, 4, -1])
def test_what_is_masked_or_foreign_is_refused(wrong_id) -> None:
    token_ids = random_ids(3, 8)
    token_ids[2, 5] = wrong_id
    with pytest.raises(DataError, match=rf"0\.\.2; sequence 2 holds {wrong_id} at position 5"):
        judge_bits(CHAIN, token_ids)


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        judge_bits(CHAIN, random_ids(3, 8), batch_size=0)


def test_what_is_given_is_read_first_and_not_counted():
    judge = random_network(replace(TINY, num_trunk_blocks=0, length=4))
    every = torch.cartesian_prod(*[torch.arange(5)] * 3)
    token_ids = torch.cat([every, torch.full_like(every[:, :1], 2)], dim=1)
    is_given = torch.zeros_like(token_ids, dtype=torch.bool)
    is_given[:, 3] = True  # as the end of a sequence is
    bits = judge_bits(judge, token_ids, is_given=is_given)
    assert torch.exp2(-3 * bits).sum().item() == pytest.approx(1)
    other = token_ids.clone()
    other[:, 3] = 1
    assert not torch.allclose(judge_bits(judge, other, is_given=is_given), bits)
    ragged = is_given.clone()
    ragged[::2, 0] = True  # a part of the batch has more
    found = judge_bits(judge, token_ids, is_given=ragged)
    torch.testing.assert_close(found[1::2], bits[1::2])
    torch.testing.assert_close(found[::2], judge_bits(judge, token_ids[::2], is_given=ragged[::2]))
