"""The batched tensor path follows the law of the recursion: 20,000 sequences at once."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.chi_square import follows
from tests.reference.law import law_by_recursion
from unmask.draws import SeededDraws
from unmask.process.windows import Cosine, Whole
from unmask.samplers import self_speculative
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.accept_reject import accept_or_reject

NUM_SEQUENCES = 20_000
LENGTH = 4
PREDICTOR = ArbitraryHybrid(2, LENGTH, seed=1)
SAMPLERS = {
    "one-round": SelfSpeculative(window=Whole(), verify_rounds=1),
    "two-rounds": SelfSpeculative(window=Cosine(0.6), verify_rounds=2),
    "target-only": TargetOnly(window=Whole()),
}
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def accept_every_draft(drafted_ids, *, in_window, **others):
    num_accepted = in_window.sum(dim=1)
    never = torch.zeros_like(num_accepted, dtype=torch.bool)
    return SimpleNamespace(
        num_accepted=num_accepted, is_rejected=never, replacement_ids=drafted_ids[:, 0]
    )


def law_over_orders(sampler):
    """p(x) = the mean over all orders of p(x | order), by sequence."""
    totals = [
        law_by_recursion(PREDICTOR, sampler, [2] * LENGTH, list(order))[1]
        for order in itertools.permutations(range(LENGTH))
    ]
    return torch.stack(totals).exp().mean(dim=0)


def drawn(sampler):
    """Sequences as the places they have in the list of all sequences."""
    given_ids = torch.full((NUM_SEQUENCES, LENGTH), 2)
    samples = sample(PREDICTOR, sampler, given_ids, SeededDraws(range(NUM_SEQUENCES)))
    return (samples.token_ids * torch.tensor([8, 4, 2, 1])).sum(dim=1)


@every_sampler
def test_samples_follow_the_law_of_the_recursion(sampler):
    assert follows(drawn(sampler), law_over_orders(sampler))


@pytest.mark.parametrize(
    ("kernel", "is_caught"), [(accept_or_reject, False), (accept_every_draft, True)]
)
def test_a_wrong_kernel_is_caught(monkeypatch, kernel, is_caught):
    monkeypatch.setattr(self_speculative, "accept_or_reject", kernel)
    sampler = SAMPLERS["two-rounds"]
    assert follows(drawn(sampler), law_over_orders(sampler)) != is_caught


@every_sampler
def test_another_sampler_s_law_is_told_apart(sampler):
    for other in SAMPLERS.values():
        if other != sampler:
            assert not follows(drawn(sampler), law_over_orders(other))
