"""Temperature and top-p, applied alike to draft and target before anything is drawn or judged.

    temperature tau:  p(x)^(1/tau), normalised; tau = 0 is the most probable token alone
    top-p:            the fewest most probable tokens that hold at least p of the mass

The distribution a token was drawn from and the one it is judged by must be the filtered ones,
or the result follows neither. Source of top-p: Holtzman et al. (2020), arXiv:1904.09751.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.named import Choices


@dataclass(frozen=True, kw_only=True)
class Filter(Choices):
    """Sharpens distributions. The default leaves them as they are."""

    temperature: float = 1.0
    """Divides the log-probabilities; 1 samples the model itself, 0 takes the best token."""
    top_p: float = 1.0
    """Mass of the most probable tokens that are kept, in (0, 1]; 1 keeps all."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(
                f"temperature must be a number of at least 0, got {self.temperature}: it divides "
                "the log-probabilities. 1 samples the model itself, below 1 is more careful, 0 "
                "always takes the most probable token."
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError(
                f"top-p must be above 0 and at most 1, got {self.top_p}: it is the share of the "
                "probability that is kept. 1 keeps every token, 0.9 drops the unlikely tenth."
            )

    def __call__(self, log_probs: Float[Tensor, "*n V"]) -> Float[Tensor, "*n V"]:
        """The filtered log-probabilities, normalised; -inf for what was dropped."""
        if self.is_greedy:
            best = log_probs.argmax(dim=-1, keepdim=True)
            return torch.full_like(log_probs, -math.inf).scatter(-1, best, 0.0)
        if self.temperature != 1:
            log_probs = (log_probs / self.temperature).log_softmax(dim=-1)
        if self.top_p < 1:
            log_probs = _top_p(log_probs, self.top_p)
        return log_probs

    @property
    def is_greedy(self) -> bool:
        """Whether nothing but the best token is left of a distribution."""
        return self.temperature < _COLDEST

    def draw(
        self, log_probs: Float[Tensor, " B *n V"], where: Bool[Tensor, " B *n"], draws: Draws
    ) -> Int[Tensor, " B *n"]:
        """A token from each distribution as it is filtered, for one random number each."""
        filtered = log_probs if self.is_greedy else self(log_probs)
        return self.draw_filtered(filtered, where, draws)

    def draw_filtered(
        self, log_probs: Float[Tensor, " B *n V"], where: Bool[Tensor, " B *n"], draws: Draws
    ) -> Int[Tensor, " B *n"]:
        """The same, where a caller needs the filtered distributions too and has them."""
        if not self.is_greedy:
            return draws.categorical(log_probs, where)
        # One number a token at any temperature: a choice among one costs it, but no table.
        draws.categorical(torch.zeros_like(log_probs[..., :1]), where)
        return log_probs.argmax(dim=-1)


_COLDEST = 1e-30  # dividing by less overflows float32; what is left is the best token anyway
_NUM_LIKELY = 512
"""As many tokens are sorted at first; a sure prediction has its mass in a few."""


def _top_p(log_probs: Float[Tensor, "*n V"], top_p: float) -> Float[Tensor, "*n V"]:
    rows = log_probs.reshape(-1, log_probs.shape[-1])
    if _NUM_LIKELY < rows.shape[1]:
        is_dropped, is_settled = _dropped_of_likely(rows, top_p)
        rest = (~is_settled).nonzero().squeeze(1)
        if len(rest):
            is_dropped[rest] = _dropped(rows[rest], top_p)
    else:
        is_dropped = _dropped(rows, top_p)
    is_dropped = is_dropped.reshape(log_probs.shape)
    return log_probs.masked_fill(is_dropped, -math.inf).log_softmax(dim=-1)


def _dropped(log_probs: Float[Tensor, "N V"], top_p: float) -> Bool[Tensor, "N V"]:
    falling, token_ids = log_probs.sort(dim=-1, descending=True, stable=True)
    is_dropped = _mass_before(falling) >= top_p
    return is_dropped.scatter(-1, token_ids, is_dropped)


def _dropped_of_likely(
    log_probs: Float[Tensor, "N V"], top_p: float
) -> tuple[Bool[Tensor, "N V"], Bool[Tensor, " N"]]:
    """The same from the likeliest tokens, and for which rows those settle it."""
    token_ids = log_probs.topk(_NUM_LIKELY, dim=-1, sorted=False).indices
    token_ids = token_ids.sort(dim=-1).values  # topk leaves equals in any order
    falling, order = log_probs.gather(-1, token_ids).sort(dim=-1, descending=True, stable=True)
    likely_dropped = _mass_before(falling) >= top_p
    is_dropped = torch.ones_like(log_probs, dtype=torch.bool)
    is_dropped.scatter_(-1, token_ids.gather(-1, order), likely_dropped)
    # The last may have equals that were left out: it must be dropped, and they with it.
    return is_dropped, (likely_dropped | (falling > falling[:, -1:])).all(dim=-1)


def _mass_before(falling: Float[Tensor, "N T"]) -> Float[Tensor, "N T"]:
    probs = falling.exp()
    return probs.cumsum(dim=-1) - probs
