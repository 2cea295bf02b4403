"""Classifier-free guidance: away from what the model would say without the prompt.

    p_w = softmax(un + (w + 1) (cond - un))

with cond the log-probabilities given the sequence as it stands, and un those of the same
sequence with everything that was given masked; what has been revealed since stays. w = 0 is the
model itself. A guided answer takes two passes.

What was given must be known wherever a sampler asks, about some of its sequences or about many
versions of one. So it is written into the sequences: a *marked* sequence has x + V + 1 in the
place of each token x that was given. Samplers only move tokens about, and MASK keeps its id.

Sources: Ho and Salimans (2022), arXiv:2207.12598; of masked diffusion, with the prompt masked in
place of a condition that training dropped: Nie et al. (2024), arXiv:2410.18514; the scale as in
the code of LLaDA, arXiv:2502.09992.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.predictors.protocol import Draft, longest
from unmask.predictors.shadows import Shadowed
from unmask.shapes import TokenIds, WindowIds


def guided(
    cond: Float[Tensor, "*n V"], un: Float[Tensor, "*n V"], scale: float
) -> Float[Tensor, "*n V"]:
    """log p_w. What is impossible given the sequence stays so."""
    moved = (un + (scale + 1) * (cond - un)).masked_fill(cond == -torch.inf, -torch.inf)
    return moved.log_softmax(dim=-1)


def marked(given_ids: TokenIds, mask_id: int) -> TokenIds:
    """Sequences in which everything that is not MASK is marked as given."""
    is_token = (given_ids >= 0) & (given_ids < mask_id)
    return torch.where(is_token, given_ids + mask_id + 1, given_ids)


def unmarked(token_ids: TokenIds, mask_id: int) -> TokenIds:
    """The sequences as they stand."""
    return torch.where(token_ids > mask_id, token_ids - mask_id - 1, token_ids)


@dataclass(frozen=True)
class GuidedPredictor:
    """A predictor that is guided. Its sequences are marked ones."""

    predictor: Any
    scale: float
    """w."""

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return int(self.predictor.vocab_size)

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        return longest(self.predictor)

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        device: torch.device = self.predictor.device
        return device

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """Two passes, made as one batch."""
        made: Draft = self.predictor.draft(self._rows(token_ids), self._repeated(positions))
        return replace(made, log_probs=self._guided(made.log_probs), context=None)

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """Two passes with shadows, made as one batch."""
        said = self.predictor.shadowed(
            self._rows(token_ids),
            self._repeated(positions),
            self._repeated(shadows),
            None if together is None else self._repeated(together),
        )
        return Shadowed(self._guided(said.log_probs), self._guided(said.of_shadows))

    def _rows(self, token_ids: TokenIds) -> Int[Tensor, "N L"]:
        """The sequences as they stand and, unless w is 0, behind them those without a prompt."""
        shown_ids = unmarked(token_ids, self.vocab_size)
        if not self.scale:
            return shown_ids
        return torch.cat([shown_ids, token_ids.clamp(max=self.vocab_size)])

    def _repeated(self, columns: Int[Tensor, "B n"]) -> Int[Tensor, "N n"]:
        return torch.cat([columns, columns]) if self.scale else columns

    def _guided(self, log_probs: Float[Tensor, "N n V"]) -> Float[Tensor, "B n V"]:
        if not self.scale:
            return log_probs
        cond, un = log_probs.chunk(2)
        return guided(cond, un, self.scale)
