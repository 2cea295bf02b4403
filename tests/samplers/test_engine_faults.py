"""What goes wrong with one request, or in one pass, costs no other request anything."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.samplers.test_engine import CHAIN, CHOICES, LENGTHS, NETWORK, OF_STREAMS, request
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, PromptError
from unmask.network.stream import StreamTransformer
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.sampler import sample
from unmask.samplers.streamed import along_stream

ASKED = ("draft", "verify", "extend", "branch", "forward_cached", "shadowed")
POISON = 3
"""A sequence that begins with this token, and one of another length, fails in every pass."""


class Broken(Exception):
    pass


class Failing:
    """A predictor of which some calls raise, by their number or by what they are about."""

    def __init__(self, predictor, calls=(), is_poisoned=False) -> None:
        self._predictor, self._calls, self._is_poisoned = predictor, set(calls), is_poisoned
        self.num_calls = 0

    def __getattr__(self, name):
        asked = getattr(self._predictor, name)
        if name not in ASKED:
            return asked

        def call(*args, **kwargs):
            self.num_calls += 1
            ids = kwargs.get("filled_ids", args[0] if args else None)
            is_bad = self._is_poisoned and (ids[:, 0] == POISON).any()
            if is_bad or self.num_calls in self._calls:
                raise Broken(f"call {self.num_calls}")
            return asked(*args, **kwargs)

        return call


def alone(predictor, wanted: Request):
    made = sample(predictor, wanted.sampler, wanted.given_ids[None], SeededDraws([wanted.seed]))
    return made.token_ids[0].tolist(), made.cost.each()[0]


def check_survivors(predictor, wanted, results) -> None:
    for result in results:
        if result.error is None:
            assert (result.token_ids.tolist(), result.cost) == alone(predictor, result.request)
        else:
            assert isinstance(result.error, Broken)


def results_of(predictor, wanted) -> list[Result]:
    """All of them, of which one at most failed: the last one left, alone at that call."""
    engine, results = Engine(predictor), []
    engine.admit(wanted)
    while engine.num_free < engine.num_slots:
        results += engine.step()
    assert sorted(result.number for result in results) == list(range(len(wanted)))
    assert sum(result.error is not None for result in results[:-1]) == 0
    return results


@settings(max_examples=12, deadline=None)
@given(
    choices=st.lists(st.sampled_from(CHOICES), min_size=1, max_size=3),
    lengths=st.lists(st.sampled_from(LENGTHS), min_size=1, max_size=7),
    calls=st.sets(st.integers(1, 25), max_size=4),
    arrivals=st.lists(st.integers(0, 6), min_size=7, max_size=7),
    cancelled=st.dictionaries(st.integers(0, 6), st.integers(1, 5), max_size=2),
    num_slots=st.integers(1, 5),
)
def test_random_faults_arrivals_and_cancellations(
    choices, lengths, calls, arrivals, cancelled, num_slots
) -> None:
    wanted = [
        request(number, length, choices[number % len(choices)], CHAIN)
        for number, length in enumerate(lengths)
    ]
    waiting = sorted(range(len(wanted)), key=lambda n: (arrivals[n], n))
    engine = Engine(Failing(CHAIN, calls), num_slots=num_slots)
    results, gone, time = [], set(), 0
    while waiting or engine.num_free < num_slots:
        while waiting and arrivals[waiting[0]] <= time and engine.num_free:
            engine.admit([wanted[waiting.pop(0)]])
        for number, when in cancelled.items():
            if when == time and engine.cancel(number):
                gone.add(number)
        results += engine.step()
        time += 1
    assert sorted([*(result.number for result in results), *gone]) == list(range(len(wanted)))
    check_survivors(CHAIN, wanted, results)


@pytest.mark.parametrize("sampler", CHOICES, ids=lambda sampler: type(sampler).__name__)
def test_a_pass_that_fails_once_changes_nothing(sampler) -> None:
    """At the first calls of the predictor, and at a later one."""
    wanted = [request(number, length, sampler, NETWORK) for number, length in enumerate((9, 12))]
    for call in (1, 2, 5):
        check_survivors(NETWORK, wanted, results_of(Failing(NETWORK, [call]), wanted))


@pytest.mark.parametrize("name", OF_STREAMS)
def test_along_a_stream_too(name) -> None:
    from tests.network.test_stream import TINY as STREAM

    network = StreamTransformer(STREAM, seed=1).eval()
    given_ids = torch.full((STREAM.length,), STREAM.vocab_size)
    choices = {} if name == "autoregressive" else {"num_tokens": 4}
    sampler = along_stream(SAMPLERS[name](**choices), network, given_ids)
    wanted = [Request(given_ids=given_ids, sampler=sampler, seed=seed) for seed in (4, 5)]
    for call in (1, 2, 4, 7):
        check_survivors(network, wanted, results_of(Failing(network, [call]), wanted))


def test_a_request_that_always_fails_ends_alone_with_its_error() -> None:
    good = [request(number, 9, FirstHitting(), CHAIN) for number in range(2)]
    for one in good:
        one.given_ids[0] = 1
    bad = Request(given_ids=torch.tensor([POISON] + [5] * 8), sampler=FirstHitting(), seed=7)
    failing = Failing(CHAIN, is_poisoned=True)
    engine = Engine(failing, num_slots=3)
    engine.admit([good[0], bad, good[1]])
    (failed,) = engine.step()
    assert failed.number == 1 and isinstance(failed.error, Broken) and engine.num_free == 1
    assert failed.token_ids.tolist() == bad.given_ids.tolist() and failed.trunk_passes == 0
    results = []
    while engine.num_free < 3:
        results += engine.step()
    check_survivors(CHAIN, good, results)
    # From `run` the others come first, then the error.
    found = []
    with pytest.raises(Broken):
        for result in Engine(failing, num_slots=3).run([good[0], bad]):
            found.append(result.number)
    alone_and_bad = Engine(failing, num_slots=1).run([good[0], bad])
    assert next(alone_and_bad).number == 0
    with pytest.raises(Broken):
        next(alone_and_bad)


def test_an_interrupt_leaves_the_engine_as_it_was() -> None:
    class Interrupted(Failing):
        def __getattr__(self, name):
            asked = super().__getattr__(name)

            def call(*args, **kwargs):
                try:
                    return asked(*args, **kwargs)
                except Broken:
                    raise KeyboardInterrupt from None

            return call if name in ASKED else asked

    wanted = [request(number, length, CHOICES[0], CHAIN) for number, length in enumerate((9, 12))]
    engine = Engine(Interrupted(CHAIN, [3]))
    engine.admit(wanted)
    results, interrupts = [], 0
    while engine.num_free < engine.num_slots:
        try:
            results += engine.step()
        except KeyboardInterrupt:
            interrupts += 1
    assert interrupts == 1 and len(results) == 2
    check_survivors(CHAIN, wanted, results)


def test_no_result_is_lost_to_an_observer_that_raises() -> None:
    def observe(state, info, numbers):
        if 1 in numbers.tolist():
            raise Broken

    engine = Engine(CHAIN, observe=observe, bucket=1)
    given_ids = [torch.full((length,), 5) for length in (1, 2)]
    engine.admit([Request(given_ids=ids, sampler=FirstHitting(), seed=0) for ids in given_ids])
    found = []
    for _ in range(5):
        try:
            found += engine.step()
        except Broken:
            continue
    assert [result.number for result in found] == [0, 1]


def test_what_is_cancelled_frees_its_slot_at_once() -> None:
    engine = Engine(CHAIN, num_slots=2)
    first, second = engine.admit([request(n, 9, FirstHitting(), CHAIN) for n in range(2)])
    engine.step()
    assert engine.cancel(first) and engine.num_free == 1
    assert not engine.cancel(first) and not engine.cancel(99)
    assert engine.cancel(second) and engine.num_free == 2 and engine.step() == []


GIVEN = torch.full((4,), 5)
WRONG = {
    "a batch": (dict(given_ids=GIVEN[None]), PromptError, "one sequence of token ids"),
    "a list": (dict(given_ids=[5, 5]), PromptError, "one sequence of token ids"),
    "floats": (dict(given_ids=GIVEN.double()), PromptError, "float64"),
    "nothing": (dict(given_ids=GIVEN[:0]), PromptError, "1 to"),
    "a foreign id": (dict(given_ids=GIVEN + 1), PromptError, "holds 6 at position 0"),
    "a name": (dict(sampler="ancestral"), ConfigError, "a sampler as an object"),
    "a class": (dict(sampler=FirstHitting), ConfigError, "a sampler as an object"),
    "no seed": (dict(seed=None), ConfigError, "whole number of at most 64 bits"),
    "half a seed": (dict(seed=1.5), ConfigError, "whole number of at most 64 bits"),
    "a seed of 65 bits": (dict(seed=2**64), ConfigError, "whole number of at most 64 bits"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_request_is_checked_at_the_door(wrong) -> None:
    changed, error, said = WRONG[wrong]
    good = dict(given_ids=GIVEN, sampler=FirstHitting(), seed=0)
    engine = Engine(CHAIN)
    # Annotations are not enforced where this runs: what a server is sent is of any kind.
    bad = object.__new__(Request)
    for name, value in {**good, **changed}.items():
        object.__setattr__(bad, name, value)
    with pytest.raises(error, match=said):
        engine.admit([Request(**good), bad])
    assert engine.num_free == engine.num_slots


def test_a_sequence_that_is_too_long_is_refused() -> None:
    given_ids = torch.full((13,), NETWORK.vocab_size)
    with pytest.raises(PromptError, match="1 to 12 tokens"):
        Engine(NETWORK).admit([Request(given_ids=given_ids, sampler=FirstHitting(), seed=0)])
