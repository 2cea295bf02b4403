"""Samplers with caches: exact where nothing stale is read, alike in any batch, honest in work."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.caching.policies import CACHES, Delayed, Dual, Greedy, NoCache, Prefix, Reuse
from unmask.errors import ConfigError
from unmask.process.blocks import LeftToRight
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.dilated import Dilated
from unmask.samplers.engine import Engine, Request
from unmask.samplers.klass import Klass
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.remdm import ReMDM
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.threshold import Threshold
from unmask.samplers.wrappers.cached import Cached
from unmask.speculation.filters import Filter

MASK = 64
SAMPLERS = {
    "semi-autoregressive": SemiAutoregressive(num_steps=9, block_length=4),
    "threshold": Threshold(threshold=0.08, blocks=LeftToRight(4)),
    "greedy": Threshold(threshold=2.0, blocks=LeftToRight(4), filter=Filter(temperature=0.0)),
    "klass": Klass(kl_bound=0.5, threshold=0.02, blocks=LeftToRight(4)),
    "dilated": Dilated(block_length=4),
    "ancestral": Ancestral(num_steps=6, prediction="fresh"),
}
PROMPTS = [[3, 1, 4], [1, 5, 9, 2, 6, 5], [3], [5, 8, 9, 7]]


def requests(sampler, lengths=(12, 14, 9, 11)) -> list[Request]:
    return [
        Request(
            given_ids=torch.tensor(prompt + [MASK] * (length - len(prompt))),
            sampler=sampler,
            seed=seed,
        )
        for seed, (prompt, length) in enumerate(zip(PROMPTS, lengths, strict=True))
    ]


def generated(network, sampler, num_slots: int = 4) -> dict:
    engine = Engine(network, num_slots=num_slots)
    return {result.request.seed: result for result in engine.run(requests(sampler))}


def tokens(results: dict) -> dict[int, list[int]]:
    return {seed: result.token_ids.tolist() for seed, result in results.items()}


@pytest.fixture(scope="module", params=CONFIGS)
def network(request):
    return random_network(CONFIGS[request.param])


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    "cache",
    [NoCache(), Delayed(refresh=1), Greedy(refresh=1), Dual(block_length=1), Reuse()],
    ids=str,
)
def test_a_cache_renewed_in_every_pass_is_no_cache(name, cache, network) -> None:
    """Blocks of one token begin with every token; reuse skips only what nothing changed for."""
    sampler = SAMPLERS[name]
    if isinstance(cache, Dual):
        if name != "greedy":
            pytest.skip("a block of one token needs a sampler of one token")
        sampler = Threshold(blocks=LeftToRight(1), filter=Filter(temperature=0.0))
    cached = Cached(sampler=sampler, cache=cache, shape=network.kv_cache_shape)
    assert tokens(generated(network, cached)) == tokens(generated(network, sampler))


@pytest.mark.parametrize("cache", [cls() for cls in CACHES.values()], ids=str)
@pytest.mark.parametrize("name", ["semi-autoregressive", "dilated", "klass"])
def test_sequences_are_the_same_in_any_batch(name, cache, network) -> None:
    cached = Cached(sampler=SAMPLERS[name], cache=cache, shape=network.kv_cache_shape)
    alone, some, together = (generated(network, cached, num_slots) for num_slots in (1, 2, 4))
    assert tokens(alone) == tokens(some) == tokens(together)
    for seed, result in alone.items():
        assert result.cost.trunk.tokens == together[seed].cost.trunk.tokens
        assert result.cost.trunk.pairs == together[seed].cost.trunk.pairs


def test_caches_change_what_is_said_and_save_work(network) -> None:
    """Against the same sampler without one: fewer tokens are run, and it shows."""
    sampler, shape = SAMPLERS["greedy"], network.kv_cache_shape
    work, said = {}, {}
    for cache in (NoCache(), Prefix(4), Dual(4), Delayed(8, 4)):
        results = generated(network, Cached(sampler=sampler, cache=cache, shape=shape))
        work[type(cache)] = sum(result.cost.trunk.tokens for result in results.values())
        said[type(cache)] = tokens(results)
    assert work[Dual] < work[Prefix] < work[NoCache] and work[Delayed] < work[NoCache]
    assert len({str(found) for found in said.values()}) > 1


def test_work_is_told_with_and_without_a_cache(network) -> None:
    sampler = SAMPLERS["greedy"]
    plain = generated(network, sampler)
    cached = generated(
        network, Cached(sampler=sampler, cache=NoCache(), shape=network.kv_cache_shape)
    )
    for seed, result in plain.items():
        length = len(result.token_ids)
        assert result.cost.trunk.tokens == result.trunk_passes * length
        assert result.cost.trunk.pairs == result.trunk_passes * length**2
        assert cached[seed].cost.trunk.tokens == result.cost.trunk.tokens
        assert cached[seed].cost.trunk.pairs == result.cost.trunk.pairs


def test_a_pass_that_is_not_made_is_not_work(network) -> None:
    """The cache that reuses makes the passes that the sampler makes when it reuses itself."""
    fresh = Ancestral(num_steps=60, prediction="fresh")
    cached = generated(network, Cached(sampler=fresh, cache=Reuse(), shape=network.kv_cache_shape))
    for seed, result in generated(network, Ancestral(num_steps=60)).items():
        assert cached[seed].token_ids.tolist() == result.token_ids.tolist()
        assert cached[seed].cost.trunk.tokens == result.trunk_passes * len(result.token_ids)
        assert cached[seed].trunk_passes > result.trunk_passes


def test_a_sampler_that_looks_ahead_or_skips_passes_cannot_be_followed(network) -> None:
    for sampler in (Lookahead(), ReMDM(num_steps=8), Ancestral(num_steps=60)):
        cached = Cached(sampler=sampler, cache=NoCache(), shape=network.kv_cache_shape)
        with pytest.raises(ConfigError, match="no cache can follow|no cache goes with"):
            generated(network, cached)


ONE_BY_ONE = Threshold(threshold=2.0, blocks=LeftToRight(100), filter=Filter(temperature=0.0))


@pytest.mark.parametrize(
    ("refresh", "expected"),
    [
        # Twelve positions, three of them given: pass k of nine runs 12 of them if it is whole,
        # else all but what is given and the k - 2 that were revealed before the pass before.
        (3, 3 * 12 + (9 + 8) + (6 + 5) + (3 + 2)),
        (5, 2 * 12 + (9 + 8 + 7 + 6) + (4 + 3 + 2)),
        (100, 12 + (9 + 8 + 7 + 6 + 5 + 4 + 3 + 2)),
    ],
)
def test_a_whole_pass_is_made_so_often(refresh, expected) -> None:
    network = random_network(CONFIGS["llada"])
    cache = Delayed(refresh, block_length=100)
    cached = Cached(sampler=ONE_BY_ONE, cache=cache, shape=network.kv_cache_shape)
    assert generated(network, cached)[0].cost.trunk.tokens == expected


def test_what_a_prediction_is_read_from_is_run(network) -> None:
    """Dream says a token at the place before it, which may lie outside of what a cache runs."""
    seen = []

    class Watched:
        vocab_size, device = network.vocab_size, network.device
        read_positions, draft = network.read_positions, network.draft

        @staticmethod
        def forward_cached(token_ids, positions, *, is_query, memory):
            seen.append((is_query, network.read_positions(token_ids, positions)))
            return network.forward_cached(token_ids, positions, is_query=is_query, memory=memory)

        kv_cache_shape = network.kv_cache_shape

    sampler = Threshold(threshold=2.0, blocks=LeftToRight(4), filter=Filter(temperature=0.0))
    generated(Watched(), Cached(sampler=sampler, cache=Dual(4), shape=network.kv_cache_shape))
    assert any(not is_query.all() for is_query, _ in seen)
    for is_query, read_positions in seen:
        assert is_query.gather(1, read_positions).all()
