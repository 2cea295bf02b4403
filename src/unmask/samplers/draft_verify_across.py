"""Draft and verify with two tokenizers: what is drafted is put to the verifier as text.

    K passes of the drafter reveal tokens D of its canvas
    the canvas is transcribed into the verifier's tokens (speculation/retokenise.py), each answer
    behind the verifier's own prompt; E: the tokens there that stand for any of D
    one full pass of the verifier gives p_j for j in E, and a rule rejects some of them
    the tokens of D that a rejected one stands for are masked again

The canvas is the drafter's alone and is transcribed anew in every round, so text that was
accepted stays as it is, and nothing can drift apart. Views are those of `draft_verify.py`; before
the round all of E is masked. What cannot be transcribed is not judged, and stays. The verifier
reveals nothing by itself, since its tokens need not be whole tokens of the drafter.

Sequences are verified one at a time: a transcript's length is its own. Source of the idea: Goyal
et al. (2026), arXiv:2604.05250, whose code marked the verifier's places in the drafter's canvas.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.batches import join
from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.pair import TwoVocabularyPair
from unmask.predictors.shadows import check_casts_shadows
from unmask.samplers.draft_round import DraftRound, View
from unmask.samplers.draft_verify import Acceptance, DraftVerifyState
from unmask.samplers.sampler import Sampler
from unmask.samplers.threshold import Threshold
from unmask.shapes import PAD, Counts, TokenIds, WindowLogProbs
from unmask.speculation.acceptance_rules import is_rejected
from unmask.speculation.retokenise import Spelling, Transcript, transcribe

TextRule = Literal["exact", "confidence", "disagreement"]
"""The rules that need no distribution over the drafter's tokens, and put no token in place."""


