"""Shadows: what one pass says of tokens that are there."""

from dataclasses import replace

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.errors import ConfigError
from unmask.predictors.shadows import leave_one_out
from unmask.shapes import PAD

M = 64
IDS = torch.tensor([[5, 7, M, 9, M, 3], [2, M, 8, 1, PAD, PAD]])
SHADOWS = torch.tensor([[0, 3, 5], [0, 2, 3]])
MASKED = torch.tensor([[2, 4], [1, 1]])


def test_with_one_block_a_shadow_leaves_one_out() -> None:
    network = random_network(replace(CONFIGS["llada"], num_blocks=1))
    said = network.shadowed(IDS, MASKED, SHADOWS)
    torch.testing.assert_close(said.of_shadows, leave_one_out(network, IDS, SHADOWS))


def test_with_more_blocks_the_others_have_seen_the_token() -> None:
    network = random_network(CONFIGS["llada"])
    said = network.shadowed(IDS, MASKED, SHADOWS)
    apart = (said.of_shadows.exp() - leave_one_out(network, IDS, SHADOWS).exp()).abs().amax(-1)
    assert (apart > 1e-6).all()


@pytest.mark.parametrize("num_blocks", [1, 3])
def test_nobody_sees_a_shadow(num_blocks: int) -> None:
    network = random_network(replace(CONFIGS["llada"], num_blocks=num_blocks))
    said = network.shadowed(IDS, MASKED, SHADOWS)
    torch.testing.assert_close(said.log_probs, network.draft(IDS, MASKED).log_probs)
    alone = network.shadowed(IDS, MASKED, SHADOWS[:, 1:2])
    torch.testing.assert_close(said.of_shadows[:, 1:2], alone.of_shadows)


def test_a_model_that_speaks_of_the_next_token_has_no_shadows() -> None:
    with pytest.raises(
        ConfigError, match="cannot be asked about tokens that are there.*Dream says.*'in-place'"
    ):
        random_network(CONFIGS["Dream"]).shadowed(IDS, MASKED, SHADOWS)
