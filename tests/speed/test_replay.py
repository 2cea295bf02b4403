"""A replay makes the calls of the generation: same number, same work, same answers."""

from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from unmask.predictors.counter import count_work
from unmask.process.windows import Cosine
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speed.bench import generated, record

NETWORK = random_network(replace(TINY, length=12))
SAMPLERS = [SelfSpeculative(window=Cosine(0.4), verify_rounds=3), Ancestral(num_steps=4)]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=["self-speculative", "ancestral"])


@every_sampler
def test_what_is_recorded_is_what_is_generated(sampler):
    _, recorded = record(NETWORK, sampler, length=12, num_sequences=5)
    plain = generated(NETWORK, sampler, length=12, num_sequences=5)
    tokens = {result.number: result.token_ids.tolist() for result in plain}
    assert {result.number: result.token_ids.tolist() for result in recorded} == tokens


@every_sampler
def test_a_replay_does_the_work_of_the_generation(sampler):
    with count_work(NETWORK) as work:
        recording, _ = record(NETWORK, sampler, length=12, num_sequences=5)
        flops, nfe, tokens = work.flops, work.nfe, work.tail.tokens
        seconds = recording.play(NETWORK)
        assert (work.flops, work.nfe, work.tail.tokens) == (2 * flops, 2 * nfe, 2 * tokens)
    assert seconds.trunk > 0
    assert (seconds.tail > 0) == (recording.count("verify") > 0)
    assert seconds.total == seconds.trunk + seconds.tail


def test_calls_are_kept_as_they_were_made():
    """What a sampler writes into its tensors later does not reach back."""
    recording, results = record(NETWORK, SAMPLERS[0], length=12, num_sequences=2)
    first = recording.calls[0]
    assert first.name == "draft"
    assert (first.arguments["token_ids"] == NETWORK.vocab_size).all()
    assert all((result.token_ids < NETWORK.vocab_size).all() for result in results)
    assert recording.count("draft") == max(result.trunk_passes for result in results)


def test_the_tail_is_asked_again_with_its_cache():
    answers = []

    class Listening:
        device = torch.device("cpu")

        def __getattr__(self, name):
            def call(*arguments, **options):
                made = getattr(NETWORK, name)(*arguments, **options)
                if name == "verify":
                    answers.append(made)
                return made

            return call

    recording, _ = record(NETWORK, SAMPLERS[0], length=12, num_sequences=3)
    recording.play(Listening())
    recording.play(Listening())
    half = len(answers) // 2
    assert half == recording.count("verify") > 0
    for first, again in zip(answers[:half], answers[half:], strict=True):
        assert torch.equal(first, again)
