"""The shape letters, once for the whole package.

    B  sequences in a batch            L  positions in a sequence
    V  tokens in the vocabulary        K  columns of a window: consecutive entries of the order
    d  width of the network            H  attention heads           S  orders averaged over

Annotations carry the letters at the door (jaxtyping, checked in every test run); locals carry
them as a suffix: `log_probs_BKV`. MASK is always the id V, one past the last token, so that
log-probabilities over the vocabulary have no entry for it and it can never be sampled. Where
sequences of different length share a batch, the shorter ones end in PAD: no position is there.
"""

from typing import TypeAlias

from jaxtyping import Bool, Float, Int
from torch import Tensor

PAD = -1

TokenIds: TypeAlias = Int[Tensor, "B L"]
"""Token ids by position; V stands for MASK, PAD for no position."""
Order: TypeAlias = Int[Tensor, "B L"]
"""order[b, r] is the position that sequence b reveals as its r-th (counted from 0)."""
Counts: TypeAlias = Int[Tensor, " B"]
"""One non-negative number per sequence."""
WindowIds: TypeAlias = Int[Tensor, "B K"]
"""Token ids, or positions, of the columns of a window."""
WindowMask: TypeAlias = Bool[Tensor, "B K"]
"""Which columns of a window are real; sequences of a batch have windows of different length."""
WindowProbs: TypeAlias = Float[Tensor, "B K"]
"""One (log-)probability per column of a window."""
WindowLogProbs: TypeAlias = Float[Tensor, "B K V"]
"""A normalised distribution, in natural logs, per column of a window."""
