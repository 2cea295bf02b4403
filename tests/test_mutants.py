"""Planted bugs: each of them, alone, must make the enumerated law differ from the computed one.

The likelihood is computed without the bug; then the sampler is enumerated with it. Every bug
here is one that leaves shapes, types and plausible samples behind.
"""

from dataclasses import replace
from functools import cache

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import largest_difference, law_by_enumeration, law_by_recursion
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import ScriptedDraws
from unmask.predictors.protocol import Draft
from unmask.process.masking import mask_after
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers import self_speculative
from unmask.samplers.common import ordered_state
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speculation import accept_reject
from unmask.speculation.accept_reject import (
    accept_or_reject,
    acceptance_probability,
    residual_log_probs,
)
from unmask.speculation.filters import Filter

# Even the first draft of a pass can be rejected: where it cannot, a window of two needs one round
# only, and bugs about rounds have nowhere to show.
PREDICTOR = ArbitraryHybrid(2, 4, seed=0, first_target_is_draft=False)
FILTER = Filter(temperature=0.7)
SAMPLERS = [
    SelfSpeculative(window=Whole(), verify_rounds=2, filter=FILTER),
    # Windows of 2, 3, 2 and 1 tokens.
    SelfSpeculative(window=Cosine(0.6), verify_rounds=1, filter=FILTER),
    SelfSpeculative(window=Whole(), verify_rounds=3, patience=1.0, filter=FILTER),
    SelfSpeculative(window=Fixed(3), verify_rounds=1, order="confident", filter=FILTER),
    SelfSpeculative(window=Whole(), verify_rounds=2, threshold=0.7, filter=FILTER),
]
NOTHING, ORDER = [2, 2, 2, 2], [2, 0, 3, 1]
VISIBLE = 1e-3
"""How wrong a law must be to be more than rounding; the sound one agrees to 1e-10."""

# Accepting and rejecting.


def the_residual_is_the_target(patch):
    patch.setattr(accept_reject, "residual_log_probs", lambda draft, target: target)


def the_residual_is_the_other_way_round(patch):
    def swapped(draft_log_probs, target_log_probs):
        return residual_log_probs(target_log_probs, draft_log_probs)

    patch.setattr(accept_reject, "residual_log_probs", swapped)


def the_ratio_is_inverted(patch):
    def inverted(log_draft, log_target):
        return acceptance_probability(log_target, log_draft)

    patch.setattr(accept_reject, "acceptance_probability", inverted)


def every_draft_is_accepted(patch):
    def always(log_draft, log_target):
        return torch.ones_like(log_draft).double()

    patch.setattr(accept_reject, "acceptance_probability", always)


def acceptances_count_past_a_rejection(patch):
    def num_heads(self, probs, where):
        return self.bernoulli(probs, where).sum(dim=1)

    patch.setattr(ScriptedDraws, "run_length", num_heads)


def the_residual_is_read_from_the_first_column(patch):
    def judge_reading_the_first(
        drafted_ids, *, draft_log_probs, target_log_probs, draws, drafted_at, **others
    ):
        verdict = accept_or_reject(
            drafted_ids,
            draft_log_probs=draft_log_probs,
            target_log_probs=target_log_probs,
            draws=draws,
            drafted_at=drafted_at,
            **others,
        )
        rows, columns = drafted_at
        first = draft_log_probs[rows, columns[:, 0]]
        residual = residual_log_probs(first, target_log_probs[:, 0])
        replacement_ids = draws.categorical(residual, where=verdict.is_rejected)
        return replace(verdict, replacement_ids=replacement_ids)

    patch.setattr(self_speculative, "accept_or_reject", judge_reading_the_first)


def a_rejected_draft_is_not_replaced(patch):
    def judge_without_replacing(drafted_ids, **others):
        verdict = accept_or_reject(drafted_ids, **others)
        column = verdict.num_accepted.clamp(max=drafted_ids.shape[1] - 1)
        kept = drafted_ids.gather(1, column[:, None]).squeeze(1)
        return replace(verdict, replacement_ids=kept)

    patch.setattr(self_speculative, "accept_or_reject", judge_without_replacing)


def the_draft_is_judged_before_the_temperature(patch):
    def judge_what_was_not_drawn_from(drafted_ids, *, draft_log_probs, **others):
        unfiltered = (draft_log_probs * FILTER.temperature).log_softmax(dim=-1)
        return accept_or_reject(drafted_ids, draft_log_probs=unfiltered, **others)

    patch.setattr(self_speculative, "accept_or_reject", judge_what_was_not_drawn_from)


# What the tail is asked, and what it was told.


def temperature_is_applied_to_the_draft_only(patch):
    verify = ArbitraryHybrid.verify
    patch.setattr(ArbitraryHybrid, "verify", lambda *a, **k: verify(*a, **k) * FILTER.temperature)


def a_track_judges_the_token_it_holds(patch):
    verify = ArbitraryHybrid.verify

    def verify_one_too_late(self, draft, *, first, **others):
        return verify(self, draft, first=first + 1, **others)

    patch.setattr(ArbitraryHybrid, "verify", verify_one_too_late)


def a_track_judges_the_token_after_the_next(patch):
    verify = ArbitraryHybrid.verify

    def verify_one_too_early(self, draft, *, first, **others):
        return verify(self, draft, first=(first - 1).clamp(min=0), **others)

    patch.setattr(ArbitraryHybrid, "verify", verify_one_too_early)


