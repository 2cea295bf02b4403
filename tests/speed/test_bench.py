import math
from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from unmask.errors import ConfigError
from unmask.process.windows import Cosine
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speed.bench import measure

NETWORK = random_network(replace(TINY, length=12))


def test_a_row_says_what_was_generated():
    turns = []
    row = measure(
        NETWORK,
        SelfSpeculative(window=Cosine(0.4)),
        length=10,
        num_sequences=3,
        rounds=1,
        observe=lambda: turns.append(None),
    )
    assert len(turns) == 4
    assert row.tokens_per_second == pytest.approx(30 / row.seconds)
    assert row.nfe == pytest.approx(NETWORK.config.nfe(row.trunk_passes, row.tail_passes))
    assert row.num_trunk_batches >= row.trunk_passes and row.num_tail_batches >= row.tail_passes
    passes = row.num_trunk_batches * row.trunk_seconds + row.num_tail_batches * row.tail_seconds
    assert row.over_passes == pytest.approx(row.seconds / passes)
    assert row.to_json()["num_sequences"] == 3


def test_without_tail_passes_there_is_no_time_of_one():
    row = measure(NETWORK, Ancestral(num_steps=3), length=6, num_sequences=2, rounds=1)
    assert row.tail_passes == 0 and math.isnan(row.tail_seconds)
    assert row.to_json()["tail_seconds"] is None


@pytest.mark.parametrize("name", ["num_sequences", "rounds"])
def test_numbers_that_measure_nothing(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        measure(NETWORK, Ancestral(), length=6, **{"num_sequences": 1, name: 0})


def test_sequences_of_several_lengths_go_together():
    given = [torch.full((n,), NETWORK.vocab_size) for n in (4, 9, 12)]
    given[1][0] = 0  # given, so not generated
    row = measure(NETWORK, Ancestral(num_steps=3), length=12, num_sequences=3, given=given)
    assert row.tokens_per_second == pytest.approx((4 + 8 + 12) / row.seconds)
    assert 1 <= row.trunk_passes <= row.num_trunk_batches <= 3
