"""What decoding is said to cost, against the work of real decoding."""

from dataclasses import replace

import pytest
import torch

import unmask
from tests.dllm.small import CONFIGS, random_network
from tests.dllm.test_config import LLADA_8B
from unmask.caching.policies import Dual, Prefix
from unmask.dllm.config import DllmConfig
from unmask.errors import ConfigError
from unmask.process.blocks import LeftToRight
from unmask.samplers.wrappers.cached import Cached
from unmask.speed.decode_cost import DecodeSetting, costs, prediction_bytes, weight_bytes

CONFIG = CONFIGS["llada"]
WISH = DecodeSetting(prompt=5, answer=16, block_length=4, tokens_per_pass=1.0)


def real_work(cache=None) -> tuple[int, int, int]:
    """Passes, tokens run and pairs of greedy decoding, one token per pass."""
    network = random_network(CONFIG)
    sampler = unmask.Threshold(
        threshold=2.0, blocks=LeftToRight(4), filter=unmask.Filter(temperature=0.0)
    )
    if cache is not None:
        sampler = Cached(sampler=sampler, cache=cache, shape=network.kv_cache_shape)
    given_ids = torch.tensor([1, 2, 3, 4, 5] + [CONFIG.mask_id] * 16)
    request = unmask.Request(given_ids=given_ids, sampler=sampler, seed=0)
    (result,) = unmask.Engine(network).run([request])
    return result.trunk_passes, result.cost.trunk.tokens, result.cost.trunk.pairs


def test_the_work_is_that_of_real_decoding() -> None:
    one_by_one, none, prefix, dual = costs(CONFIG, WISH, torch.float32)
    for said, real in (
        (one_by_one, real_work()),
        (none, real_work()),
        (prefix, real_work(Prefix(4))),
        (dual, real_work(Dual(4))),
    ):
        assert (said.passes, said.query_tokens, said.query_keys) == real


def test_multiply_adds_are_those_that_hooks_count() -> None:
    """Every product of one whole pass with predictions at one block, by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    network = random_network(CONFIG).bfloat16()  # fused attention would not be counted
    token_ids = torch.tensor([[1, 2, 3, 4, 5] + [CONFIG.mask_id] * 16])
    with FlopCounterMode(display=False) as counter:
        network.draft(token_ids, torch.arange(5, 9)[None])
    wish = replace(WISH, answer=4, prompt=17, tokens_per_pass=4.0)
    said = costs(CONFIG, wish, torch.float32)[1]
    assert said.passes == 1
    norms = CONFIG.num_blocks * 2 * CONFIG.width * 21  # counted as weights, but not products
    assert 2 * (said.multiply_adds - norms) == counter.get_total_flops()


def test_an_8b_model_is_weighed_without_its_weights() -> None:
    config = DllmConfig.from_json(LLADA_8B)
    assert weight_bytes(config, torch.bfloat16) == 2 * 8_015_581_184
    assert prediction_bytes(config, DecodeSetting(batch_size=2)) == 4 * 2 * 32 * 126_464
    cached = costs(config, DecodeSetting(prompt=0, answer=1024), torch.bfloat16)[-1]
    keys_and_values = 512 * 1024 * 1024  # 512 KiB a token
    assert cached.cache_bytes == keys_and_values + 2 * 1024 * 4096


def test_several_tokens_a_pass_take_fewer() -> None:
    one, three = (
        costs(CONFIG, replace(WISH, tokens_per_pass=t), torch.float32)[2] for t in (1.0, 2.0)
    )
    assert three.passes == one.passes / 2 and three.query_tokens < one.query_tokens


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answer": 0}, "answer must be at least 1"),
        ({"prompt": -1}, "prompt must be at least 0"),
        ({"answer": 33, "block_length": 32}, "33 tokens cannot be cut into blocks of 32"),
        ({"tokens_per_pass": 0.5}, "must lie between 1 and the length of a block, 32"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        DecodeSetting(**values)


def test_a_sequence_longer_than_the_context_is_refused() -> None:
    with pytest.raises(ConfigError, match="260 tokens together, the model takes 256"):
        costs(CONFIG, DecodeSetting(prompt=4, answer=256), torch.float32)
