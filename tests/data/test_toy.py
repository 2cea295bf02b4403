import itertools
import math

import pytest
import torch

from unmask.data.toy import toy_chain, toy_nats_per_token
from unmask.draws import SeededDraws
from unmask.errors import ConfigError


def all_sequences(vocab_size: int, length: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(vocab_size), repeat=length)))


def test_the_law_by_hand() -> None:
    token_ids = torch.tensor([[0, 1, 3], [4, 1, 1], [3, 0, 2]])
    expected = [0.2 * 0.45 * 0.45, 0.2 * 0.45 * (0.1 / 3), 0.2 * 0.45 * 0.45]
    probs = toy_chain(5).log_prob(token_ids).exp()
    torch.testing.assert_close(probs, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("vocab_size", [3, 4, 6])
def test_every_position_is_uniform_so_that_only_the_dependence_can_be_learned(vocab_size) -> None:
    token_ids = all_sequences(vocab_size, 3)
    probs = toy_chain(vocab_size).log_prob(token_ids).exp()
    assert probs.sum().item() == pytest.approx(1.0, abs=1e-12)
    for position in range(3):
        marginal = torch.zeros(vocab_size, dtype=torch.float64)
        marginal.index_add_(0, token_ids[:, position], probs)
        torch.testing.assert_close(marginal, torch.full_like(marginal, 1 / vocab_size))


@pytest.mark.parametrize("vocab_size", [3, 4, 6])
def test_nats_per_token_is_the_entropy_of_the_law(vocab_size: int) -> None:
    log_probs = toy_chain(vocab_size).log_prob(all_sequences(vocab_size, 3))
    entropy = -(log_probs.exp() * log_probs).sum().item()
    nats = toy_nats_per_token(vocab_size)
    assert entropy == pytest.approx(math.log(vocab_size) + 2 * nats, abs=1e-12)
    assert nats < math.log(vocab_size)


def test_samples_come_from_the_law() -> None:
    token_ids = toy_chain(8).sample(SeededDraws(range(500)), batch_size=500, length=21)
    steps_on = token_ids.diff(dim=1) % 8
    share_near = ((steps_on == 1) | (steps_on == 2)).double().mean().item()
    # 10,000 independent steps, standard deviation 0.003; five of these.
    assert share_near == pytest.approx(0.9, abs=0.015)


def test_a_circle_of_two_is_refused() -> None:
    for make in (toy_chain, toy_nats_per_token):
        with pytest.raises(ConfigError, match="needs at least 3 tokens, got 2"):
            make(2)
