"""What samplers that take tokens back keep of them, and when they are done."""

import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from unmask.draws import SeededDraws
from unmask.samplers.common import revisable_state
from unmask.speculation.filters import Filter

MASK = 2
GIVEN_IDS = torch.tensor([[2, 2, 1], [0, 1, 1], [2, 2, 2]])


def begun(num_steps=2):
    return revisable_state.start(GIVEN_IDS, mask_id=MASK, num_steps=num_steps)


def guess(state, is_wanted, predictor=None, filter=None):
    predictor = predictor or ArbitraryHybrid(2, 3, seed=1)
    wanted = torch.tensor(is_wanted).bool()
    draws = SeededDraws(range(len(GIVEN_IDS)))
    return revisable_state.guess(state, wanted, predictor, draws, filter or Filter())


def test_a_sequence_is_done_after_its_steps_however_much_is_revealed():
    state = begun(num_steps=2)
    assert state.is_done.tolist() == [False, True, False]  # the second has nothing to generate
    all_guessed = guess(state, state.is_masked.tolist())
    nothing = torch.zeros_like(state.is_masked)
    state, info = revisable_state.settle(state, all_guessed, nothing, mask_id=MASK)
    assert not state.is_masked.any()
    assert state.is_done.tolist() == [False, True, False]
    assert info.accepted.tolist() == [2, 0, 3]

    taken_back = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 1, 1]]).bool()
    no_guess = guess(state, nothing.tolist())
    state, info = revisable_state.settle(state, no_guess, taken_back, mask_id=MASK)
    assert state.is_done.all()
    assert info.accepted.tolist() == [-1, 0, -2]
    assert torch.equal(state.token_ids == MASK, taken_back)


def test_confidence_is_what_the_predictor_gave_the_token_it_drew():
    predictor, state = ArbitraryHybrid(2, 3, seed=1), begun()
    wanted = [[0, 1, 0], [0, 0, 0], [1, 0, 1]]
    sharp = Filter(temperature=0.3)  # sharpens the draw, not how sure the predictor is
    guessed = guess(state, wanted, predictor, sharp)
    places = torch.arange(3).expand(3, -1)
    probs = predictor.draft(GIVEN_IDS, places).log_probs.exp()
    for b, place in ((0, 1), (2, 0), (2, 2)):
        assert guessed.confidence[b, place] == probs[b, place, guessed.token_ids[b, place]]
    is_wanted = torch.tensor(wanted).bool()
    assert guessed.confidence[~is_wanted].isinf().all()
    assert torch.equal(guessed.token_ids[~is_wanted], GIVEN_IDS[~is_wanted])
    assert (guessed.token_ids[is_wanted] < MASK).all()


def test_confidence_is_kept_until_the_token_is_taken_back():
    state = begun()
    first = guess(state, [[0, 1, 0], [0, 0, 0], [1, 0, 1]])
    still_masked = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 1, 0]]).bool()
    state, _ = revisable_state.settle(state, first, still_masked, mask_id=MASK)
    second = guess(state, [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    for b, place in ((0, 1), (2, 0), (2, 2)):
        assert second.confidence[b, place] == first.confidence[b, place] < 1
    taken_back = torch.tensor([[0, 1, 0], [0, 0, 0], [0, 0, 1]]).bool()
    state, _ = revisable_state.settle(state, second, taken_back, mask_id=MASK)
    assert torch.equal(state.confidence.isinf(), taken_back | state.is_given)


def test_sequences_that_want_nothing_cost_no_pass():
    predictor = CountedPasses(ArbitraryHybrid(2, 3, seed=1))
    assert guess(begun(), [[0, 1, 0], [0] * 3, [0] * 3], predictor).trunk_passes.tolist() == [
        1, 0, 0,
    ]  # fmt: skip
    assert predictor.sequence_passes == 1
    assert not guess(begun(), [[0] * 3] * 3, predictor).trunk_passes.any()
    assert predictor.sequence_passes == 1
