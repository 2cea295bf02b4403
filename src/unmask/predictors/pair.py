"""Two models as one: a smaller one drafts, a larger one verifies, and speaks for both.

Samplers that tell the two apart (`DraftVerify`) ask each by its name. To all others a team is
its verifier; one of two vocabularies is its drafter, in whose tokens it speaks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.predictors.protocol import Draft, longest
from unmask.predictors.shadows import Shadowed, ShadowPredictor
from unmask.predictors.wrapper import PredictorWrapper
from unmask.shapes import TokenIds, WindowIds


@dataclass(frozen=True)
class DrafterVerifierPair(PredictorWrapper):
    """A model that drafts and one that verifies, of one vocabulary."""

    drafter: Any
    verifier: Any

    @property
    def inner(self) -> Any:
        """The verifier: what it says is what the team says."""
        return self.verifier

    @property
    def casts_shadows(self) -> bool:
        """Whether the verifier can be asked about tokens that are there."""
        is_able = isinstance(self.verifier, ShadowPredictor)
        return is_able and bool(getattr(self.verifier, "casts_shadows", True))

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """What the verifier says, of tokens that are there as well."""
        said: Shadowed = self.verifier.shadowed(token_ids, positions, shadows, together)
        return said


@dataclass(frozen=True)
class TwoVocabularyPair:
    """A model that drafts and one that verifies, each with a vocabulary of its own."""

    drafter: Any
    verifier: Any

    @property
    def vocab_size(self) -> int:
        """V of the drafter, MASK not counted."""
        return int(self.drafter.vocab_size)

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        return longest(self.drafter)

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        device: torch.device = self.drafter.device
        return device

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """What the drafter says."""
        made: Draft = self.drafter.draft(token_ids, positions)
        return made


def each_behind(predictor: Any, wrapper: Callable[[Any], Any]) -> Any:
    """A predictor behind a wrapper; of a team, both of its members.

    Of two vocabularies the drafter alone: a wrapper knows the ids of one.
    """
    if isinstance(predictor, TwoVocabularyPair):
        return TwoVocabularyPair(wrapper(predictor.drafter), predictor.verifier)
    if not isinstance(predictor, DrafterVerifierPair):
        return wrapper(predictor)
    verifier = wrapper(predictor.verifier)
    is_one = predictor.drafter is predictor.verifier
    return DrafterVerifierPair(verifier if is_one else wrapper(predictor.drafter), verifier)
