"""One round of draft and verify: passes of the drafter, then one full pass of the verifier.

The round keeps account of what it cost, and, where a rule asks for it, of what each token was
drawn from. What two models cost is told apart: their passes are not alike. What is rejected is
decided by `draft_verify.py`.
"""

from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from unmask.batches import join
from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.predictors.kv_cache import CachedForward, KVCache
from unmask.predictors.pair import DrafterVerifierPair, TwoVocabularyPair
from unmask.predictors.protocol import Draft
from unmask.predictors.shadows import check_casts_shadows
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.sampler import Sampler
from unmask.samplers.wrappers.cached import CachedState
from unmask.shapes import PAD, Counts, TokenIds, WindowIds, WindowLogProbs

View = Literal["in-place", "pre-draft", "shadow"]


class Watched:
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

    def forward_cached(
        self, token_ids: TokenIds, positions: WindowIds, **options: Any
    ) -> CachedForward:
        made: CachedForward = self._predictor.forward_cached(token_ids, positions, **options)
        self.positions, self.log_probs = positions, made.draft.log_probs
        return made


class DraftRound:
    """A round under way: the drafter's state, and what its passes and the verifier's have cost."""

    def __init__(
        self, drafter: Any, team: DrafterVerifierPair | TwoVocabularyPair, draws: Draws
    ) -> None:
        self.state, self.team, self._draws = drafter, team, draws
        nothing = Cost.nothing_yet(drafter.origin)
        self._drafter_work, self._verifier_work = nothing.drafter, nothing.trunk
        self._drawn_from: Tensor | None = None
        self._is_renewed = False

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
        drafter = Watched(self.team.drafter) if is_watched else self.team.drafter
        moved, cost = sampler.step(self.state.select(rows), drafter, self._draws.rows(rows))
        self._drafter_work += cost.trunk.among(rows, len(self.state.origin))
        others = torch.ones_like(self.state.origin).index_fill(0, rows, 0).nonzero().squeeze(1)
        back = torch.cat([rows, others]).argsort()
        self.state = join([moved, self.state.select(others)]).select(back)
        if isinstance(drafter, Watched):
            self._note(rows, before, drafter)

    def _note(self, rows: Tensor, before: TokenIds, drafter: Watched) -> None:
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
        length = (token_ids != PAD).sum(dim=1)
        one, num_shadows = torch.ones_like(length), torch.zeros_like(length)
        num_drafted = drafted.positions.shape[1]
        positions = torch.cat([drafted.positions, masked.positions], dim=1)
        if view == "shadow":
            check_casts_shadows(verifier)
            num_shadows = drafted.in_window.sum(dim=1)
            said = verifier.shadowed(token_ids, masked.positions, drafted.positions)
            found = said.of_shadows, said.log_probs
            if self._refreshes and said.remembered is not None:
                self._renew(said.remembered())
        else:
            seen_ids = before_ids if view == "pre-draft" else token_ids
            if view == "in-place" and self._refreshes:
                recalled = verifier.forward_cached(
                    token_ids, positions, is_query=token_ids != PAD, memory=self.state.memory
                )
                self._renew(recalled.memory)
                log_probs = recalled.draft.log_probs
            else:
                log_probs = verifier.draft(seen_ids, positions).log_probs
            found = log_probs[:, :num_drafted], log_probs[:, num_drafted:]
        num_run = length + num_shadows
        self.count(Work(one, num_run, num_run * length))
        return found

    def _renew(self, memory: KVCache) -> None:
        """What the drafter remembers is what the verifier has just seen."""
        self.state = replace(self.state, memory=memory, age=torch.ones_like(self.state.age))
        self._is_renewed = True

    def rewritten(self, token_ids: TokenIds) -> Any:
        """The drafter's state with other tokens.

        What it remembers of those that are masked again is forgotten: nothing attends to it. If
        all has just been run, the next pass need not do so to begin a block.
        """
        mask_id = self.team.vocab_size
        state = self.state.rewritten(token_ids, mask_id=mask_id)
        if not self._is_renewed:
            return state
        is_masked = token_ids == mask_id
        is_forgotten = is_masked & (state.memory.run_ids != mask_id)
        run_ids = state.memory.run_ids.masked_fill(is_forgotten, PAD)
        return replace(
            state,
            memory=replace(state.memory, run_ids=run_ids),
            last_asked=is_masked.long().argmax(dim=1),
        )

    def count(self, work: Work[Counts]) -> None:
        """Note what the verifier has done, in all sequences."""
        self._verifier_work += work

    @property
    def _refreshes(self) -> bool:
        """Whether the verifier's pass can renew what the drafter remembers."""
        return self._is_one_model and isinstance(self.state, CachedState)

    @property
    def _is_one_model(self) -> bool:
        return self.team.drafter is self.team.verifier

    def cost(self, before_ids: TokenIds, after_ids: TokenIds) -> Cost[Counts]:
        """What the round did."""
        mask_id = self.team.vocab_size
        num_masked = [(ids == mask_id).sum(dim=1) for ids in (before_ids, after_ids)]
        drafter, verifier = self._drafter_work, self._verifier_work
        if self._is_one_model:
            drafter, verifier = drafter * 0, drafter + verifier
        accepted = num_masked[0] - num_masked[1]
        return Cost(verifier, accepted, torch.zeros_like(accepted), drafter=drafter)
