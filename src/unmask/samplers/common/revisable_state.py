"""The state of samplers that may take back what they revealed, and what their steps share.

A step guesses tokens at some of the masked positions (`guess`), chooses what is masked after it
by a rule of its own, and settles on that (`settle`). Nothing may be masked before the last
step, so such a sampler is done when it has taken all its steps.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.batches import Rows, padded_with
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import columns, scores
from unmask.shapes import PAD, Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True)
class RevisableState(Rows):
    """Sequences on their way through a fixed number of steps."""

    token_ids: TokenIds = field(metadata=padded_with(PAD))
    is_masked: Bool[Tensor, "B L"] = field(metadata=padded_with(False))
    is_given: Bool[Tensor, "B L"] = field(metadata=padded_with(True))
    confidence: Float[Tensor, "B L"] = field(metadata=padded_with(torch.inf))
    """P(token) as predicted when it was revealed; inf where it is masked or given.

    Once a token can be seen, a predictor only copies it: how sure it was cannot be asked later.
    """
    num_steps_taken: Counts
    num_steps: int

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences have taken all steps, or had nothing to generate."""
        return (self.num_steps_taken >= self.num_steps) | self.is_given.all(dim=1)


def start(given_ids: TokenIds, *, mask_id: int, num_steps: int) -> RevisableState:
    """All that is not given is masked."""
    is_masked = given_ids == mask_id
    confidence = torch.full_like(given_ids, torch.inf, dtype=torch.float64)
    num_steps_taken = torch.zeros_like(is_masked.sum(dim=1))
    return RevisableState(given_ids, is_masked, ~is_masked, confidence, num_steps_taken, num_steps)


@dataclass(frozen=True)
class Guess:
    """The sequences with tokens at the wanted positions, and what that cost."""

    token_ids: TokenIds
    confidence: Float[Tensor, "B L"]
    trunk_passes: Counts


def guess(
    state: RevisableState,
    is_wanted: Bool[Tensor, "B L"],
    predictor: Predictor,
    draws: Draws,
    filter: Filter,
) -> Guess:
    """Draw tokens at the wanted positions; a sequence that wants none costs no pass."""
    token_ids, confidence = state.token_ids.clone(), state.confidence.clone()
    needs_pass = is_wanted.any(dim=1)
    rows = needs_pass.nonzero().squeeze(1)
    if len(rows):
        window = columns.of_positions(is_wanted[rows])
        log_probs = predictor.draft(token_ids[rows], window.positions).log_probs
        drawn_ids = filter.draw(log_probs, window.in_window, draws.rows(rows))
        token_ids[rows] = window.write(token_ids[rows], drawn_ids)
        drawn = confidence[rows].scatter(
            1, window.positions, scores.confidence(log_probs, drawn_ids)
        )
        confidence[rows] = drawn.where(is_wanted[rows], confidence[rows])
    return Guess(token_ids, confidence, needs_pass.long())


def settle(
    state: RevisableState, guess: Guess, is_masked: Bool[Tensor, "B L"], *, mask_id: int
) -> tuple[RevisableState, Cost[Counts]]:
    """What is guessed or was revealed stays, but for what is masked now.

    A step that takes back more than it reveals accepts a negative number of tokens; the sum
    over all steps is the number of tokens generated.
    """
    settled = RevisableState(
        guess.token_ids.masked_fill(is_masked, mask_id),
        is_masked,
        state.is_given,
        guess.confidence.masked_fill(is_masked, torch.inf),
        state.num_steps_taken + 1,
        state.num_steps,
    )
    accepted = state.is_masked.sum(dim=1) - is_masked.sum(dim=1)
    return settled, Cost.of_passes(guess.trunk_passes, settled.token_ids, accepted)
