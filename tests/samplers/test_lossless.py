"""What is verified by the stream follows the stream's law, whatever drafted it: enumerated."""

from dataclasses import replace

import pytest
import torch

from tests.network.test_stream import TINY, random_stream
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from tests.reference.stream_law import law_of_stream
from unmask.errors import ConfigError
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.streamed import Streamed, along_stream
from unmask.speculation.filters import Filter

SMALL = replace(TINY, vocab_size=2, length=4, width=8, num_trunk_blocks=1, max_window=4)
NOTHING, PROMPT, TEMPLATE = [2, 2, 2, 2], [1, 2, 2, 2], [2, 1, 2, 0]


def network(seed=1, **choices):
    return random_stream(replace(SMALL, **choices), seed=seed)


def check_is_stream_law(predictor, sampler, given, filter=lambda log_probs: log_probs):
    outcomes = outcomes_by_enumeration(predictor, sampler, given)
    law, wanted = of_tokens(outcomes), law_of_stream(predictor, given, filter)
    assert sum(wanted.values()) == pytest.approx(1, abs=1e-12)
    assert max(abs(law[tokens] - wanted[tokens]) for tokens in wanted) < 1e-10
    return outcomes


@pytest.mark.parametrize("given", [NOTHING, PROMPT, TEMPLATE], ids=["all", "prompt", "template"])
@pytest.mark.parametrize("drafts", ["tail", "factorised"])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
@pytest.mark.parametrize("first_target", ["draft", "stream"])
@pytest.mark.parametrize("is_cached", [True, False])
def test_the_law_is_the_streams(is_cached, first_target, window, drafts, given):
    predictor = network(first_target=first_target)
    sampler = Lossless(num_tokens=window, drafts=drafts)
    if is_cached:
        sampler = Streamed(sampler=sampler, shape=predictor.stream_shape)
    check_is_stream_law(predictor, sampler, given)


@pytest.mark.parametrize("given", [NOTHING, PROMPT, TEMPLATE], ids=["all", "prompt", "template"])
@pytest.mark.parametrize("drafts", ["tail", "factorised"])
@pytest.mark.parametrize("window", [2, 3, 4])
@pytest.mark.parametrize("first_target", ["draft", "stream"])
@pytest.mark.parametrize("is_cached", [True, False])
def test_the_law_of_branching_is_the_streams(is_cached, first_target, window, drafts, given):
    predictor = network(first_target=first_target)
    sampler = LosslessBranching(num_tokens=window, drafts=drafts)
    if is_cached:
        sampler = along_stream(sampler, predictor, torch.tensor(given))
    outcomes = check_is_stream_law(predictor, sampler, given)
    assert min(trunk for _, trunk, _, _ in outcomes) < given.count(2) or given.count(2) == 2


@pytest.mark.parametrize("drafts", ["tail", "factorised"])
def test_the_law_is_the_streams_with_two_tail_blocks_and_a_filter(drafts):
    predictor = network(num_tail_blocks=2)
    filter = Filter(temperature=0.7, top_p=0.9)
    sampler = Streamed(
        sampler=Lossless(num_tokens=3, drafts=drafts, filter=filter), shape=predictor.stream_shape
    )
    check_is_stream_law(predictor, sampler, NOTHING, filter)


@pytest.mark.parametrize("given", [NOTHING, PROMPT, TEMPLATE], ids=["all", "prompt", "template"])
def test_one_token_per_pass_is_the_streams_law(given):
    predictor = network()
    sampler = Streamed(sampler=Autoregressive(), shape=predictor.stream_shape)
    outcomes = check_is_stream_law(predictor, sampler, given)
    assert mean_of(outcomes, 1) == pytest.approx(given.count(2))


def test_the_stream_without_a_window_is_a_language_model():
    predictor = network(num_tail_blocks=0, max_window=0)
    sampler = Streamed(sampler=Autoregressive(), shape=predictor.stream_shape)
    check_is_stream_law(predictor, sampler, PROMPT)


def test_cycles_settle_more_than_a_token_and_at_most_one_more_than_the_window():
    predictor = network()
    sampler = Streamed(sampler=Lossless(num_tokens=3), shape=predictor.stream_shape)
    outcomes = check_is_stream_law(predictor, sampler, NOTHING)
    passes = [trunk for _, trunk, _, _ in outcomes]
    assert min(passes) == 2 and max(passes) <= 8
    assert mean_of(outcomes, 1) < 8


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"Lossless.num_tokens must be at least 1, got 0"):
        Lossless(num_tokens=0)
