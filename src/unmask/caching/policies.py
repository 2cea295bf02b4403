"""Which tokens a pass runs anew, and which it remembers: caches for bidirectional models.

Every policy looks at the sequences as they stand and says which positions are *queries* of the
next pass. Keys and values of the others are those of their last run.

    none           all of them, in every pass
    reuse          none if nothing has changed since the last pass, else all
    prefix         all when a block begins, then what stands at or after the block's start
    dual           all when a block begins, then the block alone
    delayed        all when a block begins and every r passes; then what is masked, and tokens
                   revealed in the last pass: their keys settle one pass later
    greedy         all every r passes; then the positions asked for, tokens revealed in the last
                   pass, and the w masked positions nearest to these
    prefill        what was not given; the prompt is run once

Sources: prefix and dual, Wu et al. (2025), arXiv:2505.22618 (Fast-dLLM), section 3.2; delayed,
greedy and prefill, Ma et al. (2025), arXiv:2505.15781 (dKV-Cache), section 3. In their code of
delayed (`as_released`) the first two passes of a block are whole, and those whose number in the
block is a multiple of r; here it is the first alone, since the tokens it leaves are run again in
the second, and every r passes from the last whole one. Reuse: Sahoo et al. (2024),
arXiv:2406.07524.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.errors import ConfigError
from unmask.named import Named
from unmask.shapes import PAD, Counts, TokenIds


@dataclass(frozen=True)
class CacheView:
    """What a policy may look at."""

    token_ids: TokenIds
    run_ids: TokenIds
    """The tokens as they were when each was run last."""
    mask_id: int
    is_asked: Bool[Tensor, "B L"]
    """Where predictions are wanted."""
    is_given: Bool[Tensor, "B L"]
    """What was there from the start."""
    age: Counts
    """Passes since the last whole one, that one counted; 0 before the first."""
    last_asked: Counts
    """The first position asked for in the last pass."""
    num_in_block: Counts
    """Passes that the last pass's block had by now."""

    @property
    def is_real(self) -> Bool[Tensor, "B L"]:
        """Where there is a position."""
        return self.token_ids != PAD

    @property
    def first_asked(self) -> Counts:
        """The first position asked for."""
        return self.is_asked.long().argmax(dim=1)

    @property
    def is_revealed(self) -> Bool[Tensor, "B L"]:
        """Where a token stands."""
        return self.is_real & (self.token_ids != self.mask_id)

    @property
    def is_settled(self) -> Bool[Tensor, "B L"]:
        """Where a token stands that was there when it was run last."""
        return self.is_revealed & (self.token_ids == self.run_ids)

    def block(self, position: Counts, block_length: int) -> Counts:
        """The number of the block that a position is in; the first begins after the prompt."""
        return (position - self.origin) // block_length

    @property
    def origin(self) -> Counts:
        """The first position that was not given."""
        return (self.is_real & ~self.is_given).long().argmax(dim=1)

    def begins_block(self, block_length: int) -> Bool[Tensor, " B"]:
        """Whether predictions are asked for in another block than in the last pass."""
        now, then = (self.block(p, block_length) for p in (self.first_asked, self.last_asked))
        return (self.age == 0) | (now != then)

    def number_in_block(self, block_length: int) -> Counts:
        """Of this pass, counted from 0 in its block."""
        return self.num_in_block.masked_fill(self.begins_block(block_length), 0)


@runtime_checkable
class CachePolicy(Protocol):
    """A rule for what a pass runs."""

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        """The positions to be run; those that predictions are read from are added to them."""
        ...


@dataclass(frozen=True)
class NoCache(Named):
    """Every pass is whole."""

    name = "none"

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        return seen.is_real


@dataclass(frozen=True)
class Reuse(Named):
    """A pass over a sequence that has not changed is not made."""

    name = "reuse"

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        has_changed = ((seen.token_ids != seen.run_ids) & seen.is_real).any(dim=1)
        return seen.is_real & has_changed[:, None]


@dataclass(frozen=True)
class Prefix(Named):
    """What comes before the block is run once per block."""

    name = "prefix"
    block_length: int = 32
    """Positions in a block; that of the sampler."""

    def __post_init__(self) -> None:
        _check_block_length(self)

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        start, _ = _block_bounds(seen, self.block_length)
        position = torch.arange(seen.token_ids.shape[1], device=start.device)
        is_rest = position >= start[:, None]
        return seen.is_real & (is_rest | seen.begins_block(self.block_length)[:, None])


