"""What an error head is trained on, by enumeration: on a joint table every chance is known."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import ScriptedDraws, every_outcome
from unmask.network.error_head import ErrorHead, trunk_features
from unmask.predictors.table import JointTable
from unmask.training.parts.error_head import (
    Guesses,
    area_under_curve,
    draw_guesses,
    error_loss,
    error_nats,
    random_guesses,
    validate,
)

LENGTH, VOCAB = 3, 2
TABLE = JointTable.random(VOCAB, LENGTH, seed=1)
SEQUENCES = list(itertools.product(range(VOCAB), repeat=LENGTH))
MASKS = [m for m in itertools.product([False, True], repeat=LENGTH) if any(m)]


def chance_of_mask(is_masked: tuple[bool, ...]) -> float:
    """i uniform on 0..L-1, then any L - i places alike."""
    return 1 / LENGTH / math.comb(LENGTH, sum(is_masked))


def every_guess() -> dict[tuple, float]:
    """{(text, guess, masked, errors, confidence): chance}, as `draw_guesses` draws them."""
    texts = TABLE.log_joint.flatten()
    masks = torch.tensor([chance_of_mask(m) for m in MASKS], dtype=torch.float64).log()

    def program(draws: ScriptedDraws) -> list[tuple]:
        one = torch.ones(len(draws), dtype=torch.bool)
        text_ids = torch.tensor(SEQUENCES)[draws.categorical(texts.expand(len(draws), -1), one)]
        is_masked = torch.tensor(MASKS)[draws.categorical(masks.expand(len(draws), -1), one)]
        found = draw_guesses(TABLE, text_ids, is_masked, draws)
        columns = (text_ids, *vars(found).values())
        return list(zip(*(map(tuple, column.tolist()) for column in columns), strict=True))

    return every_outcome(program)


def slow_posterior() -> dict[tuple[tuple[int, ...], int], float]:
    """{(guess, l): P(the token at l is an error | guess, l drawn)}, from the table alone."""
    joint = {text: float(TABLE.log_joint[text].exp()) for text in SEQUENCES}
    drawn, wrong = defaultdict(float), defaultdict(float)
    for text, mask in itertools.product(SEQUENCES, MASKS):
        agreeing = [
            other
            for other in SEQUENCES
            if all(m or a == b for m, a, b in zip(mask, other, text, strict=True))
        ]
        total = sum(joint[other] for other in agreeing)
        for guess in SEQUENCES:
            if any(not m and a != b for m, a, b in zip(mask, guess, text, strict=True)):
                continue
            chance = joint[text] * chance_of_mask(mask)
            for n in range(LENGTH):
                if mask[n]:
                    alike = sum(joint[other] for other in agreeing if other[n] == guess[n])
                    chance *= alike / total
            for n in range(LENGTH):
                if mask[n]:
                    drawn[guess, n] += chance
                    wrong[guess, n] += chance * (guess[n] != text[n])
    return {place: wrong[place] / drawn[place] for place in drawn}


def lowest(outcomes: dict[tuple, float]) -> dict[tuple[tuple[int, ...], int], float]:
    """sigmoid(e) where the expected loss is smallest, of a head with a logit for each case."""
    logits = torch.zeros(len(SEQUENCES), LENGTH, dtype=torch.float64, requires_grad=True)
    _, guess, *rest = (torch.tensor(part) for part in zip(*outcomes, strict=True))
    guesses = Guesses(guess, *rest)
    chance = torch.tensor(list(outcomes.values()), dtype=torch.float64)
    index = (guess * torch.tensor([4, 2, 1])).sum(dim=1)
    optimizer = torch.optim.LBFGS(
        [logits],
        max_iter=300,
        tolerance_grad=1e-12,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        expected = (error_nats(logits[index], guesses) * chance[:, None]).sum()
        expected.backward()
        return expected

    optimizer.step(closure)
    probs = logits.detach().sigmoid()
    return {
        (guess, n): float(probs[b, n]) for b, guess in enumerate(SEQUENCES) for n in range(LENGTH)
    }


def test_the_loss_is_smallest_where_the_head_knows_the_posterior() -> None:
    expected = slow_posterior()
    assert lowest(every_guess()) == pytest.approx(expected, abs=1e-6)
    assert max(expected.values()) - min(expected.values()) > 0.2


def test_given_what_was_revealed_confidence_knows_all_there_is_to_know() -> None:
    """P(error | revealed, the whole guess) = 1 - c: on these labels no head is better."""
    drawn, wrong, sure = defaultdict(float), defaultdict(float), {}
    for (text, guess, mask, errors, confidence), chance in every_guess().items():
        revealed = tuple(None if m else token for m, token in zip(mask, text, strict=True))
        for n in range(LENGTH):
            if mask[n]:
                drawn[revealed, guess, n] += chance
                wrong[revealed, guess, n] += chance * errors[n]
                sure[revealed, guess, n] = confidence[n]
    posterior = {place: wrong[place] / drawn[place] for place in drawn}
    assert posterior == pytest.approx({place: 1 - c for place, c in sure.items()}, abs=1e-12)


def test_the_loss_counts_each_drawn_token_once_and_no_other() -> None:
    token_ids = torch.zeros(2, 3).long()
    guesses = Guesses(
        token_ids,
        is_drawn=torch.tensor([[True, False, True], [False, False, True]]),
        is_error=torch.tensor([[True, False, False], [False, False, True]]),
        confidence=torch.ones(2, 3, dtype=torch.float64),
    )
    logits = torch.tensor([[0.3, 9.0, -1.1], [-9.0, 9.0, 2.0]])
    nats = [math.log1p(math.exp(-0.3)), math.log1p(math.exp(-1.1)), math.log1p(math.exp(-2))]
    found = error_nats(logits, guesses)
    assert found[guesses.is_drawn].tolist() == pytest.approx(nats)
    assert not found[~guesses.is_drawn].any()
    assert error_loss(logits, guesses).item() == pytest.approx(sum(nats) / 3)


# Guesses of a network


def guessed(network, seed: int, batch_size: int = 64) -> tuple[Tensor, Guesses]:
    where = torch.ones(batch_size, TINY.length, dtype=torch.bool)
    flat = torch.zeros(batch_size, TINY.length, TINY.vocab_size)
    token_ids = SeededDraws(range(batch_size)).categorical(flat, where)
    return token_ids, random_guesses(network, token_ids, seed)


def test_guesses_cover_all_shares_of_masked_tokens_and_differ_by_seed() -> None:
    network = random_network()
    token_ids, found = guessed(network, seed=3)
    num_drawn = found.is_drawn.sum(dim=1)
    assert num_drawn.unique().tolist() == list(range(1, TINY.length + 1))
    assert torch.equal(found.token_ids[~found.is_drawn], token_ids[~found.is_drawn])
    assert torch.equal(found.is_error, found.token_ids != token_ids)
    assert (found.token_ids < TINY.vocab_size).all()
    again, other = guessed(network, seed=3)[1], guessed(network, seed=4)[1]
    assert torch.equal(found.token_ids, again.token_ids)
    assert not torch.equal(found.is_drawn, other.is_drawn)
    # Where all is masked the draft is the same: any difference comes from the draws.
    (alike,) = (num_drawn == TINY.length).nonzero(as_tuple=True)
    guesses = torch.cat([found.token_ids[alike], other.token_ids[alike]])
    assert len(guesses.unique(dim=0)) == 2 * len(alike) > 10


def test_confidence_is_the_probability_that_the_draft_gave() -> None:
    network = random_network()
    token_ids, found = guessed(network, seed=5, batch_size=8)
    for b, n in found.is_drawn.nonzero().tolist():
        masked = token_ids[b : b + 1].masked_fill(found.is_drawn[b : b + 1], TINY.mask_id)
        log_probs = network.draft(masked, torch.tensor([[n]])).log_probs[0, 0]
        expected = log_probs[found.token_ids[b, n]].exp().item()
        assert found.confidence[b, n].item() == pytest.approx(expected)


# Validation


def slow_auc(score: list[float], label: list[bool]) -> float:
    pairs = [(a, b) for a, x in zip(score, label, strict=True) if x
             for b, y in zip(score, label, strict=True) if not y]  # fmt: skip
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("num_values", [2, 5, 1000])
def test_the_area_under_the_curve_is_a_share_of_pairs(num_values: int) -> None:
    uniform = SeededDraws([1]).uniform(torch.ones(1, 60, dtype=torch.bool))[0]
    score, label = (uniform[:30] * num_values).floor(), uniform[30:] < 0.4
    expected = slow_auc(score.tolist(), label.tolist())
    assert area_under_curve(score, label) == pytest.approx(expected)
    assert area_under_curve(-score, label) == pytest.approx(1 - expected)


@pytest.mark.parametrize("label", [torch.zeros(4).bool(), torch.ones(4).bool()])
def test_where_nothing_can_be_told_apart_the_area_is_that_of_chance(label: Tensor) -> None:
    assert area_under_curve(torch.arange(4.0), label) == 0.5


def of_confidence(found: Guesses) -> float:
    _, drawn, wrong, sure = (part.flatten().tolist() for part in vars(found).values())
    values = zip(drawn, wrong, sure, strict=True)
    nats = [-math.log(1 - c if is_error else c) for is_drawn, is_error, c in values if is_drawn]
    return sum(nats) / len(nats)


@pytest.mark.parametrize("batch_sizes", [[64], [40, 24]], ids=str)
def test_validation_is_over_all_drawn_tokens_whatever_the_batches(
    batch_sizes: list[int],
) -> None:
    network = random_network()
    head = ErrorHead(network)
    torch.nn.init.constant_(head.unembedding.weight, 0.3)
    _, found = guessed(network, seed=6)
    parts = [part.split(batch_sizes) for part in vars(found).values()]
    batches = [Guesses(*columns) for columns in zip(*parts, strict=True)]
    result = validate(network, head, batches)
    with torch.no_grad():
        logits = head(trunk_features(network, found.token_ids))
    drawn = found.is_drawn
    assert result.loss == pytest.approx(error_loss(logits, found).item())
    score, label = logits[drawn].tolist(), found.is_error[drawn].tolist()
    assert result.auc == pytest.approx(slow_auc(score, label))
    sure = found.confidence[drawn].tolist()
    assert result.confidence_auc == pytest.approx(slow_auc([-c for c in sure], label))
    assert result.confidence_loss == pytest.approx(of_confidence(found))
    assert result.num_tokens == len(label)
    assert result.error_rate == pytest.approx(sum(label) / len(label))
