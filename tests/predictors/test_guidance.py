"""Guidance by its formula in probabilities, and sequences that say what was given."""

import torch

from unmask.predictors.guidance import guided, marked, unmarked
from unmask.shapes import PAD

COND = torch.tensor([[0.5, 0.25, 0.25, 0.0]]).double().log()
UN = torch.tensor([[0.25, 0.5, 0.2, 0.05]]).double().log()


def test_a_guided_distribution_is_a_product_of_powers() -> None:
    cond, un = COND.exp()[0].tolist(), UN.exp()[0].tolist()
    for scale in (0.5, 1.0, 3.0):
        weights = [c ** (scale + 1) / u**scale for c, u in zip(cond, un, strict=True)]
        expected = torch.tensor([[weight / sum(weights) for weight in weights]]).double()
        torch.testing.assert_close(guided(COND, UN, scale).exp(), expected)


def test_a_scale_of_zero_moves_nothing() -> None:
    torch.testing.assert_close(guided(COND, UN, 0.0), COND)


def test_what_is_impossible_either_way_stays_so() -> None:
    never = torch.tensor([[0.0, -torch.inf]])
    assert guided(never, never, 1.0).tolist() == [[0.0, -torch.inf]]


def test_marks_come_off_again() -> None:
    given_ids = torch.tensor([[0, 4, 5, 5, PAD], [3, 5, 1, PAD, PAD]])
    marks = marked(given_ids, 5)
    assert marks.tolist() == [[6, 10, 5, 5, PAD], [9, 5, 7, PAD, PAD]]
    assert torch.equal(unmarked(marks, 5), given_ids)
    # What is revealed later is not marked, and stays as it is.
    assert unmarked(torch.tensor([[6, 10, 2, 5, PAD]]), 5).tolist() == [[0, 4, 2, 5, PAD]]
