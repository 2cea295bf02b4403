"""What a sampler may ask of a model whose finished tokens attend backwards only.

Along an order sigma, slot s = 0..L-1 predicts the token at sigma(s) and holds the one at
sigma(s-1); slot 0 holds none. What is computed of a slot depends on the tokens it and the slots
before it hold, and on no other: it is computed once and remembered, exactly. It says the
*stream's law*

    p(token at sigma(s) | tokens at sigma(0..s-1)),

that of a language model which reads along the order. Behind the finished slots a pass may carry a
*window*: MASKs at sigma(first..), which see all finished tokens and one another, and draft.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.batches import Rows
from unmask.cost import Work
from unmask.predictors.protocol import Draft, HybridPredictor
from unmask.shapes import Counts, Order, TokenIds


@dataclass(frozen=True)
class StreamShape:
    """How large the memory of one sequence is."""

    num_trunk_blocks: int
    num_tail_blocks: int
    num_heads: int
    channels: int
    """Of each key."""
    num_slots: int
    num_scratch: int
    """Rows for the MASKs of a pass, behind those of the slots."""
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True)
class StreamKVCache(Rows):
    """Keys and values of the finished slots, of trunk and tail.

    Row s of T is slot s; rows of slots that were not run are scratch, written in each pass and
    never read in the next. A pass writes into the tensors of the memory it is given: only the
    newest memory of a sequence may be used.
    """

    trunk: Float[Tensor, "B N 2 H T c"]
    tail: Float[Tensor, "B M 2 H T c"]
    run_ids: Int[Tensor, "B L"]
    """What each slot held when it was run; -1 where it was not."""

    @classmethod
    def blank(cls, shape: StreamShape, batch_size: int) -> "StreamKVCache":
        """Nothing is remembered yet of so many sequences."""
        number = torch.zeros((), dtype=shape.dtype, device=shape.device)
        sizes = (2, shape.num_heads, shape.num_slots + shape.num_scratch, shape.channels)
        return cls(
            number.new_zeros(batch_size, shape.num_trunk_blocks, *sizes),
            number.new_zeros(batch_size, shape.num_tail_blocks, *sizes),
            torch.full((batch_size, shape.num_slots), -1, device=shape.device),
        )

    def num_known(self, held_ids: Int[Tensor, "B n"]) -> Counts:
        """How many slots, from the first on, hold what they held when they were run."""
        is_same = self.run_ids[:, : held_ids.shape[1]] == held_ids
        return is_same.long().cumprod(dim=1).sum(dim=1)


@dataclass(frozen=True)
class Extended:
    """What one pass says, what is remembered after it, and what it took."""

    law_log_probs: Float[Tensor, "B n V"]
    """The stream's law at the last n slots that were run; the last column is slot `first`."""
    draft: Draft
    """Of the window, which may be empty."""
    memory: StreamKVCache
    work: Work[Counts]
    """Tokens and MASKs that were run; pairs of such a one and one that it attended to, itself
    included."""


@dataclass(frozen=True)
class Branched:
    """What a pass over candidates says, with a window behind each number of them.

    After j candidates the law is `law_log_probs[:, j]`, the window begins at slot first + j, and
    `chosen` gives its draft.
    """

    law_log_probs: Float[Tensor, "B G V"]
    draft_log_probs: Float[Tensor, "B G K V"]
    context_behind: Callable[[Counts], Any]
    """What verifying needs of the window behind so many candidates of each sequence; opaque to
    samplers."""
    memory: StreamKVCache
    work: Work[Counts]

    def chosen(self, number: Counts) -> Draft:
        """The draft of the window behind so many candidates."""
        rows = torch.arange(len(number), device=number.device)
        return Draft(self.draft_log_probs[rows, number], self.context_behind(number))


@runtime_checkable
class StreamPredictor(HybridPredictor, Protocol):
    """A hybrid predictor whose trunk is causal behind a window. Drafts follow an order."""

    @property
    def stream_shape(self) -> StreamShape: ...

    @property
    def max_window(self) -> int:
        """The longest window it drafts; 0: it does not draft."""
        ...

    @property
    def fills_in(self) -> bool:
        """Whether it was trained on orders that begin with what is given anywhere."""
        ...

    def extend(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        window: Counts,
        num_columns: int,
        num_laws: int = 1,
        memory: StreamKVCache | None = None,
    ) -> Extended:
        """One pass: the slots that are not remembered, up to `first`, and a window of MASKs.

        Tokens at order[:, :first] are finished. The window is the next `window` entries of the
        order, as `num_columns` columns; none if that is 0. `num_laws` is at most the largest
        number of slots that are run in any sequence.

        Slots that hold another token than when they were run are run again, and all behind them.
        """
        ...

    def branch(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        num_candidates: Counts,
        length: Counts,
        num_columns: int,
        memory: StreamKVCache | None = None,
    ) -> Branched:
        """One pass that verifies and drafts: what is new, candidates, and windows behind them.

        Candidates stand at order[:, first : first + num_candidates]. Behind each number of them,
        none to `num_columns` - 1, is a window of MASKs at the next `num_columns` entries of the
        order, as far as the sequence goes; it sees the candidates before it, and no other window.
        """
        ...
