"""What a model may say of the end of the text: nothing, or only once there is nothing else to say.

Models that were taught to fill their canvas with end tokens E are soon sure of these, and rules
that go by confidence reveal them before the answer. Two remedies:

    no end      p'(x) = p(x) / (1 - p(E)),  p'(e) = 0 for e in E;  drawn from and judged by p'
    end last    drawn from p;  the confidence of a token is p'(x), that of an end token 0

Source: Nie et al. (2025), arXiv:2502.09992 (LLaDA), in its code as logits_eos_inf and
confidence_eos_eot_inf. There the second holds for both of its end tokens at temperature 0 only.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.predictors.kv_cache import CachedForward, KVCache
from unmask.predictors.protocol import Draft
from unmask.predictors.shadows import Shadowed
from unmask.predictors.wrapper import PredictorWrapper
from unmask.shapes import TokenIds, WindowIds


def without(log_probs: Float[Tensor, "*n V"], token_ids: tuple[int, ...]) -> Float[Tensor, "*n V"]:
    """The distribution given that it is none of these tokens; -inf for them."""
    left_out = torch.tensor(token_ids, device=log_probs.device)
    kept = log_probs.index_fill(-1, left_out, -torch.inf)
    log_mass = kept.logsumexp(dim=-1, keepdim=True)
    # Finite even if nothing is left, since -inf - (-inf) is not a number.
    return kept - log_mass.clamp(min=torch.finfo(log_probs.dtype).min)


@dataclass(frozen=True)
class _Ruled(PredictorWrapper):
    """A predictor whose answers are changed by a rule."""

    predictor: Any
    end_ids: tuple[int, ...]

    @abstractmethod
    def ruled(self, draft: Draft) -> Draft:
        """What is made of an answer."""

    @property
    def inner(self) -> Any:
        """The predictor that is ruled."""
        return self.predictor

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One pass of the predictor."""
        return self.ruled(super().draft(token_ids, positions))

    def forward_cached(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[Tensor, "B L"],
        memory: KVCache,
    ) -> CachedForward:
        """One pass of a predictor that remembers."""
        found = super().forward_cached(token_ids, positions, is_query=is_query, memory=memory)
        return replace(found, draft=self.ruled(found.draft))


@dataclass(frozen=True)
class NeverEnding(_Ruled):
    """A predictor that never says the end tokens."""

    def ruled(self, draft: Draft) -> Draft:
        """The same without them."""
        return replace(draft, log_probs=without(draft.log_probs, self.end_ids))

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """One pass of a predictor with shadows."""
        said = self.predictor.shadowed(token_ids, positions, shadows, together)
        return Shadowed(
            without(said.log_probs, self.end_ids),
            without(said.of_shadows, self.end_ids),
            said.remembered,
        )


@dataclass(frozen=True)
class EndingLast(_Ruled):
    """A predictor whose end tokens are to be revealed last."""

    def ruled(self, draft: Draft) -> Draft:
        """The same, with a word about them."""
        return replace(draft, late_ids=self.end_ids)
