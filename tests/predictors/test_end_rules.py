"""A distribution without some tokens."""

import math

import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from unmask.predictors.end_rules import EndingLast, NeverEnding, without


def test_what_is_left_is_the_distribution_given_that_it_is_none_of_them() -> None:
    probs = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.0, 0.4, 0.6, 0.0]], dtype=torch.float64)
    left = without(probs.log(), (0, 2)).exp()
    expected = torch.tensor([[0.0, 2 / 3, 0.0, 1 / 3], [0.0, 1.0, 0.0, 0.0]]).double()
    torch.testing.assert_close(left, expected)


def test_what_hardly_anything_is_left_of_is_still_exact() -> None:
    log_probs = torch.tensor([0.0, -40.0, -41.0])
    assert torch.allclose(
        without(log_probs, (0,))[1:],
        torch.tensor([-40.0, -41.0]) + 40 - math.log(1 + math.exp(-1)),
    )


def test_where_nothing_is_left_nothing_is_possible() -> None:
    assert without(torch.tensor([0.0, -math.inf]), (0,)).tolist() == [-math.inf] * 2


def test_a_rule_changes_the_answers_of_a_pass_and_of_one_that_remembers() -> None:
    network = random_network(CONFIGS["llada"])
    token_ids, positions = torch.tensor([[3, 64, 64]]), torch.tensor([[1, 2]])
    plain = network.draft(token_ids, positions).log_probs
    never, last = NeverEnding(network, (5, 62)), EndingLast(network, (5, 62))
    assert torch.equal(never.draft(token_ids, positions).log_probs, without(plain, (5, 62)))
    late = last.draft(token_ids, positions)
    assert torch.equal(late.log_probs, plain) and late.late_ids == (5, 62)
    said = never.shadowed(token_ids, positions, torch.tensor([[0]]))
    assert (said.of_shadows[..., [5, 62]] == -math.inf).all()
    torch.testing.assert_close(said.log_probs, without(plain, (5, 62)))


def test_what_verifying_needs_goes_along() -> None:
    token_ids = torch.tensor([[3, 1]])
    draft = NeverEnding(ArbitraryHybrid(3, 2, seed=0), (1,)).draft(token_ids, token_ids[:, 1:])
    assert torch.equal(draft.context, token_ids)
