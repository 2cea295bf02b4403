"""Which tokens are hidden: all those whose turn in the order has not come.

With i tokens revealed, sequence b shows order[b, :i] and holds MASK everywhere else. In
training i is uniform on 0..L-1, stratified over the B sequences of a batch by one number u,

    i_b = floor(L (u + b) / B),   u ~ uniform on [0, 1),

so each batch covers all noise levels evenly and the average over it keeps its expectation.

Sources: Campbell et al. (2025), arXiv:2510.03929, section 3; one u for a whole batch: Kingma
et al. (2021), arXiv:2107.00630 (their "low-discrepancy sampler").
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.process.orders import inverse
from unmask.shapes import PAD, Counts, Order, TokenIds


def is_revealed(order: Order, num_revealed: Counts) -> Bool[Tensor, "B L"]:
    """By position: whether its turn is among the first `num_revealed` of the order."""
    return inverse(order) < num_revealed[:, None]


def mask_after(token_ids: TokenIds, order: Order, num_revealed: Counts, mask_id: int) -> TokenIds:
    """`token_ids` with MASK everywhere but at order[:, :num_revealed]; PAD stays PAD."""
    is_hidden = ~is_revealed(order, num_revealed) & (token_ids != PAD)
    return token_ids.masked_fill(is_hidden, mask_id)


def stratified_counts(
    draws: SeededDraws, batch_size: int, length: int
) -> Int[Tensor, " {batch_size}"]:
    """i_b for each sequence of a batch, rising, from one number of the one stream in `draws`.

    On the CPU, where `draws` must be too.
    """
    offsets = torch.arange(batch_size) + draws.uniform(torch.ones(1, dtype=torch.bool))
    # u + b can round up to b + 1, which for the last b would be L.
    return (length * offsets / batch_size).long().clamp(max=length - 1)
