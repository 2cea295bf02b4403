"""What was looked ahead to is used once, and only of the sequence it is of."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.counted_passes import CountedPasses
from unmask.draws import SeededDraws
from unmask.samplers.common import lookahead_state
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.engine import Engine, Request
from unmask.samplers.self_draft import SelfDraft

NETWORK, MASK = random_network(CONFIGS["llada"]), 64
GIVEN = torch.tensor([[3, 1, MASK, MASK, MASK], [2, MASK, MASK, MASK, MASK], [1, 2, 3, 4, 5]])


def test_only_what_nothing_is_foreseen_of_is_run() -> None:
    predictor = CountedPasses(NETWORK)
    state = lookahead_state.start(GIVEN, mask_id=MASK)
    assert state.needs_pass.tolist() == [True, True, False]
    prediction = state.completed(predictor, state.is_masked)
    assert predictor.sequence_passes == 2
    later = lookahead_state.reached(state.bare, prediction)
    assert later.completed(predictor, later.is_masked) is prediction
    assert predictor.sequence_passes == 2


def test_what_was_foreseen_of_other_tokens_is_forgotten() -> None:
    state = lookahead_state.start(GIVEN, mask_id=MASK)
    state = lookahead_state.reached(state.bare, state.completed(NETWORK, state.is_masked))
    other_ids = GIVEN.clone()
    other_ids[1, 0] = 7
    rewritten = state.rewritten(other_ids, mask_id=MASK)
    assert rewritten.is_foreseen.tolist() == [True, False, True]
    fresh = lookahead_state.start(other_ids, mask_id=MASK)
    found, expected = (each.completed(NETWORK, each.is_masked) for each in (rewritten, fresh))
    torch.testing.assert_close(found.log_probs[:2], expected.log_probs[:2])
    assert not torch.allclose(found.log_probs[1], state.prediction.log_probs[1])


@pytest.mark.parametrize("num_drafts", [1, 3])
def test_a_draft_that_is_taken_back_is_made_anew(num_drafts) -> None:
    """Everything is rejected once: the same drafts of the same canvas come again."""
    drafter = SelfDraft(num_drafts=num_drafts)
    rejecting = DraftVerify(
        drafter=drafter,
        num_draft_passes=1,
        rule="confidence",
        threshold=1.1,
        max_remasked=1,
        num_committed=0,
    )
    plain, verified = (
        [
            result.token_ids.tolist()
            for result in Engine(NETWORK).run(
                Request(given_ids=row, sampler=sampler, seed=0) for row in GIVEN[:2]
            )
        ]
        for sampler in (drafter, rejecting)
    )
    assert sorted(verified) == sorted(plain)


def test_the_sequences_alone_can_be_had_many_times() -> None:
    state = SelfDraft().init(GIVEN, mask_id=MASK, draws=SeededDraws([0, 1, 2]))
    twice = state.bare.select(torch.tensor([0, 0, 1, 1]))
    assert torch.equal(twice.token_ids, GIVEN[[0, 0, 1, 1]])
    assert not hasattr(twice, "prediction")
