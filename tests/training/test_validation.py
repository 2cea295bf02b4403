import math

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from tests.reference.slow_objective import slow_losses
from unmask.training.objective import corrupt
from unmask.training.validation import validate

CORRUPTION = corrupt(0, 6, TINY.length)
CROPS = (torch.arange(6)[:, None] * 7 + torch.arange(TINY.length) ** 2) % TINY.vocab_size


def test_bits_are_means_over_sequences_with_their_standard_error() -> None:
    network = random_network()
    found = validate(network, CROPS, CORRUPTION, batch_size=6, autocast=torch.float32)
    corruption = corrupt(0, 6, TINY.length)
    with torch.no_grad():
        slow = [
            slow_losses(network, CROPS[b].tolist(), corruption.order[b].tolist(), i)
            for b, i in enumerate(corruption.num_revealed.tolist())
        ]
    for sequences, mean, error in (
        ([draft for draft, _ in slow], found.draft_bits, found.standard_errors["draft"]),
        ([target for _, target in slow], found.target_bits, found.standard_errors["target"]),
    ):
        bits = torch.tensor(sequences, dtype=torch.float64) / math.log(2)
        assert mean == pytest.approx(bits.mean().item(), abs=1e-12)
        assert error == pytest.approx(bits.std().item() / math.sqrt(6), abs=1e-12)
    assert found.num_sequences == 6


@pytest.mark.parametrize("batch_size", [1, 4, 5])
def test_the_batch_size_changes_nothing(batch_size: int) -> None:
    network = random_network()
    found = validate(network, CROPS, CORRUPTION, batch_size=batch_size, autocast=torch.float32)
    whole = validate(network, CROPS, CORRUPTION, batch_size=6, autocast=torch.float32)
    assert found.target_bits == pytest.approx(whole.target_bits, abs=1e-12)
    assert found.draft_bits == pytest.approx(whole.draft_bits, abs=1e-12)


def test_no_gradients_and_no_draws_are_left_behind() -> None:
    network, before = random_network(), torch.get_rng_state()
    validate(network, CROPS, CORRUPTION, batch_size=3, autocast=torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in network.parameters())
