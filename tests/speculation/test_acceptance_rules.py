"""Each rule on distributions whose answer is worked out by hand."""

import math

import pytest
import torch

from unmask.speculation.acceptance_rules import divergence, is_rejected

DRAFT = torch.tensor([[[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.5, 0.5, 0.0]]]).log()
TARGET = torch.tensor([[[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.5, 0.5, 0.0]]]).log()
DRAFTED = torch.tensor([[0, 0, 1]])


def rejected(rule: str, threshold: float = 0.4, kl_bound: float = 0.1) -> list[bool]:
    found = is_rejected(
        rule,
        DRAFTED,
        draft_log_probs=DRAFT,
        target_log_probs=TARGET,
        threshold=threshold,
        kl_bound=kl_bound,
    )
    return found[0].tolist()


def test_trust_rejects_nothing() -> None:
    assert rejected("trust", threshold=1.0, kl_bound=0.0) == [False] * 3


def test_exact_asks_for_the_best_token_the_first_of_equals() -> None:
    assert rejected("exact") == [False, True, True]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [False] * 3), (0.4, [False, True, False]),
        (0.55, [False, True, True]), (1.1, [True] * 3),
    ],
)  # fmt: skip
def test_confidence_asks_for_so_much_probability(threshold: float, expected: list[bool]) -> None:
    assert rejected("confidence", threshold=threshold) == expected


def test_disagreement_is_either() -> None:
    assert rejected("disagreement", threshold=0.0) == [False, True, True]
    assert rejected("disagreement", threshold=0.65) == [True, True, True]


def kl(of: list[float], from_: list[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(of, from_, strict=True) if p)


def test_the_divergences_are_taken_both_ways() -> None:
    there = kl([0.3, 0.6, 0.1], [0.7, 0.2, 0.1])
    back = kl([0.7, 0.2, 0.1], [0.3, 0.6, 0.1])
    assert there != pytest.approx(back, abs=1e-3)
    found = divergence(TARGET, DRAFT)[0].tolist()
    expected = [kl([0.6, 0.3, 0.1], [0.7, 0.2, 0.1]), there, 0.0]
    assert found == pytest.approx(expected, abs=1e-6)
    between = (there + back) / 2
    assert rejected("kl", kl_bound=between) == [False, there > between, False]
    assert rejected("reverse-kl", kl_bound=between) == [False, back > between, False]


def test_what_was_impossible_for_the_draft_is_infinitely_far() -> None:
    possible, impossible = torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[[1.0, 0.0]]]).log()
    assert divergence(possible, impossible).item() == math.inf
    assert divergence(impossible, possible).item() == pytest.approx(math.log(2))
