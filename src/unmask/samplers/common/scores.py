"""How sure a prediction is, per position: what samplers rank masked positions by.

    confidence   p(x) of the token x drawn there
    margin       p(1) - p(2), the two most probable tokens
    entropy      H = -sum_y p(y) log p(y), in nats; ranked by -H

All of the predictor's own distribution: a temperature sharpens what is drawn, not how sure the
predictor is of it.

Sources: confidence, Chang et al. (2022), arXiv:2202.04200; margin, Kim et al. (2025),
arXiv:2502.06768; entropy, Ye et al. (2025), arXiv:2508.15487.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.predictors.end_rules import without
from unmask.shapes import Counts, WindowIds, WindowLogProbs, WindowMask, WindowProbs


def confidence(
    log_probs: WindowLogProbs, token_ids: WindowIds, *, late_ids: tuple[int, ...] = ()
) -> WindowProbs:
    """p(x) of the given tokens; given that none is late, and 0 of those that are."""
    if late_ids:
        log_probs = without(log_probs, late_ids)
    return log_probs.gather(-1, token_ids[..., None]).squeeze(-1).double().exp()


def margin(log_probs: WindowLogProbs) -> WindowProbs:
    """How far the most probable token is ahead of the next."""
    first, second = log_probs.double().topk(2, dim=-1).values.exp().unbind(dim=-1)
    return first - second


def entropy(log_probs: Float[Tensor, "*n V"]) -> Float[Tensor, "*n"]:
    """Nats, in float64."""
    rows = log_probs.reshape(-1, log_probs.shape[-1])
    # In parts that stay in the processor's cache, of two rows or more: torch adds up a single
    # row in another way, which would move its last digits.
    num_parts = max(1, len(rows) // max(2, _NUMBERS_AT_ONCE // rows.shape[-1]))
    parts = [_entropy(part) for part in rows.tensor_split(num_parts)]
    return torch.cat(parts).reshape(log_probs.shape[:-1])


_NUMBERS_AT_ONCE = 2**19  # in float64: 4 MiB


def _entropy(log_probs: Float[Tensor, "N V"]) -> Float[Tensor, " N"]:
    log_probs = log_probs.double()
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(torch.float64).min)).sum(dim=-1)


def rank(score: WindowProbs, in_window: WindowMask) -> WindowIds:
    """0 for the highest score of each row, 1 for the next ...; earlier columns first in a tie."""
    falling = score.masked_fill(~in_window, -torch.inf).argsort(
        dim=1, descending=True, stable=True
    )
    # Columns that are not real must come after real ones whose score is -inf too.
    falling = falling.gather(1, (~in_window.gather(1, falling)).long().argsort(dim=1, stable=True))
    return falling.argsort(dim=1)


def top(score: WindowProbs, in_window: WindowMask, num_chosen: Counts) -> WindowMask:
    """The given number of columns with the highest scores."""
    return (rank(score, in_window) < num_chosen[:, None]) & in_window