@dataclass(frozen=True, kw_only=True)
class DraftVerifyAcross:
    """How drafts are made, and how they are checked by a model of other tokens."""

    drafter_spelling: Spelling
    verifier_spelling: Spelling
    verifier_prompt: tuple[int, ...]
    """What stands before the answer, in the verifier's tokens."""
    drafter: Sampler = field(default_factory=Threshold)
    """Makes the drafts; one with a cache is a `Cached`."""
    num_draft_passes: int = 4
    """K: passes of the drafter from one verification to the next."""
    rule: TextRule = "confidence"
    """What is rejected."""
    threshold: float = 0.5
    """tau: what the verifier must give a draft, for the rules confidence and disagreement."""
    view: View = "shadow"
    """What the verifier sees of a draft."""
    acceptance: Acceptance = "position"
    """Whether a rejection takes everything behind it along."""
    max_remasked: int = 2
    """How often a position may be masked again."""

    def __post_init__(self) -> None:
        choices = (("rule", TextRule), ("view", View), ("acceptance", Acceptance))
        for name, allowed in choices:
            if getattr(self, name) not in get_args(allowed):
                raise ConfigError(
                    f"DraftVerifyAcross.{name} must be one of {get_args(allowed)}, "
                    f"got {getattr(self, name)!r}."
                )
        for name, least in (("num_draft_passes", 1), ("threshold", 0), ("max_remasked", 0)):
            if not getattr(self, name) >= least:
                raise ConfigError(
                    f"DraftVerifyAcross.{name} must be at least {least}, got "
                    f"{getattr(self, name)}."
                )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> DraftVerifyState:
        """The drafter's beginning."""
        drafter = self.drafter.init(given_ids, mask_id=mask_id, draws=draws)
        return DraftVerifyState(drafter, torch.zeros_like(given_ids), drafter.origin)

    def step(
        self, state: DraftVerifyState, predictor: Any, draws: Draws
    ) -> tuple[DraftVerifyState, Cost[Counts]]:
        """One round: drafts, and their verification."""
        is_team = isinstance(predictor, TwoVocabularyPair)
        team = predictor if is_team else TwoVocabularyPair(predictor, predictor)
        self._check_masks(team)
        before_ids, mask_id = state.token_ids, team.vocab_size
        round_ = DraftRound(state.drafter, team, draws)
        for _ in range(self.num_draft_passes):
            round_.draft(self.drafter, is_watched=False)
        is_drafted = (before_ids == mask_id) & (round_.token_ids != mask_id)
        verdicts = [
            self._verdict(token_ids, drafted, int(origin), team.verifier)
            for token_ids, drafted, origin in zip(
                round_.token_ids, is_drafted, state.origin, strict=True
            )
        ]
        round_.count(join([work for _, work in verdicts]))
        is_wrong = torch.stack([wrong for wrong, _ in verdicts])
        is_wrong = is_wrong & (state.num_remasked < self.max_remasked)
        token_ids = round_.token_ids.masked_fill(is_wrong, mask_id)
        after = replace(
            state,
            drafter=round_.state.rewritten(token_ids, mask_id=mask_id),
            num_remasked=state.num_remasked + is_wrong,
        )
        return after, round_.cost(before_ids, token_ids)

    def _check_masks(self, team: TwoVocabularyPair) -> None:
        for name in ("drafter", "verifier"):
            spelt, known = (
                getattr(self, f"{name}_spelling").mask_id,
                getattr(team, name).vocab_size,
            )
            if spelt != known:
                raise ConfigError(
                    f"DraftVerifyAcross.{name}_spelling has the mask {spelt}, the {name} {known}: "
                    "it is the spelling of another model."
                )

    def _verdict(
        self,
        token_ids: Int[Tensor, " L"],
        is_drafted: Bool[Tensor, " L"],
        origin: int,
        verifier: Any,
    ) -> tuple[Bool[Tensor, " L"], Work[Counts]]:
        """Which drafts of a sequence are rejected, and what the verifier did."""
        is_wrong = torch.zeros_like(is_drafted)
        answer_ids = token_ids[origin:]
        transcript = transcribe(
            answer_ids[answer_ids != PAD].tolist(), self.drafter_spelling, self.verifier_spelling
        )
        drafted = {place - origin for place in is_drafted.nonzero().flatten().tolist()}
        judged = [
            place
            for place, (token, sources) in enumerate(
                zip(transcript.token_ids, transcript.sources, strict=True)
            )
            if token != self.verifier_spelling.mask_id and not drafted.isdisjoint(sources)
        ]
        if not judged:
            return is_wrong, Work(*token_ids.new_zeros(3, 1))
        target, work = self._asked(transcript, judged, verifier)
        judged_ids = torch.tensor([[transcript.token_ids[place] for place in judged]])
        is_refused = is_rejected(
            self.rule,
            judged_ids.to(target.device),
            draft_log_probs=target,
            target_log_probs=target,
            threshold=self.threshold,
            kl_bound=0.0,
        )[0].tolist()
        wrong = transcript.rejected(
            place for place, refused in zip(judged, is_refused, strict=True) if refused
        )
        places = sorted(origin + token for token in wrong & drafted)
        is_wrong[places] = True
        if self.acceptance == "prefix" and places:
            is_wrong = is_drafted & (
                torch.arange(len(is_drafted), device=is_drafted.device) >= places[0]
            )
        return is_wrong, work

    def _asked(
        self, transcript: Transcript, judged: Sequence[int], verifier: Any
    ) -> tuple[WindowLogProbs, Work[Counts]]:
        """What the verifier says of tokens of a transcript, and what that took."""
        first = len(self.verifier_prompt)
        row = torch.tensor(
            [[*self.verifier_prompt, *transcript.token_ids]], device=verifier.device
        )
        positions = torch.tensor([[first + place for place in judged]], device=verifier.device)
        length = num_run = row.shape[1]
        if self.view == "shadow":
            check_casts_shadows(verifier)
            num_run += len(judged)
            target = verifier.shadowed(row, positions[:, :1], positions).of_shadows
        else:
            if self.view == "pre-draft":
                row = row.scatter(1, positions, self.verifier_spelling.mask_id)
            target = verifier.draft(row, positions).log_probs
        return target, Work(*row.new_tensor([[1], [num_run], [num_run * length]]))
