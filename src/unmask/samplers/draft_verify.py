"""Draft and verify for large models: some cheap passes draft tokens, one full pass checks them.

    x: the sequence with its masks;  a round:
    K passes of the drafter, any sampler with any cache, reveal tokens D
    one full pass of the verifier gives p_i for i in D, and a rule (speculation/verification.py)
    rejects some of them; the rule trust rejects none, but puts argmax p_i in their place
    what is rejected is masked again; the c surest masked tokens of the same pass are revealed

What p_i is a prediction from is the *view*:

    in-place    x as it stands, x_i included: as published; the model may simply copy x_i
    pre-draft   x before the round: x_i is hidden, and so is all else that was drafted
    shadow      x with a masked copy of i beside it, at the same position, that sees all but x_i,
                and that nothing sees (from the second block on, others have seen x_i)

With acceptance "prefix" everything drafted at or after the first rejection is rejected too. A
position is masked again at most so many times, so every sequence ends: each round leaves one
more revealed, or uses up one of these. Drafter and verifier may be the same weights; then the
verifier's pass refreshes the drafter's memory.

This is a heuristic: what survives follows neither model. Source: Goyal et al. (2026),
arXiv:2604.05250 (DualDiffusion), where the verifier was shown other rows than were drafted;
shadows: Hong et al. (2025), arXiv:2507.18578 (WINO).
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.memory import Recalled
from unmask.predictors.protocol import Draft
from unmask.predictors.shadows import Team
from unmask.rows import Rows, join, padded_with
from unmask.samplers import columns, scores
from unmask.samplers.cached import CachedState
from unmask.samplers.columns import WindowColumns
from unmask.samplers.sampler import Sampler, StepInfo
from unmask.samplers.threshold import Threshold
from unmask.shapes import PAD, Counts, TokenIds, WindowIds, WindowLogProbs
from unmask.speculation.verification import Rule, is_rejected

View = Literal["in-place", "pre-draft", "shadow"]
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
class DraftVerify:
    """How drafts are made, and how they are checked."""

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
        for name in ("threshold", "kl_bound"):
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

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> DraftVerifyState:
        """The drafter's beginning."""
        drafter = self.drafter.init(given_ids, mask_id=mask_id, draws=draws)
        return DraftVerifyState(drafter, torch.zeros_like(given_ids), drafter.origin)

    def step(
        self, state: DraftVerifyState, predictor: Any, draws: Draws
    ) -> tuple[DraftVerifyState, StepInfo]:
        """One round: drafts, and their verification."""
        team = predictor if isinstance(predictor, Team) else Team(predictor, predictor)
        before_ids = state.token_ids
        round_ = _Round(state.drafter, team, draws)
        for _ in range(self.num_draft_passes):
            round_.draft(self.drafter, is_watched=self.rule in ("kl", "reverse-kl"))
        verification = self._verify(round_, before_ids, state)
        return verification, round_.info(before_ids, verification.token_ids)

    def _verify(
        self, round_: "_Round", before_ids: TokenIds, state: DraftVerifyState
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
        rejected = WindowColumns(drafted.positions, is_wrong)
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
            drafter=round_.state.rewritten(token_ids, mask_id=mask_id),
            num_remasked=state.num_remasked + was_remasked,
        )


