"""Wide in, narrow out: every pass drafts freely, and takes back what it no longer believes in.

Blocks are finished from left to right. One pass gives, in the current block,

    p_i(x_i)    at masked positions: those above tau_1 are revealed, the surest first, at most
                max(5, min(20, 0.7 of the masked)); without any, the surest alone
    s_j(x_j)    by a shadow (predictors/shadows.py) at revealed ones: those below tau_2 are masked
                again, the least believed first, fewer than were revealed

Nothing is masked again if only one token was revealed, so each pass leaves one more. That is the
rule of the paper. The released code (`as_released`) lets the pass *before* decide how many may be
masked again, 30 at first, so a pass may leave fewer than it found; and there the whole block has
shadows, which see one another (docs/parity.md).

Source: Hong et al. (2025), arXiv:2507.18578 (WINO), and their code.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import padded_with
from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.shadows import check_casts_shadows
from unmask.process.blocks import places
from unmask.samplers.common import columns, masked_state, scores
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import PAD, Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True)
class WinoState(MaskedState):
    """Sequences of which any positions may be masked, and what of them was given."""

    is_given: Bool[Tensor, "B L"] = field(metadata=padded_with(False))
    num_before: Counts
    """Tokens that the last pass in this block revealed."""


_AT_FIRST = 30
"""`num_before` of a block's first pass."""


@dataclass(frozen=True, kw_only=True)
class Wino(SamplerRule):
    """How freely tokens are drafted, and how firmly they must be believed in afterwards."""

    name = "wino"
    takes_back = True
    why_no_cache = "its passes judge all tokens of the block by shadows"
    draft_threshold: float = 0.6
    """tau_1: the confidence above which a token is revealed."""
    keep_threshold: float = 0.9
    """tau_2: the confidence below which a revealed token is masked again."""
    block_length: int = 128
    """Positions in a block."""
    as_released: bool = False
    """Whether by the rule of the released code, see above."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; confidences are the predictor's own."""

    def __post_init__(self) -> None:
        for name in ("draft_threshold", "keep_threshold"):
            if not getattr(self, name) >= 0:
                raise ConfigError(
                    f"Wino.{name} must be a number of at least 0, got {getattr(self, name)}: a "
                    "probability. 0.6 to draft and 0.9 to keep are the source's."
                )
        if self.block_length < 1:
            raise ConfigError(
                f"Wino.block_length must be at least 1, got {self.block_length}: a block holds a "
                "position or more. 128 is the source's."
            )

    @property
    def needs_shadows(self) -> bool:
        """Always: they judge what stands."""
        return True

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> WinoState:
        """All that is not given is masked."""
        state = masked_state.start(given_ids, mask_id=mask_id)
        num_before = torch.full_like(state.num_wanted, _AT_FIRST)
        return WinoState(**vars(state), is_given=~state.is_masked, num_before=num_before)

    def step(
        self, state: WinoState, predictor: Any, draws: Draws
    ) -> tuple[WinoState, Cost[Counts]]:
        """One pass: tokens revealed, and tokens taken back.

        Raises `ConfigError` if the predictor has no shadows.
        """
        check_casts_shadows(predictor)
        place = places(state.is_masked, state.origin)
        block = place // self.block_length
        none = state.is_masked.shape[1]
        current = torch.where(state.is_masked, block, none).amin(dim=1, keepdim=True)
        is_inside = (block == current) & (place >= 0) & (state.token_ids != PAD)
        open_ = columns.of_positions(is_inside & state.is_masked)
        is_drafted = is_inside & ~state.is_masked & ~state.is_given
        shadows = columns.of_positions(is_inside if self.as_released else is_drafted)
        drafted = WindowColumns(
            shadows.positions, shadows.in_window & is_drafted.gather(1, shadows.positions)
        )
        together = shadows.in_window if self.as_released else None
        said = predictor.shadowed(state.token_ids, open_.positions, shadows.positions, together)

        found_ids = self.filter.draw(said.log_probs, open_.in_window, draws)
        confidence = scores.confidence(said.log_probs, found_ids)
        most = (0.7 * open_.in_window.sum(dim=1)).long().clamp(min=5, max=20)
        rank = scores.rank(confidence, open_.in_window)
        is_sure = (confidence > self.draft_threshold) & (rank < most[:, None])
        is_chosen = (is_sure | (rank == 0)) & open_.in_window
        num_chosen = is_chosen.sum(dim=1)

        standing_ids = state.token_ids.gather(1, drafted.positions)
        standing_ids = standing_ids.masked_fill(~drafted.in_window, 0)
        belief = scores.confidence(said.of_shadows, standing_ids)
        is_doubtful = (belief < self.keep_threshold) & drafted.in_window
        doubt_rank = scores.rank(-belief, drafted.in_window)
        is_taken_back = is_doubtful & (doubt_rank < self._most_back(state, num_chosen)[:, None])

        token_ids = WindowColumns(open_.positions, is_chosen).write(state.token_ids, found_ids)
        masks = torch.full_like(standing_ids, predictor.vocab_size)
        token_ids = WindowColumns(drafted.positions, is_taken_back).write(token_ids, masks)
        length = (state.token_ids != PAD).sum(dim=1)
        num_run = length + shadows.in_window.sum(dim=1)
        cost = Cost(
            Work(torch.ones_like(length), num_run, num_run * length),
            accepted=num_chosen - is_taken_back.sum(dim=1),
            rejected=torch.zeros_like(length),
        )
        advanced = state.advanced(token_ids, token_ids == predictor.vocab_size)
        ends_block = ~(advanced.is_masked & is_inside).any(dim=1)
        num_before = num_chosen.masked_fill(ends_block, _AT_FIRST)
        return WinoState(**vars(advanced), is_given=state.is_given, num_before=num_before), cost

    def _most_back(self, state: WinoState, num_chosen: Counts) -> Counts:
        """How many tokens the pass may take back."""
        if not self.as_released:
            return num_chosen - 1
        return (state.num_before - 1).masked_fill(num_chosen <= 1, 0)
