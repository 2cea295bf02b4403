import pytest
import torch

from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.process import orders
from unmask.samplers.common import ordered_state
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly

MASK = 9


@pytest.mark.parametrize("sampler", [SelfSpeculative(), TargetOnly()], ids=["self", "target"])
def test_an_order_of_another_kind_is_refused(sampler):
    object.__setattr__(sampler, "order", "sideways")  # past the tests' own check of types
    with pytest.raises(ConfigError, match="order must be one of.*got 'sideways'.*trained for"):
        sampler.__post_init__()


@pytest.mark.parametrize("choice", ["random", "left-to-right"])
def test_what_is_given_comes_first_and_is_revealed(choice):
    given_ids = torch.tensor([[MASK, 3, MASK, 4, MASK], [MASK] * 5, [1, 2, 3, 4, 5]])
    state = ordered_state.begin(choice, given_ids, mask_id=MASK, draws=SeededDraws(range(3)))
    assert state.num_revealed.tolist() == [2, 0, 5]
    assert state.is_done.tolist() == [False, False, True]
    assert set(state.order[0, :2].tolist()) == {1, 3}
    orders.check_is_permutation(state.order)


def test_reading_order_is_the_same_for_every_stream():
    given_ids = torch.full((2, 4), MASK)
    draws = SeededDraws([1, 2])
    state = ordered_state.begin("left-to-right", given_ids, mask_id=MASK, draws=draws)
    assert state.order.tolist() == [[0, 1, 2, 3]] * 2


def test_selected_rows_keep_their_order_and_place():
    given_ids = torch.tensor([[MASK, 3], [MASK, MASK], [1, 2]])
    state = ordered_state.begin("random", given_ids, mask_id=MASK, draws=SeededDraws(range(3)))
    some = state.select(torch.tensor([2, 0]))
    assert torch.equal(some.order, state.order[[2, 0]])
    assert some.num_revealed.tolist() == [2, 1]
    assert some.token_ids.tolist() == [[1, 2], [MASK, 3]]
