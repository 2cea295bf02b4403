"""What a sampler may ask of a model, whatever the model is.

A *predictor* drafts: given a partly masked sequence, the log-probability of every token at each
masked position asked for, aligned to that position itself. A *hybrid predictor* also verifies:
given the same sequence, an order, and candidate tokens, the log-probability of every token at
a position given all that comes before it in the order.

Positions that hold PAD are not there: what is said of the others is what would be said of the
sequence without them.

Method: Campbell et al. (2025), arXiv:2510.03929, section 3.
"""

import sys
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class Draft:
    """What one non-causal pass says."""

    log_probs: WindowLogProbs
    """Column k: the distribution of the token at the k-th position asked for. To verify, the
    first of these must be the first masked one of the order."""
    context: Any
    """What verifying needs of this pass (hidden states, caches); opaque to samplers."""
    late_ids: tuple[int, ...] = ()
    """Tokens that are to be revealed last, however probable: nobody is confident of them."""


@runtime_checkable
class Predictor(Protocol):
    """A model of the masked tokens of a sequence, each given the revealed ones."""

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted; MASK has the id V."""
        ...

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        ...

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One non-causal pass over `token_ids`; distributions at `positions` only."""
        ...


def longest(predictor: object) -> int:
    """The longest sequence that a predictor takes, if it says so by `max_length`."""
    return int(getattr(predictor, "max_length", sys.maxsize))


@runtime_checkable
class HybridPredictor(Predictor, Protocol):
    """A predictor that can also verify what it drafted."""

    @property
    def first_target_is_draft(self) -> bool:
        """Whether the first masked position of a pass has target = draft, as information says.

        A window of one token then needs no verification.
        """
        ...

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        """One causal pass: column k is the distribution of the token at order[:, first + k].

        It is conditioned on what `draft` saw, and on the tokens of `filled_ids` at
        order[:, :first + k]; never on that position's own token or a later one. Columns past
        the end of the order are meaningless.

        Later calls with the same `draft` may reuse what settled tokens contributed: between one
        call and the next, tokens at order[:, :first - 1] of the next stay as they were. (The
        one at order[:, first - 1] may have been replaced: that is a rejection.)
        """
        ...

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        """The same draft for some sequences of the batch."""
        ...
