"""Draft and verify for large models: some cheap passes draft tokens, one full pass checks them.

    x: the sequence with its masks;  a round:
    K passes of the drafter, any sampler with any cache, reveal tokens D
    one full pass of the verifier gives q_i for i in D, and a rule rejects some of them
    (speculation/acceptance_rules.py); the rule trust rejects none, but puts argmax q_i in their
    place
    what is rejected is masked again; the first of them becomes argmax q_i instead, as in
    speculative sampling, if q_i gives that at least rho; the c surest masked tokens of the same
    pass are revealed

What q_i is a prediction from is the *view*:

    in-place    x as it stands, x_i included: as published; the model may simply copy x_i
    pre-draft   x before the round: x_i is hidden, and so is all else that was drafted
    shadow      x with a masked copy of i beside it, at the same position, that sees all but x_i,
                and that nothing sees (from the second block on, others have seen x_i)

A drafter that is another model would draft the same token once more: rho is for these. With
acceptance "prefix" everything drafted at or after the first rejection is rejected too. A
position is masked again at most so many times, so every sequence ends: each round leaves one
more revealed, or uses up one of these. Drafter and verifier may be the same weights; then the
verifier's pass refreshes the drafter's memory.

This is a heuristic: what survives follows neither model. Source: Goyal et al. (2026),
arXiv:2604.05250 (DualDiffusion), where the verifier was shown other rows than were drafted;
shadows: Hong et al. (2025), arXiv:2507.18578 (WINO). The verifier's token for the first rejected:
Leviathan et al. (2023), arXiv:2211.17192, there drawn from the residual, here the most probable.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.batches import Rows, padded_with
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.pair import DrafterVerifierPair
from unmask.samplers.common import columns, scores
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.draft_round import DraftRound, View
from unmask.samplers.sampler import Sampler, SamplerRule
from unmask.samplers.threshold import Threshold
from unmask.shapes import Counts, TokenIds
from unmask.speculation.acceptance_rules import Rule, is_rejected

Acceptance = Literal["position", "prefix"]


@dataclass(frozen=True)
class DraftVerifyState(Rows):
    """The drafter's state, and what has become of each position."""

    drafter: Any
    num_remasked: Int[Tensor, "B L"] = field(metadata=padded_with(0))
    """How often each position was masked again."""
    origin: Counts
    """The first position that is wanted."""

    @property
    def token_ids(self) -> TokenIds:
        """The sequences."""
        token_ids: TokenIds = self.drafter.token_ids
        return token_ids

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences are finished."""
        is_done: Bool[Tensor, " B"] = self.drafter.is_done
        return is_done

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "DraftVerifyState":
        """The state with other tokens."""
        return replace(self, drafter=self.drafter.rewritten(token_ids, mask_id=mask_id))


@dataclass(frozen=True, kw_only=True)
class DraftVerify(SamplerRule):
    """How drafts are made, and how they are checked."""

    name = "draft-verify"
    drafter: Sampler = field(default_factory=Threshold)
    """Makes the drafts; one with a cache is a `Cached`."""
    num_draft_passes: int = 4
    """K: passes of the drafter from one verification to the next."""
    rule: Rule = "confidence"
    """What is rejected."""
    threshold: float = 0.5
    """tau: what the verifier must give a draft, for the rules confidence and disagreement."""
    kl_bound: float = 0.5
    """kappa, in nats, for the rules kl and reverse-kl."""
    view: View = "shadow"
    """What the verifier sees of a draft."""
    acceptance: Acceptance = "position"
    """Whether a rejection takes everything behind it along."""
    max_remasked: int = 2
    """How often a position may be masked again."""
    replaced_from: float = math.inf
    """rho: what the verifier must give a token of its own to put it in the place of the first that
    it rejects. At 0 it always does, at `inf` never."""
    num_committed: int = 1
    """c: masked tokens that each verification reveals, the surest ones."""

    def __post_init__(self) -> None:
        for name, choices in (("rule", Rule), ("view", View), ("acceptance", Acceptance)):
            if getattr(self, name) not in get_args(choices):
                raise ConfigError(
                    f"DraftVerify.{name} must be one of {get_args(choices)}, "
                    f"got {getattr(self, name)!r}."
                )
        if self.num_draft_passes < 1:
            raise ConfigError(
                "DraftVerify.num_draft_passes must be at least 1, got "
                f"{self.num_draft_passes}: without a draft there is nothing to verify."
            )
        for name in ("threshold", "kl_bound", "replaced_from"):
            if not getattr(self, name) >= 0:
                raise ConfigError(
                    f"DraftVerify.{name} must be a number of at least 0, got "
                    f"{getattr(self, name)}."
                )
        for name in ("max_remasked", "num_committed"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"DraftVerify.{name} must be at least 0, got {getattr(self, name)}: it is a "
                    "number of times or of tokens."
                )

    @property
    def needs_shadows(self) -> bool:
        """Where it judges by them."""
        return self.view == "shadow"

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> DraftVerifyState:
        """The drafter's beginning."""
        drafter = self.drafter.init(given_ids, mask_id=mask_id, draws=draws)
        return DraftVerifyState(drafter, torch.zeros_like(given_ids), drafter.origin)

    def step(
        self, state: DraftVerifyState, predictor: Any, draws: Draws
    ) -> tuple[DraftVerifyState, Cost[Counts]]:
        """One round: drafts, and their verification."""
        team = (
            predictor
            if isinstance(predictor, DrafterVerifierPair)
            else DrafterVerifierPair(predictor, predictor)
        )
        before_ids = state.token_ids
        round_ = DraftRound(state.drafter, team, draws)
        for _ in range(self.num_draft_passes):
            round_.draft(self.drafter, is_watched=self.rule in ("kl", "reverse-kl"))
        verification = self._verify(round_, before_ids, state)
        return verification, round_.cost(before_ids, verification.token_ids)

    def _verify(
        self, round_: DraftRound, before_ids: TokenIds, state: DraftVerifyState
    ) -> DraftVerifyState:
        """One pass of the verifier, and what follows from it."""
        token_ids, mask_id = round_.token_ids, round_.team.vocab_size
        is_masked = token_ids == mask_id
        is_drafted = (before_ids == mask_id) & ~is_masked
        drafted = columns.of_positions(is_drafted)
        left = columns.of_positions(is_masked)
        target, at_left = round_.full_pass(self.view, before_ids, drafted, left)

        drafted_ids = token_ids.gather(1, drafted.positions).masked_fill(~drafted.in_window, 0)
        best = target.argmax(dim=-1)
        can_go = state.num_remasked.gather(1, drafted.positions) < self.max_remasked
        is_wrong = drafted.in_window & is_rejected(
            self.rule,
            drafted_ids,
            draft_log_probs=round_.drafted_from(drafted, target),
            target_log_probs=target,
            threshold=self.threshold,
            kl_bound=self.kl_bound,
        )
        if self.acceptance == "prefix":
            is_wrong = (is_wrong.long().cumsum(dim=1) > 0) & drafted.in_window
        is_wrong = is_wrong & can_go
        if self.rule == "trust":
            token_ids = drafted.write(token_ids, best)
        is_first = is_wrong & (is_wrong.long().cumsum(dim=1) == 1)
        replaced = is_first & (scores.confidence(target, best) >= self.replaced_from)
        token_ids = WindowColumns(drafted.positions, replaced).write(token_ids, best)
        rejected = WindowColumns(drafted.positions, is_wrong & ~replaced)
        token_ids = rejected.write(token_ids, torch.full_like(drafted_ids, mask_id))

        found_ids = at_left.argmax(dim=-1)
        surest = scores.top(
            scores.confidence(at_left, found_ids),
            left.in_window,
            torch.full_like(state.origin, self.num_committed),
        )
        token_ids = WindowColumns(left.positions, surest).write(token_ids, found_ids)
        was_remasked = rejected.write(torch.zeros_like(token_ids), torch.ones_like(drafted_ids))
        return replace(
            state,
            drafter=round_.rewritten(token_ids),
            num_remasked=state.num_remasked + was_remasked,
        )
