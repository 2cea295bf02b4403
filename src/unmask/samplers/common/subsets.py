"""Random subsets: draws without replacement, one after another.

    P(k | drawn before) = w_k / sum over j not drawn before of w_j

The indices drawn in this way are distributed as the k largest of log w_j + g_j with independent
Gumbel noise g: "Gumbel-top-k" (Kool et al., 2019, arXiv:1903.06059). Drawing them in turn needs
no noise but discrete choices.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.draws import Draws


def draw(
    log_weights: Float[Tensor, " B *n K"], num_drawn: Int[Tensor, " B *n"], draws: Draws
) -> Bool[Tensor, " B *n K"]:
    """Which indices are drawn, `num_drawn` of each last axis; never one with weight 0."""
    is_drawn = torch.zeros_like(log_weights, dtype=torch.bool)
    for turn in range(int(num_drawn.max())):
        where = turn < num_drawn
        left = log_weights.masked_fill(is_drawn, -torch.inf)
        index = draws.categorical(left, where=where)[..., None]
        is_drawn = is_drawn.scatter(-1, index, is_drawn.gather(-1, index) | where[..., None])
    return is_drawn
