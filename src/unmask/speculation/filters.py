"""Temperature and top-p, applied alike to draft and target before anything is drawn or judged.

    temperature tau:  p(x)^(1/tau), normalised; tau = 0 is the most probable token alone
    top-p:            the fewest most probable tokens that hold at least p of the mass

The distribution a token was drawn from and the one it is judged by must be the filtered ones,
or the result follows neither. Source of top-p: Holtzman et al. (2020), arXiv:1904.09751.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Filter:
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
        if self.temperature < _COLDEST:
            best = log_probs.argmax(dim=-1, keepdim=True)
            return torch.full_like(log_probs, -math.inf).scatter(-1, best, 0.0)
        if self.temperature != 1:
            log_probs = (log_probs / self.temperature).log_softmax(dim=-1)
        if self.top_p < 1:
            log_probs = _top_p(log_probs, self.top_p)
        return log_probs


_COLDEST = 1e-30  # dividing by less overflows float32; what is left is the best token anyway


def _top_p(log_probs: Float[Tensor, "*n V"], top_p: float) -> Float[Tensor, "*n V"]:
    falling, token_ids = log_probs.sort(dim=-1, descending=True, stable=True)
    mass_before = falling.exp().cumsum(dim=-1) - falling.exp()
    is_dropped = (mass_before >= top_p).scatter(-1, token_ids, mass_before >= top_p)
    return log_probs.masked_fill(is_dropped, -math.inf).log_softmax(dim=-1)
