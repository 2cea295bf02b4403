"""Stop where the text ends: once an end token stands and nothing before it is masked.

What is left behind it is filled with end tokens, without a pass. Models that were taught to fill
their canvas with end tokens would do so themselves, a few tokens at a time.

Source: the early stop of Fast-dLLM's and dLLM-Cache's code; the rule is the same.
"""

from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.samplers.sampler import RewritableState, Sampler, layers
from unmask.shapes import Counts, TokenIds


def check_ends(sampler: Sampler) -> None:
    """Raise `ConfigError` if a sampler cannot stop where a text ends.

    That takes a state with `origin` and `rewritten` (`RewritableState`); which state a sampler
    has, its `init` says.
    """
    for within in layers(sampler):
        state = get_type_hints(type(within).init).get("return", object)
        is_told = isinstance(state, type) and state not in (Any, object)
        is_told &= not getattr(state, "_is_protocol", False)
        if is_told and not hasattr(state, "rewritten"):
            raise ConfigError(
                f"{type(within).__name__} cannot stop where an answer ends: how many passes it "
                "takes is fixed beforehand. Let it fill its canvas (--whole-canvas), or choose "
                "another."
            )


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """A sampler that ends with its text. Its states can be rewritten (`MaskedState`)."""

    sampler: Sampler[RewritableState]
    end_ids: tuple[int, ...]
    """Tokens that end a text; the first is what is filled in."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` if the sampler's states cannot be rewritten."""
        check_ends(self.sampler)

    def __str__(self) -> str:
        return str(self.sampler)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> RewritableState:
        """The sampler's beginning."""
        return self.sampler.init(given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: RewritableState, predictor: Any, draws: Draws
    ) -> tuple[RewritableState, Cost[Counts]]:
        """A step of the sampler, and an end to texts that have one."""
        state, cost = self.sampler.step(state, predictor, draws)
        token_ids, mask_id = state.token_ids, predictor.vocab_size
        is_masked = token_ids == mask_id
        place = torch.arange(token_ids.shape[1], device=token_ids.device)
        ends = torch.tensor(self.end_ids, device=token_ids.device)
        is_end = torch.isin(token_ids, ends) & (place >= state.origin[:, None])
        is_complete = is_masked.cumsum(dim=1) == 0  # up to here nothing is masked
        is_over = (is_end & is_complete).any(dim=1, keepdim=True)
        is_filled = is_over & is_masked
        filled_ids = token_ids.masked_fill(is_filled, self.end_ids[0])
        accepted = cost.accepted + is_filled.sum(dim=1)
        return state.rewritten(filled_ids, mask_id=mask_id), replace(cost, accepted=accepted)
