"""Draws without replacement, against the sum over every order they can be drawn in."""

import itertools
from collections import defaultdict

import pytest
import torch

from tests.reference.chi_square import follows
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import every_outcome
from unmask.samplers.common import subsets

WEIGHTS = [0.5, 0.0, 2.0, 1.0, 0.7]


def law_by_order(weights, num_drawn):
    """{indices drawn: probability}."""
    law = defaultdict(float)
    for order in itertools.permutations(range(len(weights)), num_drawn):
        probability, left = 1.0, sum(weights)
        for index in order:
            probability *= weights[index] / left if left else 0.0
            left -= weights[index]
        law[frozenset(order)] += probability
    return {indices: probability for indices, probability in law.items() if probability > 1e-15}


def drawn(weights, num_drawn, draws):
    """For each stream of `draws`, the indices drawn."""
    log_weights = torch.tensor(weights).log().expand(len(draws), -1)
    counts = torch.full((len(draws),), num_drawn)
    rows = subsets.draw(log_weights, counts, draws).tolist()
    return [frozenset(k for k, is_drawn in enumerate(row) if is_drawn) for row in rows]


@pytest.mark.parametrize("num_drawn", [0, 1, 2, 3, 4])
def test_each_subset_has_the_probability_of_all_its_orders(num_drawn):
    law = every_outcome(lambda draws: drawn(WEIGHTS, num_drawn, draws))
    assert law == pytest.approx(law_by_order(WEIGHTS, num_drawn), abs=1e-7)


def gumbel_top(weights, num_drawn, num_sequences):
    """The `num_drawn` largest of log w + Gumbel noise."""
    uniform = SeededDraws(range(num_sequences)).uniform(
        torch.ones(num_sequences, len(weights), dtype=torch.bool)
    )
    perturbed = torch.tensor(weights).log() - torch.log(-torch.log(uniform))
    return perturbed.topk(num_drawn, dim=1).indices


def test_gumbel_top_k_has_the_same_law():
    """The identity that is cited: chi-square, one false alarm in a million re-seedings."""
    law = law_by_order(WEIGHTS, 2)
    pairs = [frozenset(row) for row in gumbel_top(WEIGHTS, 2, 20_000).tolist()]
    places = torch.tensor([list(law).index(pair) for pair in pairs])
    assert follows(places, torch.tensor(list(law.values()), dtype=torch.float64))
    uniform = torch.full((len(law),), 1 / len(law), dtype=torch.float64)
    assert not follows(places, uniform)


def test_rows_and_paths_draw_as_many_as_they_ask_for():
    log_weights = torch.zeros(3, 2, 4).masked_fill(torch.tensor([0, 0, 1, 0]).bool(), -torch.inf)
    num_drawn = torch.tensor([[0, 3], [1, 2], [2, 0]])
    is_drawn = subsets.draw(log_weights, num_drawn, SeededDraws(range(3)))
    assert torch.equal(is_drawn.sum(dim=-1), num_drawn)
    assert not is_drawn[..., 2].any()


def test_a_row_draws_the_same_beside_rows_that_draw_more():
    log_weights = torch.linspace(0, 1, 12).reshape(2, 6)
    draws = SeededDraws([5, 6])
    together = subsets.draw(log_weights, torch.tensor([2, 5]), draws)
    alone = subsets.draw(log_weights[:1], torch.tensor([2]), SeededDraws([5]))
    assert torch.equal(together[:1], alone)
    everywhere = torch.ones(2, 1, dtype=torch.bool)
    after = draws.uniform(everywhere)[0]  # the stream stands where it would stand alone
    draws = SeededDraws([5])
    subsets.draw(log_weights[:1], torch.tensor([2]), draws)
    assert torch.equal(after, draws.uniform(everywhere[:1])[0])
