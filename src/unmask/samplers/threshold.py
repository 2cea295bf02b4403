"""Confidence threshold: reveal every token that the predictor is sure enough of.

    x_i ~ p_i,  c_i = p_i(x_i)            at each position that may be revealed, in one pass
    reveal { i : c_i >= tau }  and  argmax_i c_i

The confidence is that of the token drawn: an unlikely one stays masked and is drawn anew, given
more, in the next pass. So samples are surer than the predictor is, whatever the threshold; at
temperature 0, as released, the token drawn is the most probable one.

With `first_alone` the first pass of a block, which fills a cache, reveals the block's first token
and nothing else, however sure it is: so the released code does for Dream, not for LLaDA.

Source: Wu et al. (2025), arXiv:2505.22618 (Fast-dLLM), section 3.3, without its caches.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import Blocks, LeftToRight
from unmask.samplers.common import masked_state, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import PAD, Counts, TokenIds, WindowMask, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Threshold(SamplerRule):
    """How sure of a token a threshold sampler must be."""

    name = "threshold"
    threshold: float = 0.9
    """Confidence from which a token is revealed: 0 is all at once, above 1 one per pass."""
    blocks: Blocks = field(default_factory=blocks.Whole)
    """Which of the masked positions may be revealed now."""
    first_alone: bool = False
    """Whether a block's first pass reveals its first token alone."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; the confidence is the predictor's own."""

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise ConfigError(
                f"Threshold.threshold must be a number of at least 0, got {self.threshold}: it is "
                "the probability from which a token is revealed. 0.9 is a good start; anything "
                "above 1 reveals one token per pass."
            )
        if self.first_alone and not isinstance(self.blocks, LeftToRight):
            raise ConfigError(
                "Threshold.first_alone is about the first pass of a block: choose blocks from "
                "left to right (--sampler.blocks left-to-right)."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """One pass, and the tokens of it that are sure enough."""
        candidates = self.blocks.candidates(state.is_masked, state.origin)
        found = masked_state.propose(predictor, state.token_ids, candidates, self.filter, draws)
        in_window = found.window.in_window
        is_chosen = sure_enough(found.confidence, in_window, self.threshold)
        if self.first_alone:
            is_first = in_window & (in_window.cumsum(dim=1) == 1)
            is_chosen = torch.where(self._begins_block(state, candidates), is_first, is_chosen)
        return masked_state.reveal(state, found.window, is_chosen, found.token_ids)

    def _begins_block(
        self, state: MaskedState, candidates: Bool[Tensor, "B L"]
    ) -> Bool[Tensor, "B 1"]:
        """Whether nothing of the current block is revealed or was given."""
        assert isinstance(self.blocks, LeftToRight), "checked when it was made"
        block = blocks.places(candidates, state.origin) // self.blocks.block_length
        none = candidates.shape[1]
        current = torch.where(candidates, block, none).amin(dim=1, keepdim=True)
        is_inside = (block == current) & (state.token_ids != PAD)
        return (is_inside == candidates).all(dim=1, keepdim=True)


def sure_enough(confidence: WindowProbs, in_window: WindowMask, threshold: float) -> WindowMask:
    """The columns of at least the threshold, and the surest one of each row."""
    is_surest = scores.rank(confidence, in_window) == 0
    return (is_surest | (confidence >= threshold)) & in_window
