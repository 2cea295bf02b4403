"""Planted bugs of the causal trunk: each of them, alone, must be seen.

The enumerated law is then no longer that of the stream, or of the tail, as it is computed without
the bug from passes that remember nothing.
"""

from dataclasses import replace

import pytest
import torch

from tests.network.test_stream import TINY, random_stream
from tests.reference.law import (
    largest_difference,
    law_by_recursion,
    of_tokens,
    outcomes_by_enumeration,
)
from tests.reference.stream_law import law_of_stream
from unmask.network import stream as network_module
from unmask.network.cache import KeyValueCache
from unmask.network.stream import StreamTransformer
from unmask.process.windows import Fixed
from unmask.samplers import lossless, lossless_branching
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.streamed import along_stream
from unmask.speculation import accept_reject

SMALL = replace(TINY, vocab_size=2, length=4, width=8, num_trunk_blocks=1, max_window=4)
NOTHING, VISIBLE = [2, 2, 2, 2], 1e-4
TAIL = SelfSpeculative(window=Fixed(3), verify_rounds=3, order="left-to-right")
LOSSLESS = (Lossless(num_tokens=3), LosslessBranching(num_tokens=3))


def a_rejected_candidate_is_remembered(patch):
    """A row of the cache is written once: what was run of a candidate stays."""

    def write_once(self, slots, keys, values):
        batch = torch.arange(len(slots))[:, None]
        is_new = (self.keys[batch, :, slots] == 0).all(-1, keepdim=True)
        self.keys[batch, :, slots] = torch.where(is_new, keys, self.keys[batch, :, slots])
        self.values[batch, :, slots] = torch.where(is_new, values, self.values[batch, :, slots])
        return self.keys, self.values

    patch.setattr(KeyValueCache, "write", write_once)


def finished_tokens_see_the_window(patch):
    """Everything in the memory is visible, whatever it is."""
    made = network_module.Layout
    patch.setattr(
        network_module, "Layout", lambda query, key, visible, **others: made(query, key, **others)
    )


def a_track_reads_the_token_it_judges(patch):
    verify, held = StreamTransformer.verify, StreamTransformer._held
    is_verifying = []

    def noting(self, *args, **others):
        is_verifying.append(True)
        try:
            return verify(self, *args, **others)
        finally:
            is_verifying.pop()

    def one_further(self, token_ids, order, slots):
        return held(self, token_ids, order, slots + bool(is_verifying))

    patch.setattr(StreamTransformer, "verify", noting)
    patch.setattr(StreamTransformer, "_held", one_further)


def candidates_are_judged_by_the_pass_before(patch):
    """The law one slot too early: that of the pass which drafted."""
    judge = lossless.accept_or_reject

    def shifted(ids, *, target_log_probs, **others):
        return judge(ids, target_log_probs=target_log_probs.roll(1, dims=1), **others)

    for module in (lossless, lossless_branching):
        patch.setattr(module, "accept_or_reject", shifted)


def a_rejected_candidate_is_replaced_from_the_law(patch):
    patch.setattr(accept_reject, "residual_log_probs", lambda draft, target: target)


def the_further_token_is_drawn_by_the_last_candidates_law(patch):
    """Twice from the same place, instead of once behind it."""
    take = torch.Tensor.take_along_dim

    def early(self, index, dim):
        if index.shape[1:] == (1, 1) and self.ndim == 3:
            index = (index - 1).clamp(min=0)
        return take(self, index, dim=dim)

    patch.setattr(torch.Tensor, "take_along_dim", early)


OF_LOSSLESS = [
    a_rejected_candidate_is_remembered,
    candidates_are_judged_by_the_pass_before,
    a_rejected_candidate_is_replaced_from_the_law,
    the_further_token_is_drawn_by_the_last_candidates_law,
]


def distance(predictor, sampler, wanted):
    sampler = along_stream(sampler, predictor, torch.tensor(NOTHING))
    law = of_tokens(outcomes_by_enumeration(predictor, sampler, NOTHING))
    return max(abs(law[tokens] - wanted[tokens]) for tokens in wanted)


def test_without_a_bug_the_laws_agree():
    predictor = random_stream(SMALL, seed=1)
    wanted = law_of_stream(predictor, NOTHING)
    assert all(distance(predictor, sampler, wanted) < 1e-10 for sampler in LOSSLESS)


@pytest.mark.parametrize("bug", OF_LOSSLESS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_of_lossless_sampling_is_seen(bug, monkeypatch):
    predictor = random_stream(SMALL, seed=1)
    wanted = law_of_stream(predictor, NOTHING)
    bug(monkeypatch)
    assert max(distance(predictor, sampler, wanted) for sampler in LOSSLESS) > VISIBLE


@pytest.mark.parametrize(
    "bug",
    [a_track_reads_the_token_it_judges, finished_tokens_see_the_window],
    ids=lambda bug: bug.__name__,
)
def test_a_planted_bug_of_the_tail_is_seen(bug, monkeypatch):
    predictor = random_stream(SMALL, seed=1)
    token_ids, total, _ = law_by_recursion(predictor, TAIL, NOTHING, [0, 1, 2, 3])
    sampler = along_stream(TAIL, predictor, torch.tensor(NOTHING))
    assert (
        largest_difference(outcomes_by_enumeration(predictor, sampler, NOTHING), token_ids, total)
        < 1e-10
    )
    bug(monkeypatch)
    outcomes = outcomes_by_enumeration(predictor, sampler, NOTHING)
    assert largest_difference(outcomes, token_ids, total) > VISIBLE
