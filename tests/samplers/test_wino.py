"""Wide in, narrow out: against a slow twin, one sequence and one pass at a time."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.samplers.engine import Engine, Request
from unmask.samplers.wino import Wino
from unmask.speculation.filters import Filter

MASK = 64
NETWORK = random_network(CONFIGS["llada"])
SAMPLER = Wino(
    draft_threshold=0.08, keep_threshold=0.05, block_length=8, filter=Filter(temperature=0.0)
)


def slow(given: list[int], sampler: Wino) -> tuple[list[int], int, int]:
    """What a greedy run makes of one sequence, its passes, and how often it took a token back."""
    tokens, passes, taken_back = list(given), 0, 0
    wanted = [n for n, token in enumerate(given) if token == MASK]
    while MASK in tokens:
        first = min(n for n, token in enumerate(tokens) if token == MASK)
        block = (first - wanted[0]) // sampler.block_length
        start = wanted[0] + block * sampler.block_length
        inside = [n for n in wanted if start <= n < start + sampler.block_length]
        masked = [n for n in inside if tokens[n] == MASK]
        standing = [n for n in inside if tokens[n] != MASK]
        said = NETWORK.shadowed(
            torch.tensor([tokens]), torch.tensor([masked]), torch.tensor([standing or [0]])
        )
        probs = said.log_probs[0].exp()
        best = {n: int(probs[k].argmax()) for k, n in enumerate(masked)}
        order = sorted(masked, key=lambda n: -float(probs[masked.index(n), best[n]]))
        most = max(5, min(20, int(0.7 * len(masked))))
        chosen = [
            n for n in order[:most] if probs[masked.index(n), best[n]] > sampler.draft_threshold
        ] or order[:1]
        belief = {n: float(said.of_shadows[0, k].exp()[tokens[n]]) for k, n in enumerate(standing)}
        doubtful = [
            n for n in sorted(standing, key=belief.get) if belief[n] < sampler.keep_threshold
        ]
        doubtful = doubtful[: len(chosen) - 1]
        for n in chosen:
            tokens[n] = best[n]
        for n in doubtful:
            tokens[n] = MASK
        passes, taken_back = passes + 1, taken_back + len(doubtful)
    return tokens, passes, taken_back


PROMPTS = [[3, 1, 4], [], [5, 9, 2, 6], [7]]


def given(prompt: list[int], length: int = 22) -> list[int]:
    tokens = prompt + [MASK] * (length - len(prompt))
    tokens[12] = 33  # something given in the middle of an answer
    return tokens


@pytest.mark.parametrize("keep", [0.0, 0.05, 1.1])
def test_every_sequence_is_what_the_slow_twin_makes_of_it(keep: float) -> None:
    sampler = Wino(
        draft_threshold=0.08, keep_threshold=keep, block_length=8, filter=Filter(temperature=0.0)
    )
    requests = [
        Request(given_ids=torch.tensor(given(prompt)), sampler=sampler, seed=n)
        for n, prompt in enumerate(PROMPTS)
    ]
    total = 0
    for result in Engine(NETWORK, num_slots=3).run(requests):
        tokens, passes, taken_back = slow(given(PROMPTS[result.request.seed]), sampler)
        assert result.token_ids.tolist() == tokens
        assert result.trunk_passes == passes
        total += taken_back
    assert (total > 0) == (keep > 0)


def test_work_counts_the_shadows() -> None:
    draws, given_ids = SeededDraws([0]), torch.tensor([given([3, 1, 4])])
    state = SAMPLER.init(given_ids, mask_id=MASK, draws=draws)
    state, first = SAMPLER.step(state, NETWORK, draws)
    assert first.trunk.tokens.tolist() == [22]
    standing = int(((state.token_ids != MASK) & (given_ids == MASK)).sum())
    _, second = SAMPLER.step(state, NETWORK, draws)
    assert second.trunk.tokens.tolist() == [22 + standing]
    assert second.trunk.pairs.tolist() == [(22 + standing) * 22]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"draft_threshold": -0.1}, "draft_threshold must be a number of at least 0"),
        (
            {"keep_threshold": float("nan")},
            "keep_threshold must be a number of at least 0, got nan",
        ),
        ({"block_length": 0}, "block_length must be at least 1, got 0"),
    ],
)
def test_choices_that_cannot_work_are_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Wino(**values)


def test_as_released_the_batch_changes_nothing() -> None:
    sampler = Wino(
        draft_threshold=0.08, keep_threshold=0.06, block_length=8, as_released=True,
        filter=Filter(temperature=0.0),
    )  # fmt: skip
    alone = {}
    for num_slots in (1, 4):
        requests = [
            Request(given_ids=torch.tensor(given(prompt)), sampler=sampler, seed=n)
            for n, prompt in enumerate(PROMPTS)
        ]
        for result in Engine(NETWORK, num_slots=num_slots).run(requests):
            found = result.token_ids.tolist(), result.cost
            assert alone.setdefault(result.request.seed, found) == found
