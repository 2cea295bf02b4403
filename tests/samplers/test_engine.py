"""The engine makes of every request what `sample` makes of it alone."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, PromptError
from unmask.network.error_head import ErrorHead, LearnedErrorPredictor
from unmask.network.policy import PolicyConfig, PolicyNetwork
from unmask.predictors.markov import MarkovChain
from unmask.process.blocks import Sliding
from unmask.process.remasking import Confidence, Rescale
from unmask.process.windows import Cosine, Fixed, Linear, Whole
from unmask.samplers import engine as engine_module
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.dilated import Dilated
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.engine import Engine, Request
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.factor import Factor
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.klass import Klass
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.maskgit import MaskGIT
from unmask.samplers.prefix_verify import PrefixVerify
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import sample
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.top_k import TopKEntropy, TopKMargin

LENGTHS = (5, 12, 9, 3, 12, 7, 10, 4, 11, 6)
CHAIN = MarkovChain.random(vocab_size=5, order=1, seed=0)
NETWORK = random_network(replace(TINY, length=12, num_tail_blocks=2))
POLICY = PolicyNetwork(PolicyConfig(length=12, width=8)).double()
ERROR_HEAD = ErrorHead(NETWORK)
for part in (POLICY, ERROR_HEAD):
    for number, weights in enumerate(part.parameters()):
        weights.data += 0.5 * torch.sin(torch.arange(weights.numel()) + number).view_as(weights)

CHOICES = [
    SelfSpeculative(window=Cosine(0.3), verify_rounds=2),
    SelfSpeculative(window=Linear(0.4), verify_rounds=3, order="spaced"),
    SelfSpeculative(window=Whole(), verify_rounds=2, order="confident", patience=0.5),
    SelfSpeculative(window=Fixed(3), order="left-to-right"),
    SelfSpeculative(window=Whole(), threshold=0.6, order="confident"),
    TargetOnly(window=Fixed(4)),
    FixedPartition(window=Cosine(0.3), order="spaced"),
    FixedPartition(window=Cosine(0.3), order="confident"),
    Ancestral(num_steps=4),
    FirstHitting(),
    MaskGIT(num_steps=4, choice_temperature=1.0),
    TopKMargin(num_steps=4, choice_temperature=0.5),
    TopKEntropy(num_steps=4),
    SemiAutoregressive(num_steps=6, block_length=4),
    Threshold(threshold=0.5),
    Factor(factor=1.5),
    EntropyBounded(bound=0.5),
    Klass(threshold=0.4, kl_bound=0.1),
    Dilated(block_length=4),
    ReMDM(num_steps=5, remasking=Rescale(0.3)),
    ReMDM(num_steps=5, remasking=Confidence()),
    StarShaped(num_steps=5),
    StarShaped(num_steps=5, error_predictor=LearnedErrorPredictor(NETWORK, ERROR_HEAD)),
    Lookahead(num_paths=2),
    LearnedPolicy(policy=POLICY),
    DraftVerify(drafter=Threshold(threshold=0.4), view="in-place"),
    PrefixVerify(window=Fixed(3)),
    SelfDraft(num_drafts=3),
    SelfDraft(num_drafts=3, threshold=0.3, blocks=Sliding(4)),
]
every_predictor = pytest.mark.parametrize("predictor", [CHAIN, NETWORK], ids=["chain", "network"])


def request(number: int, length: int, sampler, predictor) -> Request:
    """Every third is framed, one leaves nothing to do; of the chain every third is blank.

    To a network all positions of a blank sequence are alike, and rounding says which of them is
    the surest: rules that ask for that are not the same in every batch.
    """
    given_ids = torch.full((length,), predictor.vocab_size)
    if number % 3 or predictor is NETWORK:
        given_ids[0] = number % predictor.vocab_size
    if number % 3 == 2:
        given_ids[-1] = 1
    if number == 7:
        given_ids[:] = 2
    return Request(given_ids=given_ids, sampler=sampler, seed=100 + number)


def requests(samplers, predictor) -> list[Request]:
    return [
        request(number, length, samplers[number % len(samplers)], predictor)
        for number, length in enumerate(LENGTHS)
    ]


def alone(predictor, wanted: Request) -> dict:
    samples = sample(predictor, wanted.sampler, wanted.given_ids[None], SeededDraws([wanted.seed]))
    return {"token_ids": samples.token_ids[0].tolist(), "cost": samples.cost.each()[0]}


def check_each_is_as_alone(predictor, wanted, engine) -> None:
    results = sorted(engine.run(wanted), key=lambda result: result.number)
    assert [result.request for result in results] == wanted
    for result in results:
        got = {"token_ids": result.token_ids.tolist(), "cost": result.cost}
        assert got == alone(predictor, result.request)


OF_STREAMS = ("lossless", "lossless-branching", "autoregressive")


def test_every_sampler_is_here():
    """But wino, since neither predictor casts shadows, and those that need a causal trunk: they
    have tests of their own (test_wino.py, test_streamed.py)."""
    elsewhere = {SAMPLERS[name] for name in ("wino", *OF_STREAMS)}
    assert {type(sampler) for sampler in CHOICES} == set(SAMPLERS.values()) - elsewhere


@every_predictor
@pytest.mark.parametrize("sampler", CHOICES, ids=lambda sampler: type(sampler).__name__)
def test_a_sequence_is_the_same_beside_others_of_any_length(predictor, sampler):
    engine = Engine(predictor, num_slots=4)  # all in one lane, by fours
    check_each_is_as_alone(predictor, requests([sampler], predictor), engine)


@every_predictor
def test_samplers_may_differ_by_request(predictor):
    engine = Engine(predictor, num_slots=5, bucket=4)
    check_each_is_as_alone(predictor, requests(CHOICES[:4] + CHOICES[-3:], predictor), engine)


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), max_size=9),
    num_slots=st.integers(1, 6),
    bucket=st.none() | st.integers(1, 14),
)
def test_slots_and_buckets_change_nothing(lengths, num_slots, bucket):
    wanted = [
        request(number, length, CHOICES[number % 2], CHAIN)
        for number, length in enumerate(lengths)
    ]
    check_each_is_as_alone(CHAIN, wanted, Engine(CHAIN, num_slots=num_slots, bucket=bucket))


def test_large_tables_go_in_lanes_of_their_own(monkeypatch):
    """And make the same; a place that a sequence has left is taken by another."""
    monkeypatch.setattr(engine_module, "_MOST_NUMBERS", 2 * 12 * CHAIN.vocab_size)
    wanted = [request(n, 12, CHOICES[0], CHAIN) for n in range(7)]
    wanted += [request(n, 6, CHOICES[0], CHAIN) for n in range(7, 9)]
    together = list[int]()

    def observe(state, cost, number):
        together.append(len(number))

    check_each_is_as_alone(CHAIN, wanted, Engine(CHAIN, num_slots=6, observe=observe))
    assert 2 in together and max(together) <= 4  # four of the short ones would have room


def test_a_free_slot_is_taken_between_steps():
    """Three of length 1 take a step each; beside them one of length 12 takes twelve."""
    sampler, busy = FirstHitting(), []

    def note(state, info, numbers):
        busy.append(numbers.tolist())

    engine = Engine(CHAIN, num_slots=2, observe=note)
    given_ids = [torch.full((length,), 5) for length in (12, 1, 1, 1)]
    wanted = [Request(given_ids=ids, sampler=sampler, seed=0) for ids in given_ids]
    assert [result.number for result in engine.run(wanted)] == [1, 2, 3, 0]
    assert busy == [[0, 1], [0, 2], [0, 3], *[[0]] * 9]


def test_requests_are_taken_no_earlier_than_there_is_room():
    taken = []

    def endless():
        for number in range(1000):
            taken.append(number)
            yield Request(given_ids=torch.tensor([5, 5]), sampler=FirstHitting(), seed=number)

    results = Engine(CHAIN, num_slots=3).run(endless())
    for _ in range(4):
        next(results)
    assert taken == [0, 1, 2, 3, 4, 5]


def test_time_is_shared_out():
    wanted = requests([CHOICES[0]], CHAIN)
    results = list(Engine(CHAIN, num_slots=4).run(wanted))
    for result in results:
        assert 0 <= result.busy_seconds <= result.seconds
        assert (result.busy_seconds == 0) == (result.trunk_passes == 0)


def test_more_requests_than_slots():
    engine = Engine(CHAIN, num_slots=1)
    with pytest.raises(ConfigError, match="2 requests for 1 free slots of 1"):
        engine.admit(requests([FirstHitting()], CHAIN)[:2])


def test_of_wrong_requests_none_is_admitted():
    engine = Engine(CHAIN, num_slots=4)
    right, wrong = requests([FirstHitting()], CHAIN)[:2]
    wrong.given_ids[1] = 6
    with pytest.raises(PromptError, match="holds 6 at position 1"):
        engine.admit([right, wrong])
    assert engine.num_free == 4
    assert engine.step() == []


@pytest.mark.parametrize(("name", "value"), [("num_slots", 0), ("bucket", 0)])
def test_numbers_that_make_no_engine(name, value):
    with pytest.raises(ConfigError, match=f"Engine.{name} must be at least 1, got"):
        Engine(CHAIN, **{name: value})
