"""Greedy decoding, several steps in a pass: what it writes, and what the passes are."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.counted_passes import CountedPasses
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.process.blocks import LeftToRight, Sliding, Whole
from unmask.samplers.engine import Engine, Request
from unmask.samplers.sampler import sample
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.threshold import Threshold
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.speculation.filters import Filter

GREEDY = Filter(temperature=0.0)
PREDICTORS = {
    "llada": random_network(CONFIGS["llada"]),
    "Dream": random_network(CONFIGS["Dream"]),
    "chain": MarkovChain.random(5, order=1, seed=3),
}
BLOCKS = [Whole(), LeftToRight(4), Sliding(3)]
every_predictor = pytest.mark.parametrize("name", PREDICTORS)
every_blocks = pytest.mark.parametrize("blocks", BLOCKS, ids=str)


def prompts(mask_id: int) -> list[list[int]]:
    """Of different lengths, with something given in the middle, with one left to do, with none."""
    shapes = [(3, 9), (1, 12), (6, 4), (2, 1), (4, 7), (5, 0)]
    rows = [
        [*((3 * row + n) % mask_id for n in range(prompt)), *[mask_id] * wanted]
        for row, (prompt, wanted) in enumerate(shapes)
    ]
    rows[1][5] = 2
    return rows


def generated(predictor, sampler, num_slots: int = 6) -> list[tuple[list[int], int, int]]:
    """Tokens, passes, and steps in which one was made, of every prompt."""
    waits = [0] * 6

    def watch(state, info, numbers) -> None:
        for number, passes in zip(numbers.tolist(), info.trunk.passes.tolist(), strict=True):
            waits[number] += passes > 0

    requests = [
        Request(given_ids=torch.tensor(row), sampler=sampler, seed=0)
        for row in prompts(predictor.vocab_size)
    ]
    engine = Engine(predictor, num_slots=num_slots, observe=watch)
    results = sorted(engine.run(requests), key=lambda result: result.number)
    return [
        (result.token_ids.tolist(), result.trunk_passes, waits[result.number])
        for result in results
    ]


def slow(predictor, given: list[int], sampler: SelfDraft) -> tuple[list[int], int, int]:
    """The same of one sequence, draft by draft."""
    mask_id = predictor.vocab_size

    def predicted(tokens: list[int]) -> list[tuple[float, int, int]]:
        """(minus the confidence, position, token), the surest first."""
        masked = [n for n, token in enumerate(tokens) if token == mask_id]
        origin = given.index(mask_id)
        if isinstance(sampler.blocks, LeftToRight):
            length = sampler.blocks.block_length
            masked = [
                n for n in masked if (n - origin) // length == (masked[0] - origin) // length
            ]
        if isinstance(sampler.blocks, Sliding):
            masked = masked[: sampler.blocks.width]
        log_probs = predictor.draft(torch.tensor([tokens]), torch.tensor([masked])).log_probs[0]
        found = zip(masked, log_probs.exp().max(dim=-1).values, log_probs.argmax(-1), strict=True)
        return sorted((-float(prob), n, int(token)) for n, prob, token in found)

    def step(ranked) -> list[tuple[int, int]]:
        return [
            (n, token)
            for number, (prob, n, token) in enumerate(ranked)
            if number == 0 or -prob >= sampler.threshold
        ]

    tokens, passes, ranked, waits = list(given), 0, None, 0
    while mask_id in tokens:
        passes_before = passes
        if ranked is None:
            ranked, passes = predicted(tokens), passes + 1
        drafts, num_sure = [], len(step(ranked))
        for number in range(num_sure, min(num_sure + sampler.num_drafts, len(ranked) + 1)):
            drafts.append(list(tokens))
            for _, n, token in ranked[:number]:
                drafts[-1][n] = token
        seen = [predicted(draft) if mask_id in draft else None for draft in drafts]
        passes += sum(one is not None for one in seen)
        best = 0
        while best + 1 < len(drafts):
            target = list(drafts[best])
            for n, token in step(seen[best]):
                target[n] = token
            if any(a not in (mask_id, b) for a, b in zip(drafts[best + 1], target, strict=True)):
                break
            best += 1
        tokens, ranked = drafts[best], seen[best]
        waits += passes > passes_before
    return tokens, passes, waits


@every_predictor
@every_blocks
@pytest.mark.parametrize("num_drafts", [1, 20])
def test_it_writes_what_one_token_per_pass_writes(name, blocks, num_drafts) -> None:
    predictor = PREDICTORS[name]
    one_by_one = generated(predictor, Threshold(threshold=2.0, blocks=blocks, filter=GREEDY))
    found = generated(predictor, SelfDraft(num_drafts=num_drafts, blocks=blocks))
    assert [tokens for tokens, *_ in found] == [tokens for tokens, *_ in one_by_one]
    if num_drafts == 1:
        assert [passes for _, passes, _ in found] == [passes for _, passes, _ in one_by_one]


@every_predictor
def test_the_greedy_decoding_that_it_equals_is_that_of_llada(name) -> None:
    predictor = PREDICTORS[name]
    for row in prompts(predictor.vocab_size)[:-1]:
        given_ids = torch.tensor([row])
        num_steps = int((given_ids == predictor.vocab_size).sum())
        written = [
            sample(predictor, sampler, given_ids, SeededDraws([0])).token_ids
            for sampler in (
                SemiAutoregressive(num_steps=num_steps, block_length=4, filter=GREEDY),
                SelfDraft(num_drafts=3, blocks=LeftToRight(4)),
            )
        ]
        assert torch.equal(*written)


@every_predictor
@every_blocks
def test_it_never_waits_for_more_passes_than_there_are_tokens(name, blocks) -> None:
    """One first pass and one for each step but the last: drafts are run side by side."""
    predictor, saved = PREDICTORS[name], 0
    num_wanted = [row.count(predictor.vocab_size) for row in prompts(predictor.vocab_size)]
    for tokens_wanted, (_, passes, waits) in zip(
        num_wanted, generated(predictor, SelfDraft(blocks=blocks)), strict=True
    ):
        # The first step waits twice: for its prediction and for its drafts.
        in_sequence = waits + (tokens_wanted > 1)
        assert in_sequence <= tokens_wanted <= passes or tokens_wanted == 0
        saved += tokens_wanted - in_sequence
    assert saved > 0


@every_predictor
@every_blocks
@pytest.mark.parametrize("threshold", [0.2, 2.0])
def test_tokens_and_passes_are_those_of_the_slow_twin(name, blocks, threshold) -> None:
    predictor = PREDICTORS[name]
    sampler = SelfDraft(num_drafts=3, threshold=threshold, blocks=blocks)
    expected = [slow(predictor, row, sampler) for row in prompts(predictor.vocab_size)]
    assert generated(predictor, sampler) == expected


@every_predictor
@pytest.mark.parametrize("num_slots", [4])
def test_sequences_are_the_same_in_any_batch(name, num_slots) -> None:
    for sampler in (SelfDraft(blocks=LeftToRight(4)), SelfDraft(threshold=0.2, blocks=Sliding(3))):
        together = generated(PREDICTORS[name], sampler)
        assert generated(PREDICTORS[name], sampler, num_slots) == together


@every_predictor
def test_drafts_are_right_some_times_and_wrong_at_others(name) -> None:
    """Or the tests above would say little."""
    predictor, draws, best = PREDICTORS[name], SeededDraws([0]), set()
    for first in range(3):
        given_ids = torch.full((1, 12), predictor.vocab_size)
        given_ids[0, :2] = first
        sampler = SelfDraft(num_drafts=3)
        state = sampler.init(given_ids, mask_id=predictor.vocab_size, draws=draws)
        while state.num_masked > 3:
            state, info = sampler.step(state, predictor, draws)
            best.add(int(info.accepted))
    assert {1, 2} <= best


def test_passes_counted_are_those_made() -> None:
    predictor = CountedPasses(PREDICTORS["chain"])
    given_ids = torch.full((4, 9), 5)
    for row in range(4):
        given_ids[row, : 2 * row] = row
    for blocks in BLOCKS:
        before = predictor.sequence_passes
        samples = sample(predictor, SelfDraft(blocks=blocks), given_ids, SeededDraws(range(4)))
        assert samples.trunk_passes.sum() == predictor.sequence_passes - before
        assert torch.equal(samples.accepted, (given_ids == 5).sum(dim=1))


def test_independent_tokens_are_all_foreseen() -> None:
    """Nothing that is revealed changes what is said of the rest: every draft is right."""
    log_p = torch.tensor([0.6, 0.4], dtype=torch.float64).log()
    tilt = torch.linspace(1.0, 1.5, 4, dtype=torch.float64)
    log_joint = sum(
        (log_p * tilt[n]).log_softmax(0).reshape([2 if n == m else 1 for m in range(4)])
        for n in range(4)
    )
    table, given_ids = JointTable(log_joint), torch.full((1, 4), 2)
    for num_drafts, passes in ((1, 4), (2, 4), (3, 4), (4, 4)):
        sampler, draws, steps = SelfDraft(num_drafts=num_drafts), SeededDraws([0]), 0
        state, total = sampler.init(given_ids, mask_id=2, draws=draws), 0
        while not state.is_done.all():
            state, info = sampler.step(state, table, draws)
            steps, total = steps + 1, total + int(info.trunk.passes)
        assert steps == -(-4 // num_drafts)
        assert total == passes  # the last draft, which is whole, is never run
        assert state.token_ids.tolist() == [[0, 0, 0, 0]]


def test_stopping_where_the_text_ends_leaves_the_same_text() -> None:
    predictor = PREDICTORS["llada"]
    plain = generated(predictor, SelfDraft(blocks=LeftToRight(4)))
    ends = (plain[0][0][6], plain[1][0][4])
    one_by_one, found = (
        generated(predictor, EarlyStop(sampler=rule, end_ids=ends))
        for rule in (
            Threshold(threshold=2.0, blocks=LeftToRight(4), filter=GREEDY),
            SelfDraft(num_drafts=3, blocks=LeftToRight(4)),
        )
    )
    shortened = 0
    for row, (expected, *_), (tokens, *_) in zip(
        prompts(predictor.vocab_size), one_by_one, found, strict=True
    ):
        start = row.index(64) if 64 in row else 0
        stop = next((n for n in range(start, len(row)) if expected[n] in ends), len(row))
        assert tokens[: stop + 1] == expected[: stop + 1]
        shortened += stop < len(row) - 1
    assert shortened


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_drafts": 0}, r"SelfDraft\.num_drafts must be at least 1, got 0"),
        ({"threshold": -0.1}, r"SelfDraft\.threshold must be a number of at least 0, got -0\.1"),
        ({"threshold": float("nan")}, r"SelfDraft\.threshold .* got nan"),
        ({"filter": Filter()}, r"SelfDraft is for temperature 0, got 1\.0: .*cannot be guessed"),
    ],
)
def test_choices_that_cannot_work_are_refused(fields, message) -> None:
    with pytest.raises(ConfigError, match=message):
        SelfDraft(**fields)
