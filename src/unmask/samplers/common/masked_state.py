"""The state of samplers that reveal positions as they see fit, and the two halves of a step.

A step of such a sampler asks for the distributions at the masked positions (`predict`), perhaps
with a token drawn from each (`propose`), chooses some of them by a rule of its own, and reveals
tokens there (`reveal`). A pass is made whether or not the rule chooses anything.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import Rows, padded_with
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Draft, Predictor
from unmask.samplers.common import columns, scores
from unmask.samplers.common.columns import WindowColumns
from unmask.shapes import PAD, Counts, TokenIds, WindowIds, WindowLogProbs, WindowMask, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True)
class MaskedState(Rows):
    """Sequences of which any positions may be masked."""

    token_ids: TokenIds = field(metadata=padded_with(PAD))
    is_masked: Bool[Tensor, "B L"] = field(metadata=padded_with(False))
    num_wanted: Counts
    """Positions that were masked at the start."""
    origin: Counts
    """The first of them."""
    num_steps_taken: Counts

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences have nothing masked left."""
        return ~self.is_masked.any(dim=1)

    @property
    def num_masked(self) -> Counts:
        return self.is_masked.sum(dim=1)

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "MaskedState":
        """The state with other tokens; masked is what is MASK."""
        return replace(self, token_ids=token_ids, is_masked=token_ids == mask_id)

    def advanced(self, token_ids: TokenIds, is_masked: Bool[Tensor, "B L"]) -> "MaskedState":
        """The state one step later."""
        return MaskedState(
            token_ids, is_masked, self.num_wanted, self.origin, self.num_steps_taken + 1
        )


def start(given_ids: TokenIds, *, mask_id: int) -> MaskedState:
    """All that is not given is masked."""
    is_masked = given_ids == mask_id
    num_wanted = is_masked.sum(dim=1)
    origin = (is_masked.cumsum(dim=1) == 0).sum(dim=1)
    return MaskedState(given_ids, is_masked, num_wanted, origin, torch.zeros_like(num_wanted))


@dataclass(frozen=True)
class Prediction(Rows):
    """What one pass says of some positions."""

    window: WindowColumns
    """A column for each position asked for, in reading order."""
    log_probs: WindowLogProbs = field(metadata=padded_with(0.0))
    """As the predictor gave them: not filtered."""


def predict(
    predictor: Predictor, token_ids: TokenIds, is_wanted: Bool[Tensor, "B L"]
) -> Prediction:
    """One pass; distributions at the wanted positions."""
    window, draft = _asked(predictor, token_ids, is_wanted)
    return Prediction(window, draft.log_probs)


def _asked(
    predictor: Predictor, token_ids: TokenIds, is_wanted: Bool[Tensor, "B L"]
) -> tuple[WindowColumns, Draft]:
    window = columns.of_positions(is_wanted)
    # Columns that are not real repeat the first: no row is asked for more because of others.
    asked = torch.where(window.in_window, window.positions, window.positions[:, :1])
    return window, predictor.draft(token_ids, asked)


def no_prediction(given_ids: TokenIds, *, mask_id: int) -> Prediction:
    """What is predicted before the first pass: a column that is not real."""
    first = torch.zeros_like(given_ids[:, :1])
    # MASK is the id V: as many log-probabilities as a prediction will have.
    log_probs = torch.zeros(*first.shape, mask_id, device=given_ids.device)
    return Prediction(WindowColumns(first, first > 0), log_probs)


@dataclass(frozen=True)
class Proposal(Prediction):
    """A prediction with a token drawn from it at each of its positions."""

    token_ids: WindowIds = field(metadata=padded_with(0))
    confidence: WindowProbs = field(metadata=padded_with(0.0))
    """The predictor's own probability of each token, whatever the filter; 0 of late tokens."""


def propose(
    predictor: Predictor,
    token_ids: TokenIds,
    is_wanted: Bool[Tensor, "B L"],
    filter: Filter,
    draws: Draws,
) -> Proposal:
    """One pass; a token for every wanted position, not revealed yet."""
    window, draft = _asked(predictor, token_ids, is_wanted)
    drawn = filter.draw(draft.log_probs, window.in_window, draws)
    confidence = scores.confidence(draft.log_probs, drawn, late_ids=draft.late_ids)
    return Proposal(window, draft.log_probs, drawn, confidence)


def reveal(
    state: MaskedState, window: WindowColumns, is_chosen: WindowMask, token_ids: WindowIds
) -> tuple[MaskedState, Cost[Counts]]:
    """Tokens put at the chosen columns of a window, after the one pass that this took."""
    chosen = WindowColumns(window.positions, is_chosen & window.in_window)
    is_revealed = chosen.write(torch.zeros_like(state.token_ids), torch.ones_like(token_ids)) > 0
    revealed_ids = chosen.write(state.token_ids, token_ids)
    one = torch.ones_like(state.num_wanted)
    cost = Cost.of_passes(one, revealed_ids, is_revealed.sum(dim=1))
    return state.advanced(revealed_ids, state.is_masked & ~is_revealed), cost
