"""Any sampler with a cache: its passes run the tokens that a policy chooses, and no others.

The memory is part of the state, so that sequences take theirs along when they leave a batch or
join one. The sampler itself does not know: it asks a predictor that remembers.
"""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import padded_with
from unmask.caching.policies import CachePolicy, CacheView
from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.kv_cache import CachingPredictor, KVCache, KVCacheShape
from unmask.predictors.protocol import Draft
from unmask.samplers.sampler import Sampler, layers
from unmask.samplers.wrapped_state import WrappedState
from unmask.shapes import Counts, TokenIds, WindowIds


@dataclass(frozen=True)
class CachedState(WrappedState):
    """A sampler's state, and what its predictor remembers."""

    memory: KVCache
    is_given: Bool[Tensor, "B L"] = field(metadata=padded_with(False))
    age: Counts
    """See `CacheView`."""
    last_asked: Counts
    num_in_block: Counts
    work: Work[Counts]
    """Of all passes by now."""


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A sampler, and what its passes remember."""

    sampler: Sampler
    cache: CachePolicy
    shape: KVCacheShape
    """`kv_cache_shape` of the predictor."""

    def __str__(self) -> str:
        return f"{self.sampler}+{self.cache}"

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> CachedState:
        """The sampler's state; nothing is remembered."""
        none = torch.zeros_like(given_ids[:, 0])
        return CachedState(
            self.sampler.init(given_ids, mask_id=mask_id, draws=draws),
            KVCache.blank(self.shape, given_ids),
            given_ids != mask_id,
            none, none, none, Work(none, none, none),
        )  # fmt: skip

    def step(
        self, state: CachedState, predictor: CachingPredictor, draws: Draws
    ) -> tuple[CachedState, Cost[Counts]]:
        """One step of the sampler."""
        remembering = CachedPredictor(predictor, self.cache, state)
        inner, cost = self.sampler.step(state.inner, remembering, draws)
        after = remembering.state
        # How many passes the step made is the sampler's to say, what they ran the memory's.
        work = replace(after.work - state.work, passes=cost.trunk.passes)
        return replace(after, inner=inner), replace(cost, trunk=work)


def with_cache(sampler: Any, cache: CachePolicy, shape: KVCacheShape) -> Sampler:
    """A sampler whose passes remember; of draft and verify the drafter's do.

    Raises `ConfigError` if its passes cannot.
    """
    for within in layers(sampler):
        if why := getattr(within, "why_no_cache", ""):
            raise ConfigError(
                f"no cache goes with {within}: {why}. Leave the cache out, or choose a sampler "
                "that makes one pass per step, such as threshold, or draft-verify."
            )
    if hasattr(sampler, "drafter"):
        return cast(Sampler, replace(sampler, drafter=with_cache(sampler.drafter, cache, shape)))
    return Cached(sampler=sampler, cache=cache, shape=shape)


class CachedPredictor:
    """A predictor that runs what a policy chooses. Its passes are over the state's sequences."""

    def __init__(
        self, predictor: CachingPredictor, cache: CachePolicy, state: CachedState
    ) -> None:
        self._predictor, self._cache, self.state = predictor, cache, state
        self.vocab_size, self.device = predictor.vocab_size, predictor.device

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """Distributions at `positions`, from a pass over some of the tokens."""
        state, predictor = self.state, self._predictor
        if len(token_ids) != len(state.age):
            raise ConfigError(
                "this sampler makes passes over some sequences of a batch, or over several "
                "versions of each, which no cache can follow. Use it with the cache `NoCache()`, "
                "or choose a sampler that makes one pass per step."
            )
        read_positions = predictor.read_positions(token_ids, positions)
        is_asked, is_read = (
            torch.zeros_like(token_ids, dtype=torch.bool).scatter(1, index, True)
            for index in (positions, read_positions)
        )
        seen = CacheView(
            token_ids=token_ids,
            run_ids=state.memory.run_ids,
            mask_id=predictor.vocab_size,
            is_asked=is_asked & (token_ids == predictor.vocab_size),
            is_given=state.is_given,
            age=state.age,
            last_asked=state.last_asked,
            num_in_block=state.num_in_block,
        )
        block_length = getattr(self._cache, "block_length", token_ids.shape[1])
        num_in_block = seen.number_in_block(block_length)
        is_query = self._cache.queries(seen)
        is_pass = is_query.any(dim=1)
        # What a prediction is read from is run, in any pass that is made.
        is_query = is_query | (is_read & is_pass[:, None] & seen.is_real)
        is_whole = (is_query == seen.is_real).all(dim=1)
        found = predictor.forward_cached(
            token_ids, positions, is_query=is_query, memory=state.memory
        )
        self.state = replace(
            state,
            memory=found.memory,
            age=torch.where(is_whole, 1, state.age + is_pass),
            last_asked=seen.first_asked,
            num_in_block=num_in_block + is_pass,
            work=state.work + found.work,
        )
        return found.draft
