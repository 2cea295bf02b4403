"""The state of samplers whose steps look ahead: sequences, and what is predicted of them already.

A step that tries several ways to go on has run the one it takes, so the next step begins with
the prediction of that run. Only the first step needs a pass of its own, or one after which
somebody else has rewritten the sequences.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import join
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import masked_state
from unmask.samplers.common.masked_state import MaskedState, Prediction
from unmask.shapes import TokenIds


@dataclass(frozen=True)
class LookaheadState(MaskedState):
    """Sequences, and a prediction of most of them."""

    prediction: Prediction
    """Of what may be revealed next; meaningless where nothing is foreseen, and when done."""
    is_foreseen: Bool[Tensor, " B"]
    """Whether the prediction is one of the sequence as it stands."""

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "LookaheadState":
        """The state with other tokens; what was foreseen of the old ones is forgotten."""
        is_same = (token_ids == self.token_ids).all(dim=1)
        return replace(
            self,
            token_ids=token_ids,
            is_masked=token_ids == mask_id,
            is_foreseen=self.is_foreseen & is_same,
        )

    @property
    def bare(self) -> MaskedState:
        """The sequences alone."""
        return MaskedState(**{each.name: getattr(self, each.name) for each in fields(MaskedState)})

    @property
    def needs_pass(self) -> Bool[Tensor, " B"]:
        """Which sequences must be run before anything can be revealed."""
        return ~self.is_foreseen & ~self.is_done

    def completed(self, predictor: Predictor, is_wanted: Bool[Tensor, "B L"]) -> Prediction:
        """The prediction of each sequence: one pass over those that need it, if any does."""
        first = self.needs_pass.nonzero().squeeze(1)
        if not len(first):
            return self.prediction
        fresh = masked_state.predict(predictor, self.token_ids[first], is_wanted[first])
        later = (~self.needs_pass).nonzero().squeeze(1)
        place = torch.cat([first, later]).argsort()
        return join([fresh, self.prediction.select(later)]).select(place)


def start(given_ids: TokenIds, *, mask_id: int) -> LookaheadState:
    """All that is not given is masked; nothing is foreseen."""
    state = masked_state.start(given_ids, mask_id=mask_id)
    nothing = masked_state.no_prediction(given_ids, mask_id=mask_id)
    nowhere = torch.zeros_like(state.num_wanted, dtype=torch.bool)
    return LookaheadState(**vars(state), prediction=nothing, is_foreseen=nowhere)


def reached(state: MaskedState, prediction: Prediction) -> LookaheadState:
    """A state that was looked ahead to, with what was predicted of it."""
    everywhere = torch.ones_like(state.num_wanted, dtype=torch.bool)
    return LookaheadState(**vars(state), prediction=prediction, is_foreseen=everywhere)
