"""Several steps of greedy decoding in one batched pass, without a change in what it writes.

The surest masked tokens o_1, o_2, .. of a prediction are a guess of what the next steps will
reveal, one each. The sequences with the first 1, 2, .., d of them revealed are run together, and
each run says whether the next is what greedy decoding would have made of it:

    draft_j     the sequence with o_1 .. o_j revealed, within what may be revealed now
    step(x)     x with the surest of what may be revealed revealed: greedy decoding
    best        the largest j with  step(draft_i) = draft_(i+1)  for all i < j

draft_1 is always right. The prediction of draft_best is there already, so the next step begins
without a pass. What comes out is what one token per pass writes, if sums are rounded alike; the
passes that wait for one another are never more than its. What is saved is this waiting, not
work: each draft that is run is a pass over the sequence, and those behind the best are wasted.
It pays where d sequences take hardly longer than one: a large model and a small batch on a GPU.

With a threshold, step(x) reveals every token of at least that confidence, the n surest of the
prediction are revealed at once (draft_j has n + j - 1 of them), and the next draft is right if
it is part of what the step reveals. Each token is then one that Threshold would have revealed,
but perhaps later than it would have.

Sources: Wu and Zhang (2025), arXiv:2510.00294 (FreeDave), at one token per step and with exact
matching; with a threshold and matching of subsets, FreeDave++. The same chain, as a tree with
one branch, is SSD: Gao et al. (2025), arXiv:2510.04147.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import Blocks
from unmask.samplers.common import lookahead_state, masked_state, scores
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.common.lookahead_state import LookaheadState
from unmask.samplers.common.masked_state import MaskedState, Prediction
from unmask.samplers.sampler import SamplerRule
from unmask.samplers.threshold import sure_enough
from unmask.shapes import Counts, TokenIds, WindowIds, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class SelfDraft(SamplerRule):
    """How far greedy decoding drafts ahead of itself."""

    name = "self-draft"
    why_no_cache = "its passes are over several copies of a sequence"
    num_drafts: int = 4
    """d: drafts run together. 1: one token per pass."""
    threshold: float = 2.0
    """Confidence from which a token is revealed; above 1: one per step, exactly greedy."""
    blocks: Blocks = field(default_factory=blocks.Whole)
    """Which of the masked positions may be revealed now; drafts stay among them."""
    filter: Filter = field(default_factory=lambda: Filter(temperature=0.0))
    """Of temperature 0: a token that is drawn cannot be guessed beforehand."""

    def __post_init__(self) -> None:
        if self.num_drafts < 1:
            raise ConfigError(
                f"SelfDraft.num_drafts must be at least 1, got {self.num_drafts}: the first draft "
                "is the next token. 4 is a good start."
            )
        if not self.threshold >= 0:
            raise ConfigError(
                f"SelfDraft.threshold must be a number of at least 0, got {self.threshold}: it is "
                "the probability from which a token is revealed. Anything above 1 is greedy "
                "decoding, exactly; 0.95 is faster."
            )
        if isinstance(self.filter, Filter) and self.filter.temperature != 0:
            raise ConfigError(
                f"SelfDraft is for temperature 0, got {self.filter.temperature}: it guesses what "
                "the next steps will reveal, and a token that is drawn cannot be guessed. Set the "
                "temperature to 0, or choose another sampler."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> LookaheadState:
        """All that is not given is masked; nothing is foreseen."""
        return lookahead_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: LookaheadState, predictor: Predictor, draws: Draws
    ) -> tuple[LookaheadState, Cost[Counts]]:
        """The best draft of a few, and the prediction that it leads to."""
        candidates = self.blocks.candidates(state.is_masked, state.origin)
        prediction = state.completed(predictor, candidates)
        drafts, revealed = self._drafts(state, prediction)
        num_revealed = self._by_sequence(revealed.accepted)
        # One that reveals no more than the one before it is no draft: nothing was left.
        is_draft = num_revealed.diff(dim=1, prepend=0 * num_revealed[:, :1]).flatten() > 0
        is_run = is_draft & ~drafts.is_done
        chosen = self.num_drafts * torch.arange(len(num_revealed), device=predictor.device)
        rows = is_run.nonzero().squeeze(1)
        if len(rows):
            may_follow = self.blocks.candidates(drafts.is_masked, drafts.origin)
            ahead = masked_state.predict(predictor, drafts.token_ids[rows], may_follow[rows])
            is_right = is_draft & self._is_part_of_step(drafts, ahead, rows)
            chosen += self._by_sequence(is_right)[:, 1:].long().cumprod(dim=1).sum(dim=1)
            # Any of them for those that are done.
            prediction = ahead.select((is_run.cumsum(dim=0) - 1).clamp(min=0)[chosen])

        passes = state.needs_pass.long() + self._by_sequence(is_run).sum(dim=1)
        cost = Cost.of_passes(passes, state.token_ids, revealed.accepted[chosen])
        return lookahead_state.reached(drafts.select(chosen), prediction), cost

    def _drafts(
        self, state: LookaheadState, prediction: Prediction
    ) -> tuple[MaskedState, Cost[Counts]]:
        """draft_1 .. draft_d of one sequence after another."""
        best_ids, confidence = _best(prediction)
        in_window = prediction.window.in_window
        num_sure = sure_enough(confidence, in_window, self.threshold).sum(dim=1)
        sequence = torch.arange(len(num_sure), device=num_sure.device)
        sequence = sequence.repeat_interleave(self.num_drafts)
        num_more = torch.arange(self.num_drafts, device=num_sure.device).repeat(len(num_sure))
        rank = scores.rank(confidence, in_window)[sequence]
        is_taken = rank < (num_sure[sequence] + num_more)[:, None]
        every_column = prediction.window.select(sequence)
        return masked_state.reveal(
            state.bare.select(sequence), every_column, is_taken, best_ids[sequence]
        )

    def _is_part_of_step(
        self, drafts: MaskedState, ahead: Prediction, rows: Int[Tensor, " N"]
    ) -> Bool[Tensor, " D"]:
        """Whether each draft is part of what the step from the one before it reveals.

        `ahead` is the prediction of the drafts in `rows`; behind others there is no draft.
        """
        best_ids, confidence = _best(ahead)
        is_sure = sure_enough(confidence, ahead.window.in_window, self.threshold)
        revealed = WindowColumns(ahead.window.positions, is_sure)
        stepped_ids = drafts.token_ids.clone()
        stepped_ids[rows] = revealed.write(drafts.token_ids[rows], best_ids)
        return (drafts.is_masked | (drafts.token_ids == stepped_ids.roll(1, dims=0))).all(dim=1)

    def _by_sequence(self, values: Tensor) -> Tensor:
        return values.reshape(-1, self.num_drafts)


def _best(prediction: Prediction) -> tuple[WindowIds, WindowProbs]:
    """The most probable token of each column, and its probability."""
    best_ids = prediction.log_probs.argmax(dim=-1)
    return best_ids, scores.confidence(prediction.log_probs, best_ids)
