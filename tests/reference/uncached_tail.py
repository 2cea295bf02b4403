"""The slow twin of `HybridTransformer.draft` and `verify`: no window, no cache.

Every answer comes from `forward` over the whole sequence, of which the columns asked for are
picked at the end.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.network.hybrid import HybridTransformer
from unmask.predictors.protocol import Draft
from unmask.process.orders import left_to_right
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs


class UncachedTail:
    """A `HybridPredictor` with the weights of a network; its context is what the pass saw."""

    def __init__(self, network: HybridTransformer) -> None:
        self.network = network
        self.vocab_size = network.vocab_size
        self.device = network.device
        self.first_target_is_draft = network.config.first_target == "draft"

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        by_position = left_to_right(*token_ids.shape)
        draft_log_probs, _ = self._log_probs(token_ids, token_ids, by_position)
        return Draft(_pick(draft_log_probs, positions), token_ids.clone())

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        draft_log_probs, target_log_probs = self._log_probs(draft.context, filled_ids, order)
        if self.first_target_is_draft:
            num_revealed = (draft.context != self.vocab_size).sum(dim=1)
            is_first = torch.arange(order.shape[1]) == num_revealed[:, None]
            target_log_probs = torch.where(is_first[..., None], draft_log_probs, target_log_probs)
        columns = first[:, None] + torch.arange(num_columns)
        return _pick(target_log_probs, columns.clamp(max=order.shape[1] - 1))

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        return Draft(draft.log_probs[rows], draft.context[rows])

    @torch.no_grad()
    def _log_probs(
        self, masked_ids: TokenIds, filled_ids: TokenIds, order: Order
    ) -> tuple[Tensor, Tensor]:
        draft_logits, target_logits = self.network(masked_ids, filled_ids, order)
        return draft_logits.log_softmax(dim=-1), target_logits.log_softmax(dim=-1)


def _pick(log_probs: Tensor, entries: Tensor) -> Tensor:
    return log_probs.take_along_dim(entries[..., None], dim=1)