@dataclass(frozen=True)
class Dual(Named):
    """What comes before and after the block is run once per block."""

    name = "dual"
    block_length: int = 32
    """Positions in a block; that of the sampler."""

    def __post_init__(self) -> None:
        _check_block_length(self)

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        start, stop = _block_bounds(seen, self.block_length)
        position = torch.arange(seen.token_ids.shape[1], device=start.device)
        is_inside = (position >= start[:, None]) & (position < stop[:, None])
        return seen.is_real & (is_inside | seen.begins_block(self.block_length)[:, None])


@dataclass(frozen=True)
class Delayed(Named):
    """Tokens are remembered from the pass after the one that revealed them."""

    name = "delayed"
    refresh: int = 8
    """Passes from one whole pass to the next, that one counted; 1 makes every pass whole."""
    block_length: int = 32
    """Positions in a block; that of the sampler."""
    keeps_prompt: bool = False
    """Whether what was given is run only once: in the last whole pass that the first block begins
    with."""
    as_released: bool = False
    """Whether passes are whole by the rule of the released code, see above."""

    def __post_init__(self) -> None:
        _check_refresh(self)
        _check_block_length(self)

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        number = seen.number_in_block(self.block_length)
        if self.as_released:
            is_whole = (number < 2) | (number % self.refresh == 0)
        else:
            is_whole = (number == 0) | (seen.age >= self.refresh)
        queries = seen.is_real & (~seen.is_settled | is_whole[:, None])
        if not self.keeps_prompt:
            return queries
        is_first_block = seen.block(seen.first_asked, self.block_length) == 0
        still_reads = self.as_released & is_first_block & (number < 2)
        return torch.where(still_reads[:, None], queries, _without_prompt(queries, seen))


@dataclass(frozen=True)
class Greedy(Named):
    """Little more is run than what is about to be revealed: for orders known in advance."""

    name = "greedy"
    refresh: int = 2
    """Passes from one whole pass to the next, that one counted; 1 makes every pass whole."""
    window: int = 4
    """Masked positions run beside each pass's new tokens."""

    def __post_init__(self) -> None:
        _check_refresh(self)
        if self.window < 0:
            raise ConfigError(
                f"Greedy.window must be at least 0, got {self.window}: it is how many masked "
                "positions are run beside new tokens."
            )

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        is_new = seen.is_revealed & ~seen.is_settled
        is_masked = seen.is_real & ~seen.is_revealed
        is_whole = (seen.age == 0) | (seen.age >= self.refresh)
        near = _nearest(is_masked, is_new, self.window)
        return seen.is_real & (seen.is_asked | is_new | near | is_whole[:, None])


@dataclass(frozen=True)
class Prefill(Named):
    """What was given is run once, everything else in every pass."""

    name = "prefill"

    def queries(self, seen: CacheView) -> Bool[Tensor, "B L"]:
        return _without_prompt(seen.is_real, seen)


CACHES: dict[str, type[CachePolicy]] = {
    rule.name: rule for rule in (NoCache, Reuse, Prefix, Dual, Delayed, Greedy, Prefill)
}
"""The policies by the name they have on the command line."""


def _without_prompt(queries: Bool[Tensor, "B L"], seen: CacheView) -> Bool[Tensor, "B L"]:
    is_remembered = seen.is_given & (seen.age > 0)[:, None]
    return queries & ~is_remembered


def _block_bounds(seen: CacheView, block_length: int) -> tuple[Counts, Counts]:
    start = seen.origin + seen.block(seen.first_asked, block_length) * block_length
    return start, start + block_length


def _nearest(
    candidates: Bool[Tensor, "B L"], centres: Bool[Tensor, "B L"], num: int
) -> Bool[Tensor, "B L"]:
    """The candidates nearest to any centre, the left one first in a tie; none without a centre."""
    position = torch.arange(candidates.shape[1], device=candidates.device)
    distance = (position[:, None] - position).abs()
    far = candidates.shape[1] + 1
    nearest = torch.where(centres[:, None, :], distance, far).amin(dim=-1)
    nearest = torch.where(candidates, nearest, far)
    rank = nearest.argsort(dim=1, stable=True).argsort(dim=1)
    return candidates & (rank < num) & centres.any(dim=1, keepdim=True)


def _check_refresh(policy: Delayed | Greedy) -> None:
    if policy.refresh < 1:
        raise ConfigError(
            f"{type(policy).__name__}.refresh must be at least 1, got {policy.refresh}: it is "
            "the number of passes from one whole pass to the next. 1 remembers nothing."
        )


def _check_block_length(policy: Prefix | Dual | Delayed) -> None:
    if policy.block_length < 1:
        raise ConfigError(
            f"{type(policy).__name__}.block_length must be at least 1, got "
            f"{policy.block_length}: a block holds a position or more. Give that of the sampler."
        )
