"""Ends that are never drawn, or last: against a plain recursion, at any temperature."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import outcomes_by_enumeration
from tests.reference.reveal_recursion import best_only, left_to_right, outcomes_by_recursion
from unmask.caching.policies import Delayed, Dual
from unmask.errors import ConfigError
from unmask.predictors.pair import DrafterVerifierPair
from unmask.process.blocks import LeftToRight
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.engine import Engine, Request
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.maskgit import MaskGIT
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.threshold import Threshold
from unmask.samplers.wino import Wino
from unmask.samplers.wrappers.cached import Cached
from unmask.samplers.wrappers.end_rules import EndLast, NoEnd
from unmask.speculation.filters import Filter

PREDICTOR, GIVEN, ENDS = ArbitraryHybrid(4, 3, seed=5), [4, 4, 4], (1, 3)
NETWORK, OTHER = (random_network(CONFIGS["llada"], seed=seed) for seed in (0, 1))
TEMPERATURES = {0.0: best_only, 1.0: list}
every_temperature = pytest.mark.parametrize("temperature", TEMPERATURES)


def without_ends(probs):
    mass = sum(prob for token, prob in enumerate(probs) if token not in ENDS)
    return [0.0 if token in ENDS else prob / mass for token, prob in enumerate(probs)]


def surest_without_ends(probs, drawn, history):
    """One, by the confidence that counts no end; the first of equals."""
    return [min(drawn, key=lambda n: (-without_ends(probs[n])[drawn[n]], n))]


@every_temperature
@pytest.mark.parametrize("prompt", [GIVEN, [4, 2, 4]], ids=str)
def test_an_end_that_is_never_drawn(temperature, prompt) -> None:
    sampler = Threshold(threshold=2.0, filter=Filter(temperature=temperature))
    expected = outcomes_by_recursion(
        PREDICTOR,
        prompt,
        surest_without_ends,
        filtered=lambda probs: TEMPERATURES[temperature](without_ends(probs)),
    )
    found = outcomes_by_enumeration(PREDICTOR, NoEnd(sampler=sampler, end_ids=ENDS), prompt)
    assert found == pytest.approx(expected, abs=1e-12)
    assert all(set(tokens) <= {0, 2} for tokens, *_ in found)


@every_temperature
@pytest.mark.parametrize("prompt", [GIVEN, [4, 2, 4]], ids=str)
def test_an_end_that_is_drawn_last(temperature, prompt) -> None:
    filter = Filter(temperature=temperature)
    expected = outcomes_by_recursion(
        PREDICTOR, prompt, surest_without_ends, filtered=TEMPERATURES[temperature]
    )
    num_steps = prompt.count(4)
    for sampler in (
        Threshold(threshold=2.0, filter=filter),
        SemiAutoregressive(num_steps=num_steps, block_length=3, filter=filter),
    ):
        held_back = EndLast(sampler=sampler, end_ids=ENDS)
        found = outcomes_by_enumeration(PREDICTOR, held_back, prompt)
        assert found == pytest.approx(expected, abs=1e-12)
        if prompt == GIVEN:
            plain = outcomes_by_enumeration(PREDICTOR, sampler, prompt)
            assert found != pytest.approx(plain, abs=1e-3)


def test_an_end_is_held_back_within_its_block_only() -> None:
    sampler = Threshold(threshold=0.5, blocks=LeftToRight(2))

    def rule(probs, drawn, history):
        sure = {n for n in drawn if without_ends(probs[n])[drawn[n]] >= 0.5}
        return sure | set(surest_without_ends(probs, drawn, history))

    expected = outcomes_by_recursion(PREDICTOR, GIVEN, rule, candidates=left_to_right(2))
    found = outcomes_by_enumeration(PREDICTOR, EndLast(sampler=sampler, end_ids=ENDS), GIVEN)
    assert found == pytest.approx(expected, abs=1e-12)
    assert any(tokens[0] in ENDS for tokens, *_ in found)


@pytest.mark.parametrize("rule", [NoEnd, EndLast])
def test_a_sequence_is_the_same_in_any_batch(rule) -> None:
    check_same_in_any_batch(rule(sampler=Threshold(threshold=0.5), end_ids=(1,)))


GREEDY = Threshold(threshold=0.1, blocks=LeftToRight(6), filter=Filter(temperature=0.0))
DELAYED = {"cache": Delayed(3, 6), "shape": NETWORK.kv_cache_shape}


def written(sampler, predictor=NETWORK) -> dict[int, list[int]]:
    requests = [
        Request(
            given_ids=torch.tensor([*range(prompt), *[64] * (14 - prompt)]),
            sampler=sampler,
            seed=0,
        )
        for prompt in (2, 5)
    ]
    return {r.number: r.token_ids.tolist() for r in Engine(predictor, num_slots=2).run(requests)}


@pytest.mark.parametrize("rule", [NoEnd, EndLast])
def test_a_rule_and_a_cache_may_be_put_around_each_other(rule) -> None:
    ends = tuple(sorted(set(written(Cached(sampler=GREEDY, **DELAYED))[0][2:]))[:2])
    outside = rule(sampler=Cached(sampler=GREEDY, **DELAYED), end_ids=ends)
    inside = Cached(sampler=rule(sampler=GREEDY, end_ids=ends), **DELAYED)
    assert written(outside) == written(inside)
    assert written(outside) != written(Cached(sampler=GREEDY, **DELAYED))


def test_neither_member_of_a_team_says_an_end() -> None:
    team = DrafterVerifierPair(NETWORK, OTHER)
    for rule in ("trust", "exact"):
        pair = DraftVerify(drafter=GREEDY, rule=rule, view="in-place", num_draft_passes=2)
        plain = written(pair, team)
        assert plain == written(NoEnd(sampler=pair, end_ids=(63,)), team)  # never said anyway
        assert plain != written(pair, OTHER)
        ends = tuple(sorted(set(plain[0][2:] + plain[1][5:]))[:9])
        for number, tokens in written(NoEnd(sampler=pair, end_ids=ends), team).items():
            assert not set(tokens[(2, 5)[number] :]) & set(ends)


def test_no_end_works_where_drafts_are_judged_by_shadows() -> None:
    wide = Wino(draft_threshold=0.08, keep_threshold=0.05, filter=Filter(temperature=0.0))
    ends = tuple(sorted(set(written(wide)[0][2:]))[:3])
    assert not set(written(NoEnd(sampler=wide, end_ids=ends))[0][2:]) & set(ends)


def test_only_samplers_that_go_by_confidence_can_be_held_back() -> None:
    for sampler in (EntropyBounded(), MaskGIT(), Wino()):
        with pytest.raises(ConfigError, match=f"cannot hold a {type(sampler).__name__} back"):
            EndLast(sampler=sampler, end_ids=(1,))
    held_back = NoEnd(
        sampler=Cached(sampler=EntropyBounded(), cache=Dual(), shape=NETWORK.kv_cache_shape),
        end_ids=(1,),
    )
    with pytest.raises(ConfigError, match="cannot hold a EntropyBounded back"):
        EndLast(sampler=held_back, end_ids=(1,))


@pytest.mark.parametrize("rule", [NoEnd, EndLast])
@pytest.mark.parametrize("end_ids", [(), (4,), (1, -1)], ids=str)
def test_ends_that_are_no_tokens_are_refused(rule, end_ids) -> None:
    sampler = rule(sampler=Threshold(), end_ids=end_ids)
    with pytest.raises(ConfigError, match=rf"{rule.__name__}\.end_ids must be ids .* 0 to 3"):
        outcomes_by_enumeration(PREDICTOR, sampler, GIVEN)
