"""Stop strings: a text ends before the first of them, and its passes end as soon as it stands.

After each step the tokens from the first wanted position up to the first that is still masked are
read as text. If a stop string is in it, what comes later cannot change what stands before, and the
sequence is over; what is masked behind stays masked. Of a sampler that may take a token back
nothing is settled before it is finished, so there the text is cut, and no pass saved. In both
cases what is left is what the sampler would have written up to there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.samplers.sampler import Sampler, layers
from unmask.samplers.wrapped_state import WrappedState
from unmask.shapes import PAD, Counts, TokenIds

TextOf = Callable[[Int[Tensor, " n"]], str]


@dataclass(frozen=True)
class StopState(WrappedState):
    """A sampler's state, where its text begins, and whether it has come to a stop."""

    first: Counts
    """The first position that is wanted."""
    has_stopped: Bool[Tensor, " B"]

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences are finished, or have their stop string."""
        return self.has_stopped | super().is_done


@dataclass(frozen=True, kw_only=True)
class StopStrings:
    """A sampler whose text ends before the first of some strings."""

    sampler: Sampler
    stops: tuple[str, ...]
    text_of: TextOf
    """The text of token ids."""

    def __post_init__(self) -> None:
        if not self.stops or not all(isinstance(s, str) and s for s in self.stops):
            raise ConfigError(
                f"stop strings are texts of at least one character, got {self.stops!r:.60}."
            )

    def __str__(self) -> str:
        return str(self.sampler)

    @property
    def ends_early(self) -> bool:
        """Whether what stands may be relied on before the sampler is finished."""
        *_, rule = layers(self.sampler)  # what is put around it takes nothing back
        return not getattr(rule, "takes_back", True)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> StopState:
        """The sampler's beginning."""
        inner = self.sampler.init(given_ids, mask_id=mask_id, draws=draws)
        first = (given_ids != mask_id).long().cumprod(dim=1).sum(dim=1)
        return StopState(inner, first, torch.zeros_like(first, dtype=torch.bool))

    def step(
        self, state: StopState, predictor: Any, draws: Draws
    ) -> tuple[StopState, Cost[Counts]]:
        """A step of the sampler, and an end to texts that have a stop string."""
        inner, cost = self.sampler.step(state.inner, predictor, draws)
        has_stopped = state.has_stopped
        if self.ends_early:
            rows = zip(inner.token_ids.cpu(), state.first.tolist(), strict=True)
            found = [self._stops(row, first, predictor.vocab_size) for row, first in rows]
            has_stopped = torch.tensor(found, device=has_stopped.device)
        return StopState(inner, state.first, has_stopped), cost

    def _stops(self, token_ids: Int[Tensor, " L"], first: int, mask_id: int) -> bool:
        text = self.text_of(settled(token_ids[first:], mask_id))
        return any(stop in text for stop in self.stops)

    def cut(self, token_ids: Int[Tensor, " n"]) -> tuple[int, str] | None:
        """How many tokens a finished text needs for what stands before its stop, and that; None
        if it has none."""
        text = self.text_of(token_ids)
        places = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if not places:
            return None
        kept = text[: min(places)]
        enough, too_few = len(token_ids), -1
        while enough - too_few > 1:  # a longer beginning never has the less text
            middle = (enough + too_few) // 2
            has_all = self.text_of(token_ids[:middle]).startswith(kept)
            enough, too_few = (middle, too_few) if has_all else (enough, middle)
        return enough, kept


def settled(token_ids: Int[Tensor, " n"], mask_id: int) -> Int[Tensor, " m"]:
    """What stands before the first MASK, or before padding."""
    is_there = (token_ids != mask_id) & (token_ids != PAD)
    return token_ids[: int(is_there.long().cumprod(dim=0).sum())]