class _Round:
    """A round under way."""

    def __init__(self, drafter: Any, team: Team, draws: Draws) -> None:
        self.state, self.team, self._draws = drafter, team, draws
        zero = torch.zeros_like(drafter.origin)
        self._passes, self._tokens, self._keys = zero, zero, zero
        self._drawn_from: Tensor | None = None

    @property
    def token_ids(self) -> TokenIds:
        token_ids: TokenIds = self.state.token_ids
        return token_ids

    def draft(self, sampler: Sampler, *, is_watched: bool) -> None:
        """One pass of the drafter over the sequences that have masks left."""
        rows = (~self.state.is_done).nonzero().squeeze(1)
        if not len(rows):
            return
        before = self.token_ids[rows]
        drafter = _Watched(self.team.drafter) if is_watched else self.team.drafter
        moved, info = sampler.step(self.state.select(rows), drafter, self._draws.rows(rows))
        self._count(rows, info.trunk_passes, *info.work((before != PAD).sum(dim=1)))
        others = torch.ones_like(self._passes).index_fill(0, rows, 0).nonzero().squeeze(1)
        back = torch.cat([rows, others]).argsort()
        self.state = join([moved, self.state.select(others)]).select(back)
        if isinstance(drafter, _Watched):
            self._note(rows, before, drafter)

    def _count(self, rows: Tensor, passes: Counts, tokens: Counts, keys: Counts) -> None:
        self._passes = self._passes.index_add(0, rows, passes)
        self._tokens = self._tokens.index_add(0, rows, tokens)
        self._keys = self._keys.index_add(0, rows, keys)

    def _note(self, rows: Tensor, before: TokenIds, drafter: "_Watched") -> None:
        """Keep what the newly revealed tokens were drawn from."""
        if self._drawn_from is None:
            shape = (*self.token_ids.shape, self.team.vocab_size)
            self._drawn_from = drafter.log_probs.new_zeros(shape)
        is_new = (before != self.token_ids[rows]).gather(1, drafter.positions)
        places = drafter.positions.masked_fill(~is_new, before.shape[1])
        wider = torch.cat([self._drawn_from, self._drawn_from[:, :1]], dim=1)
        wider[rows[:, None], places] = drafter.log_probs
        self._drawn_from = wider[:, :-1]

    def drafted_from(self, drafted: WindowColumns, target: WindowLogProbs) -> WindowLogProbs:
        """What each draft was drawn from, if that was kept; else anything."""
        if self._drawn_from is None:
            return target
        return self._drawn_from.take_along_dim(drafted.positions[..., None], dim=1)

    def full_pass(
        self, view: View, before_ids: TokenIds, drafted: WindowColumns, masked: WindowColumns
    ) -> tuple[Tensor, Tensor]:
        """What the verifier says of the drafts, and of what is masked."""
        token_ids, verifier = self.token_ids, self.team.verifier
        every = torch.arange(len(token_ids), device=token_ids.device)
        length = (token_ids != PAD).sum(dim=1)
        one, num_shadows = torch.ones_like(length), torch.zeros_like(length)
        num_drafted = drafted.positions.shape[1]
        positions = torch.cat([drafted.positions, masked.positions], dim=1)
        if view == "shadow":
            num_shadows = drafted.in_window.sum(dim=1)
            said = verifier.shadowed(token_ids, masked.positions, drafted.positions)
            found = said.of_shadows, said.log_probs
        else:
            seen_ids = before_ids if view == "pre-draft" else token_ids
            if view == "in-place" and self._refreshes:
                recalled = verifier.recall(
                    token_ids, positions, is_query=token_ids != PAD, memory=self.state.memory
                )
                self.state = replace(self.state, memory=recalled.memory, age=one)
                log_probs = recalled.draft.log_probs
            else:
                log_probs = verifier.draft(seen_ids, positions).log_probs
            found = log_probs[:, :num_drafted], log_probs[:, num_drafted:]
        self._count(every, one, length + num_shadows, (length + num_shadows) * length)
        return found

    @property
    def _refreshes(self) -> bool:
        """Whether the verifier's pass can renew what the drafter remembers."""
        is_same = self.team.drafter is self.team.verifier
        return is_same and isinstance(self.state, CachedState)

    def info(self, before_ids: TokenIds, after_ids: TokenIds) -> StepInfo:
        """What the round did."""
        mask_id = self.team.vocab_size
        num_masked = [(ids == mask_id).sum(dim=1) for ids in (before_ids, after_ids)]
        return StepInfo(
            trunk_passes=self._passes,
            tail_passes=torch.zeros_like(self._passes),
            accepted=num_masked[0] - num_masked[1],
            rejected=torch.zeros_like(self._passes),
            query_tokens=self._tokens,
            query_keys=self._keys,
        )


class _Watched:
    """A predictor whose last answer is kept."""

    positions: Tensor
    log_probs: Tensor

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        made: Draft = self._predictor.draft(token_ids, positions)
        self.positions, self.log_probs = positions, made.log_probs
        return made

    def recall(self, token_ids: TokenIds, positions: WindowIds, **options: Any) -> Recalled:
        made: Recalled = self._predictor.recall(token_ids, positions, **options)
        self.positions, self.log_probs = positions, made.draft.log_probs
        return made
