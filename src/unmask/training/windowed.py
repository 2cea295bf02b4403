"""What a causal trunk learns from: an order that begins with what is given, cut into windows.

Every token behind what is given is learnt by the stream, and, as one of its window, by draft and
target; so one pass over the doubled sequence teaches all three laws at every token.

A partition is drawn for a whole batch. Window sizes are the longest, a half and a quarter of it,
each with a probability inverse to its size, so that every size holds an equal share of the
tokens; the first window is cut to a random length, so that windows begin anywhere.

What is given first, in a share of the examples, is of one of these kinds: single places or spans
of 4 to 32, each with a probability that is uniform over the examples; or both ends.

Source: this project; the mixture of given patterns is that of docs/method.md, "Filling in".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.process.orders import given_first, left_to_right
from unmask.shapes import Counts, Order
from unmask.training.transfer import sent

_SPANS = (1, 4, 8, 16, 32)


@dataclass(frozen=True)
class WindowedCorruption:
    """The random part of a training example of a causal trunk."""

    order: Order
    """What is given comes first, then what is learnt."""
    num_given: Counts
    length: Counts
    """Positions of each sequence; those behind are padding."""
    window_start: Int[Tensor, " L"]
    """The first slot of the window that each slot is in."""

    def select(self, rows: Int[Tensor, " N"], device: torch.device) -> "WindowedCorruption":
        """That of some sequences of the batch."""
        return WindowedCorruption(
            sent(self.order[rows], device),
            sent(self.num_given[rows], device),
            sent(self.length[rows], device),
            sent(self.window_start, device),
        )


def in_windows(
    seed: int, batch_size: int, length: int, *, max_window: int, given_share: float = 0.0
) -> WindowedCorruption:
    """A random partition, and in a share of the sequences something that is given first."""
    draws = SeededDraws([seed])
    window_start = random_partition(draws, length, max_window)
    order = left_to_right(batch_size, length)
    num_given = torch.zeros_like(order[:, 0])
    if given_share:
        is_given = given_patterns(draws, batch_size, length, given_share)
        order, num_given = given_first(order, is_given), is_given.sum(dim=1)
    return WindowedCorruption(order, num_given, torch.full_like(num_given, length), window_start)


def even_windows(batch_size: int, length: int, size: int) -> WindowedCorruption:
    """Reading order, nothing given, in windows of one size."""
    order = left_to_right(batch_size, length)
    none = torch.zeros_like(order[:, 0])
    slots = torch.arange(length)
    return WindowedCorruption(order, none, none + length, slots - slots % size)


def random_partition(draws: SeededDraws, length: int, max_window: int) -> Int[Tensor, " L"]:
    """The first slot of each slot's window; of windows of at most `max_window` slots."""
    sizes = sorted({max(1, max_window // part) for part in (1, 2, 4)})
    shares = torch.tensor([1 / size for size in sizes], dtype=torch.float64)
    bounds = (shares / shares.sum()).cumsum(0)
    numbers = draws.uniform(torch.ones(1, length + 1, dtype=torch.bool))[0]
    picked = torch.searchsorted(bounds, numbers[1:], right=True).clamp(max=len(sizes) - 1)
    widths = torch.tensor(sizes)[picked]
    widths[0] = 1 + (numbers[0] * widths[0]).long()
    ends = widths.cumsum(0)
    slots = torch.arange(length)
    return (ends - widths)[torch.searchsorted(ends, slots, right=True)]


def given_patterns(
    draws: SeededDraws, batch_size: int, length: int, share: float
) -> Bool[Tensor, "B L"]:
    """What is given of each sequence: nothing in most, never all."""
    each = draws.uniform(torch.ones(1, batch_size * 6, dtype=torch.bool)).view(batch_size, 6)
    has_pattern, kind, rate, shift, one, other = each.unbind(1)
    place = torch.arange(length).expand(batch_size, -1)
    number = (kind * (len(_SPANS) + 1)).long()  # the last of them: both ends
    span = torch.tensor([*_SPANS, 1])[number][:, None]
    where = torch.ones(1, batch_size * length, dtype=torch.bool)
    coins = draws.uniform(where).view(batch_size, length)
    stretch = ((place + (shift[:, None] * span).long()) // span).clamp(max=length - 1)
    is_given = coins.gather(1, stretch) < rate[:, None]
    begin, end = torch.minimum(one, other) * length, torch.maximum(one, other) * length
    at_ends = (place < begin[:, None]) | (place >= end[:, None])
    is_given = torch.where((number == len(_SPANS))[:, None], at_ends, is_given)
    is_given &= (has_pattern < share)[:, None]
    is_given[:, -1] &= ~is_given.all(dim=1)  # something is left to learn
    return is_given
