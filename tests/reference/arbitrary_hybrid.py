"""A hybrid predictor that is consistent with nothing: every conditional is drawn at random.

Its targets depend on what the pass saw, on the tokens filled in before, and on the position,
each in its own way, as an imperfect network's do. An error that an exact predictor would
forgive (because all its conditionals agree) it does not.
"""

import torch

from unmask.predictors.protocol import Draft


class ArbitraryHybrid:
    """Random tables over all (V + 1)^L partly masked sequences."""

    def __init__(
        self, vocab_size: int, length: int, seed: int, first_target_is_draft: bool = True
    ):
        generator = torch.Generator().manual_seed(seed)
        num_states = (vocab_size + 1) ** length

        def table(*shape: int) -> torch.Tensor:
            logits = 1.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
            return logits.log_softmax(dim=-1)

        self.vocab_size, self.length = vocab_size, length
        self.device = torch.device("cpu")
        self.first_target_is_draft = first_target_is_draft
        self._draft = table(num_states, length, vocab_size)
        self._target = table(num_states, num_states, length, vocab_size)
        self._place_value = (vocab_size + 1) ** torch.arange(length)

    def _state(self, token_ids):
        return (token_ids * self._place_value).sum(dim=-1)

    def draft(self, token_ids, positions):
        state = self._state(token_ids)
        return Draft(self._draft[state[:, None], positions], token_ids.clone())

    def verify(self, draft, *, filled_ids, order, first, num_columns):
        seen = draft.context
        columns = []
        for k in range(num_columns):
            place = (first + k).clamp(max=self.length - 1)
            is_before = torch.arange(self.length) < place[:, None]
            is_before = torch.zeros_like(is_before).scatter(1, order, is_before)
            known = torch.where(is_before, filled_ids, seen)
            position = order.gather(1, place[:, None]).squeeze(1)
            target = self._target[self._state(seen), self._state(known), position]
            is_first = (self._state(seen) == self._state(known))[:, None] & (
                self.first_target_is_draft
            )
            columns.append(torch.where(is_first, self._draft[self._state(seen), position], target))
        return torch.stack(columns, dim=1)

    def select(self, draft, rows):
        return Draft(draft.log_probs[rows], draft.context[rows])