def hidden_states_are_refreshed_between_rounds(patch):
    verify = ArbitraryHybrid.verify

    def verify_afresh(self, draft, *, filled_ids, order, first, num_columns):
        seen = mask_after(filled_ids, order, first, self.vocab_size)
        return verify(
            self,
            Draft(draft.log_probs, seen),
            filled_ids=filled_ids,
            order=order,
            first=first,
            num_columns=num_columns,
        )

    patch.setattr(ArbitraryHybrid, "verify", verify_afresh)


# Windows, rounds and passes.


def the_window_ignores_how_much_is_revealed(patch):
    size = Cosine.size

    def first_size(self, num_revealed, length):
        return size(self, num_revealed * 0, length).minimum((length - num_revealed).clamp(min=1))

    patch.setattr(Cosine, "size", first_size)


def the_window_is_one_too_wide(patch):
    size = Cosine.size

    def wider(self, num_revealed, length):
        return (size(self, num_revealed, length) + 1).minimum(length - num_revealed)

    patch.setattr(Cosine, "size", wider)


def other_rounds(more):
    def plant(patch):
        step = SelfSpeculative.step

        def step_with_other_rounds(self, *arguments):
            rounds = max(1, self.verify_rounds + more)
            return step(replace(self, verify_rounds=rounds), *arguments)

        patch.setattr(SelfSpeculative, "step", step_with_other_rounds)

    return plant


def unsettled_drafts_are_left_revealed(patch):
    patch.setattr(self_speculative, "mask_after", lambda filled_ids, *_: filled_ids)


def patience_is_renewed_by_each_round(patch):
    verify = SelfSpeculative._verify

    def verify_with_new_patience(self, run, *others):
        run.doubt.zero_()
        verify(self, run, *others)

    patch.setattr(SelfSpeculative, "_verify", verify_with_new_patience)


def what_is_sure_is_found_behind_the_filter(patch):
    num_sure = ordered_state.num_sure
    patch.setattr(
        ordered_state, "num_sure", lambda draft, *others: num_sure(FILTER(draft), *others)
    )


def confident_drafts_are_chosen_anew_in_every_pass(patch):
    open_window = ordered_state.open_window

    def open_new_window(choice, state, *others):
        return open_window(choice, replace(state, num_chosen=state.num_revealed), *others)

    patch.setattr(ordered_state, "open_window", open_new_window)


BUGS = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        the_residual_is_the_target,
        the_residual_is_the_other_way_round,
        the_ratio_is_inverted,
        every_draft_is_accepted,
        acceptances_count_past_a_rejection,
        the_residual_is_read_from_the_first_column,
        a_rejected_draft_is_not_replaced,
        the_draft_is_judged_before_the_temperature,
        temperature_is_applied_to_the_draft_only,
        a_track_judges_the_token_it_holds,
        a_track_judges_the_token_after_the_next,
        hidden_states_are_refreshed_between_rounds,
        the_window_ignores_how_much_is_revealed,
        the_window_is_one_too_wide,
        unsettled_drafts_are_left_revealed,
        patience_is_renewed_by_each_round,
        what_is_sure_is_found_behind_the_filter,
        confident_drafts_are_chosen_anew_in_every_pass,
    )
} | {"one-round-too-many": other_rounds(+1), "one-round-too-few": other_rounds(-1)}


@cache
def computed_law(sampler):
    token_ids, total, _ = law_by_recursion(PREDICTOR, sampler, NOTHING, ORDER)
    return token_ids, total


def error_of_the_law(sampler):
    """Largest difference of a probability between enumeration and recursion."""
    outcomes = law_by_enumeration(PREDICTOR, sampler, NOTHING, ORDER)
    return largest_difference(outcomes, *computed_law(sampler))


@pytest.fixture(autouse=True)
def laws_without_bugs():
    for sampler in SAMPLERS:
        computed_law(sampler)


def test_the_sound_sampler_passes():
    assert max(map(error_of_the_law, SAMPLERS)) < 1e-10


@pytest.mark.parametrize("plant", BUGS.values(), ids=BUGS)
def test_each_bug_is_caught(monkeypatch, plant):
    plant(monkeypatch)
    assert max(map(error_of_the_law, SAMPLERS)) > VISIBLE


# A bug between the rows of a batch: no sequence alone can show it.


def the_residual_is_read_from_row_0(patch):
    def of_row_0(draft, target):
        return residual_log_probs(draft, target)[:1].expand_as(draft)

    patch.setattr(accept_reject, "residual_log_probs", of_row_0)


def rows_that_change_with_the_batch():
    """How many of 40 sequences, drawn together, are not what they are alone."""
    given_ids = torch.tensor([NOTHING]).expand(40, -1)
    together = sample(PREDICTOR, SAMPLERS[0], given_ids, SeededDraws(range(40))).token_ids
    alone = [
        sample(PREDICTOR, SAMPLERS[0], given_ids[:1], SeededDraws([seed])).token_ids
        for seed in range(40)
    ]
    return int((together != torch.cat(alone)).any(dim=1).sum())


def test_the_sound_sampler_keeps_rows_apart():
    assert rows_that_change_with_the_batch() == 0


def test_a_residual_of_another_row_is_caught(monkeypatch):
    the_residual_is_read_from_row_0(monkeypatch)
    assert rows_that_change_with_the_batch() > 5
    with pytest.raises(AssertionError):  # the probabilities of all paths no longer add up to one
        error_of_the_law(SAMPLERS[0])
