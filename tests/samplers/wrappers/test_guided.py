"""Samplers under guidance: against a slow twin that knows the one prompt there is."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.counted_passes import CountedPasses
from tests.reference.law import outcomes_by_enumeration
from tests.reference.reveal_recursion import one_per_pass, outcomes_by_recursion
from unmask.caching.policies import NoCache
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.pair import DrafterVerifierPair
from unmask.predictors.protocol import Draft
from unmask.process.blocks import LeftToRight
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.engine import Engine, Request
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.sampler import sample
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.threshold import Threshold
from unmask.samplers.wino import Wino
from unmask.samplers.wrappers.cached import Cached
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.samplers.wrappers.end_rules import EndLast, NoEnd
from unmask.samplers.wrappers.guided import Guided
from unmask.speculation.filters import Filter

PREDICTOR = ArbitraryHybrid(3, 4, seed=8)
NETWORK, OTHER = (random_network(CONFIGS["llada"], seed=seed) for seed in (0, 1))
GREEDY = Filter(temperature=0.0)
ONE_BY_ONE = Threshold(threshold=2.0, blocks=LeftToRight(6), filter=GREEDY)
PROMPTS = [[2, 3, 3, 3], [3, 1, 3, 0], [0, 3, 3, 2]]
every_prompt = pytest.mark.parametrize("prompt", PROMPTS, ids=str)


class GuidedSlowly:
    """A predictor guided for one prompt, an entry at a time, in probabilities."""

    device = torch.device("cpu")

    def __init__(self, predictor, given: list[int], scale: float) -> None:
        self.predictor, self.given, self.scale = predictor, given, scale
        self.vocab_size = predictor.vocab_size

    def draft(self, token_ids, positions):
        rows = []
        for tokens, places in zip(token_ids.tolist(), positions.tolist(), strict=True):
            hidden = [
                token if given == self.vocab_size else self.vocab_size
                for token, given in zip(tokens, self.given, strict=True)
            ]
            cond, un = (
                self.predictor.draft(torch.tensor([ids]), torch.tensor([places]))
                .log_probs[0]
                .exp()
                .tolist()
                for ids in (tokens, hidden)
            )
            rows.append([])
            for likely, anyway in zip(cond, un, strict=True):
                weights = [c * (c / u) ** self.scale for c, u in zip(likely, anyway, strict=True)]
                rows[-1].append([weight / sum(weights) for weight in weights])
        return Draft(torch.tensor(rows, dtype=torch.float64).log(), None)


def twice(outcomes: dict) -> dict:
    return {(tokens, 2 * trunk, *rest): p for (tokens, trunk, *rest), p in outcomes.items()}


@every_prompt
def test_the_law_is_that_of_the_recursion_on_guided_predictions(prompt) -> None:
    sampler = Guided(sampler=Threshold(threshold=2.0), scale=0.7)
    twin = GuidedSlowly(PREDICTOR, prompt, 0.7)
    expected = twice(outcomes_by_recursion(twin, prompt, one_per_pass))
    assert outcomes_by_enumeration(PREDICTOR, sampler, prompt) == pytest.approx(
        expected, abs=1e-12
    )


@pytest.mark.parametrize(
    "sampler",
    [Lookahead(num_tokens=1, pool_size=2), Ancestral(num_steps=2), SelfDraft()],
    ids=lambda sampler: type(sampler).__name__,
)
def test_samplers_that_run_some_sequences_or_versions_of_them_are_guided_too(sampler) -> None:
    prompt = PROMPTS[1]
    twin = GuidedSlowly(PREDICTOR, prompt, 1.5)
    expected = twice(outcomes_by_enumeration(twin, sampler, prompt))
    found = outcomes_by_enumeration(PREDICTOR, Guided(sampler=sampler, scale=1.5), prompt)
    assert found == pytest.approx(expected, abs=1e-12)


@every_prompt
def test_without_a_scale_it_is_the_sampler_itself_with_one_pass(prompt) -> None:
    plain = Threshold(threshold=0.6)
    found = outcomes_by_enumeration(PREDICTOR, Guided(sampler=plain, scale=0.0), prompt)
    assert found == outcomes_by_enumeration(PREDICTOR, plain, prompt)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_passes_counted_are_those_made(scale) -> None:
    predictor = CountedPasses(NETWORK)
    given_ids = torch.tensor([[3, 1, *[64] * 8], [5, 2, 7, 1, *[64] * 6]])
    for plain in (ONE_BY_ONE, SelfDraft(), Ancestral(num_steps=4)):
        before = predictor.sequence_passes
        guided = Guided(sampler=plain, scale=scale)
        samples = sample(predictor, guided, given_ids, SeededDraws([0, 1]))
        assert samples.trunk_passes.sum() == predictor.sequence_passes - before


def written(sampler, predictor=NETWORK, num_slots: int = 3) -> dict:
    """Tokens and query-key work, of prompts of different lengths, one with a hole in it."""
    requests = []
    for number, (prompt, length) in enumerate([(3, 13), (1, 11), (6, 14)]):
        row = [*(7 * number + n for n in range(prompt)), *[64] * (length - prompt)]
        row[9] = 40
        requests.append(Request(given_ids=torch.tensor(row), sampler=sampler, seed=number))
    return {
        result.request.seed: (result.token_ids.tolist(), result.cost.trunk.pairs)
        for result in Engine(predictor, num_slots=num_slots).run(requests)
    }


@pytest.mark.parametrize(
    "sampler",
    [
        ONE_BY_ONE,
        SelfDraft(num_drafts=3, blocks=LeftToRight(6)),
        Wino(draft_threshold=0.08, keep_threshold=0.05, block_length=6, filter=GREEDY),
        DraftVerify(drafter=ONE_BY_ONE, num_draft_passes=2, threshold=0.05),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_sequences_with_other_prompts_change_nothing(sampler) -> None:
    guided = Guided(sampler=sampler, scale=1.0)
    together, alone = written(guided), written(guided, num_slots=1)
    assert together == alone
    for number, (tokens, _) in together.items():
        given = [7 * number + n for n in range((3, 1, 6)[number])]
        assert tokens[: len(given)] == given and tokens[9] == 40
        assert max(tokens) < 64
    assert [tokens for tokens, _ in together.values()] != [
        tokens for tokens, _ in written(sampler).values()
    ]


def test_chance_is_the_same_in_any_batch_too() -> None:
    check_same_in_any_batch(Guided(sampler=Threshold(threshold=0.5), scale=0.5))


def test_drafting_ahead_is_greedy_under_guidance() -> None:
    slow, fast = (
        [tokens for tokens, _ in written(Guided(sampler=rule, scale=1.0), num_slots=1).values()]
        for rule in (ONE_BY_ONE, SelfDraft(num_drafts=3, blocks=LeftToRight(6)))
    )
    assert fast == slow


def test_each_pass_is_twice_the_work() -> None:
    plain = written(ONE_BY_ONE)
    for number, (_, work) in written(Guided(sampler=ONE_BY_ONE, scale=1.0)).items():
        assert work == 2 * plain[number][1]
    wide = Wino(draft_threshold=2.0, keep_threshold=0.0, block_length=6, filter=GREEDY)
    guided = written(Guided(sampler=wide, scale=1.0))
    assert {n: work for n, (_, work) in guided.items()} == {
        n: 2 * work for n, (_, work) in written(wide).items()
    }


def test_wrappers_may_be_put_around_each_other() -> None:
    guided = Guided(sampler=ONE_BY_ONE, scale=1.0)
    ends = tuple({tokens[-2] for tokens, _ in written(guided).values()} - {40})
    for rule in (EarlyStop, NoEnd, EndLast):
        outside = rule(sampler=guided, end_ids=ends)
        inside = Guided(sampler=rule(sampler=ONE_BY_ONE, end_ids=ends), scale=1.0)
        assert written(outside) == written(inside) != written(guided)


def test_both_members_of_a_team_are_guided() -> None:
    pair = DraftVerify(drafter=ONE_BY_ONE, rule="exact", view="pre-draft", num_draft_passes=1)
    team = DrafterVerifierPair(NETWORK, OTHER)
    unguided = Guided(sampler=pair, scale=0.0)
    assert written(unguided, team) == written(pair, team)
    assert written(unguided, team) != written(pair, OTHER)
    assert written(Guided(sampler=pair, scale=1.0), team) != written(pair, team)


def test_no_cache_can_follow() -> None:
    cache = {"cache": NoCache(), "shape": NETWORK.kv_cache_shape}
    cached = Cached(sampler=ONE_BY_ONE, **cache)
    for sampler in (cached, EarlyStop(sampler=cached, end_ids=(1,)), DraftVerify(drafter=cached)):
        with pytest.raises(ConfigError, match="no cache can follow"):
            Guided(sampler=sampler, scale=1.0)
    with pytest.raises(ConfigError, match="no cache can follow"):
        written(Cached(sampler=Guided(sampler=ONE_BY_ONE, scale=1.0), **cache))


@pytest.mark.parametrize("scale", [-0.5, float("inf"), float("nan")])
def test_a_scale_out_of_range_is_refused(scale) -> None:
    with pytest.raises(ConfigError, match=r"Guided\.scale must be a number of at least 0"):
        Guided(sampler=ONE_BY_ONE, scale=scale)


def test_passes_of_a_drafter_are_two_as_well() -> None:
    rule = DraftVerify(drafter=ONE_BY_ONE, rule="exact", view="in-place", num_committed=0)
    given_ids, team = torch.tensor([[3, 1, 4] + [64] * 9]), DrafterVerifierPair(OTHER, NETWORK)
    infos = []
    for sampler in (rule, Guided(sampler=rule, scale=1e-9)):
        draws = SeededDraws([0])
        state = sampler.init(given_ids, mask_id=64, draws=draws)
        infos.append(sampler.step(state, team, draws)[1])
    plain, guided = infos
    (plain,), (guided,) = plain.each(), guided.each()
    assert (guided.trunk, guided.drafter) == (plain.trunk * 2, plain.drafter * 2)
    assert plain.drafter.passes > 0
