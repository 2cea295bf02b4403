import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.reference.chi_square import follows
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import every_outcome
from unmask.speculation.accept_reject import (
    accept_or_reject,
    acceptance_probability,
    residual_log_probs,
)

INF = math.inf


def random_log_probs(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits.log_softmax(dim=-1)


def log_of(*probs: float) -> Tensor:
    return torch.tensor(probs, dtype=torch.float64).log()


RANDOM = [(random_log_probs(seed, 4), random_log_probs(100 + seed, 4)) for seed in range(5)]
EQUAL = [(random_log_probs(0, 4), random_log_probs(0, 4))]
ZEROS = [
    (log_of(0.5, 0.5, 0.0, 0.0), log_of(0.1, 0.2, 0.3, 0.4)),
    (log_of(0.1, 0.2, 0.3, 0.4), log_of(0.5, 0.5, 0.0, 0.0)),
    (log_of(0.5, 0.5, 0.0, 0.0), log_of(0.0, 0.5, 0.5, 0.0)),
    (log_of(0.5, 0.5, 0.0, 0.0), log_of(0.0, 0.0, 0.5, 0.5)),
    (log_of(0.0, 1.0, 0.0, 0.0), log_of(0.0, 0.0, 1.0, 0.0)),
    (log_of(0.0, 1.0, 0.0, 0.0), log_of(0.0, 1.0, 0.0, 0.0)),
]
"""Tokens that only the draft, only the target, or neither can give."""


def judged(drafted_ids, draft, target, draws, in_window=None):
    return accept_or_reject(
        drafted_ids,
        draft_log_probs=draft,
        target_log_probs=target,
        in_window=torch.ones_like(drafted_ids, dtype=torch.bool)
        if in_window is None
        else in_window,
        draws=draws,
    )


def emitted(drafted_ids, verdict):
    """What stands in the first column after the verdict."""
    return torch.where(verdict.num_accepted > 0, drafted_ids[:, 0], verdict.replacement_ids)


# One position, exactly.


@pytest.mark.parametrize(("draft", "target"), RANDOM + EQUAL + ZEROS)
def test_what_is_emitted_follows_the_target(draft, target):
    def program(draws):
        many = draft.expand(len(draws), 1, -1)
        drafted_ids = draws.categorical(many, torch.ones(many.shape[:2], dtype=torch.bool))
        verdict = judged(drafted_ids, many, target.expand_as(many), draws)
        assert torch.equal(verdict.is_rejected, verdict.num_accepted == 0)
        return emitted(drafted_ids, verdict).tolist()

    exact = every_outcome(program)
    for token, prob in enumerate(target.exp().tolist()):
        assert exact.get(token, 0.0) == pytest.approx(prob, abs=1e-14)


def test_equal_distributions_never_reject():
    draft = random_log_probs(3, 1, 1, 5).expand(1000, 1, 5)
    drafted_ids = torch.arange(1000)[:, None] % 5
    verdict = judged(drafted_ids, draft, draft.clone(), SeededDraws(range(1000)))
    assert verdict.num_accepted.tolist() == [1] * 1000


def test_a_token_the_target_cannot_give_is_always_rejected():
    draft, target = (log_probs.expand(500, 1, -1) for log_probs in ZEROS[3])
    verdict = judged(torch.zeros(500, 1).long(), draft, target, SeededDraws(range(500)))
    assert verdict.is_rejected.all()
    assert set(verdict.replacement_ids.tolist()) == {2, 3}


# A window, exactly.


def test_a_window_is_judged_up_to_the_first_rejection():
    """(accepted, replacement) against sums over acceptance probabilities written out."""
    draft, target = random_log_probs(7, 1, 3, 3), random_log_probs(8, 1, 3, 3)
    drafted_ids = torch.tensor([[2, 0, 1]])

    def program(draws):
        many = len(draws)
        verdict = judged(
            drafted_ids.expand(many, -1),
            draft.expand(many, -1, -1),
            target.expand(many, -1, -1),
            draws,
        )
        replacement = verdict.replacement_ids.masked_fill(~verdict.is_rejected, -1)
        return list(zip(verdict.num_accepted.tolist(), replacement.tolist(), strict=True))

    expected, reached = {}, 1.0
    for column, token in enumerate(drafted_ids[0].tolist()):
        p, q = draft[0, column].exp().tolist(), target[0, column].exp().tolist()
        accepts = min(1.0, q[token] / p[token])
        excess = [max(0.0, after - before) for before, after in zip(p, q, strict=True)]
        for replacement, share in enumerate(excess):
            prob = reached * (1 - accepts) * share / sum(excess)
            if prob:
                expected[column, replacement] = prob
        reached *= accepts
    expected[3, -1] = reached
    assert every_outcome(program) == pytest.approx(expected, abs=1e-14)


class Counting:
    """Draws that note how many random numbers each sequence was charged."""

    def __init__(self, draws, num_sequences):
        self.draws, self.num_drawn = draws, torch.zeros(num_sequences).long()

    def categorical(self, log_probs, where):
        self.num_drawn += where.reshape(len(where), -1).sum(dim=1)
        return self.draws.categorical(log_probs, where)

    def run_length(self, probs, where):
        self.num_drawn += where.any(dim=1)
        return self.draws.run_length(probs, where)

    def bernoulli(self, probs, where):
        raise AssertionError("a window costs one number, not one per column")

    permutation = bernoulli

    def rows(self, index):
        some = Counting(self.draws.rows(index), len(index))
        categorical = some.categorical

        def noted(log_probs, where):
            found = categorical(log_probs, where)
            self.num_drawn[index] += some.num_drawn
            return found

        some.categorical = noted
        return some


@pytest.mark.parametrize("rest", [0.0, -INF, INF, math.nan])
def test_columns_outside_the_window_never_matter_and_cost_nothing(rest):
    """What stands there may be stale, impossible or not a number."""
    widths = torch.tensor([0, 1, 2, 3, 4]).repeat(40)
    in_window = torch.arange(4) < widths[:, None]
    draft, target = random_log_probs(1, 200, 4, 3), random_log_probs(2, 200, 4, 3)
    drafted_ids = torch.arange(800).reshape(200, 4) % 3

    outside = ~in_window
    noisy = Counting(SeededDraws(range(200)), 200)
    verdict = judged(
        drafted_ids.masked_fill(outside, 0),
        draft.masked_fill(outside[..., None], rest),
        target.masked_fill(outside[..., None], rest),
        noisy,
        in_window,
    )
    assert (verdict.num_accepted <= widths).all()
    assert torch.equal(verdict.is_rejected, verdict.num_accepted < widths)
    assert torch.equal(noisy.num_drawn, (widths > 0).long() + verdict.is_rejected)

    for row, width in enumerate(widths.tolist()):
        if width == 0:
            continue
        alone = judged(
            drafted_ids[row : row + 1, :width],
            draft[row : row + 1, :width],
            target[row : row + 1, :width],
            SeededDraws([row]),
        )
        assert alone.num_accepted[0] == verdict.num_accepted[row]
        if alone.is_rejected[0]:
            assert alone.replacement_ids[0] == verdict.replacement_ids[row]


# The residual.


@st.composite
def pairs_of_distributions(draw):
    size = draw(st.integers(1, 6))
    weight = st.one_of(st.just(0.0), st.floats(1e-12, 1.0))
    weights = [
        draw(st.lists(weight, min_size=size, max_size=size).filter(lambda w: sum(w) > 0))
        for _ in range(2)
    ]
    draft, target = torch.tensor(weights, dtype=torch.float64)
    return (draft / draft.sum()).log(), (target / target.sum()).log()


@settings(deadline=None, derandomize=True, max_examples=200)
@given(pairs_of_distributions())
def test_the_residual_is_what_the_draft_leaves_of_the_target(pair):
    draft, target = pair
    residual = residual_log_probs(draft, target).exp()
    assert not residual.isnan().any()
    assert residual.sum().item() == pytest.approx(1.0, abs=1e-9)
    p, q = draft.exp(), target.exp()
    if (q > p).any():
        assert not residual[q <= p].any()
        rejected = 1 - torch.minimum(p, q).sum()
        total = torch.minimum(p, q) + rejected * residual
        torch.testing.assert_close(total, q, atol=1e-12, rtol=0)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(pairs_of_distributions())
def test_acceptance_is_a_probability_for_every_token_that_can_be_drafted(pair):
    draft, target = pair
    drafted_ids = draft.isfinite().nonzero().T
    probs = acceptance_probability(draft[drafted_ids], target[drafted_ids])
    expected = (target.exp() / draft.exp())[drafted_ids].clamp(max=1.0)
    torch.testing.assert_close(probs, expected, atol=1e-12, rtol=1e-9)


def test_the_residual_of_equal_distributions_is_the_target():
    target = random_log_probs(4, 2, 3, 5)
    assert torch.equal(residual_log_probs(target.clone(), target), target)


# The batched tensor path, by statistics.


def accept_every_draft(drafted_ids, draft, target, draws):
    num_accepted = torch.ones(len(drafted_ids))
    return SimpleNamespace(num_accepted=num_accepted, replacement_ids=drafted_ids[:, 0])


def replace_from_the_target(drafted_ids, draft, target, draws):
    verdict = judged(drafted_ids, draft, target, draws)
    replacement_ids = draws.categorical(target[:, 0], where=verdict.is_rejected)
    return SimpleNamespace(num_accepted=verdict.num_accepted, replacement_ids=replacement_ids)


@pytest.mark.parametrize(
    ("kernel", "follows_target"),
    [(judged, True), (accept_every_draft, False), (replace_from_the_target, False)],
)
def test_tensor_path_follows_the_target(kernel, follows_target):
    num_sequences = 20_000
    draft, target = random_log_probs(1, 3), random_log_probs(2, 3)
    many = (num_sequences, 1, 3)
    draws = SeededDraws(range(num_sequences))
    drafted_ids = draws.categorical(draft.expand(many), torch.ones(many[:2], dtype=torch.bool))
    verdict = kernel(drafted_ids, draft.expand(many), target.expand(many), draws)
    assert follows(emitted(drafted_ids, verdict), target.exp()) == follows_target
