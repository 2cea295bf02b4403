"""Families along a causal trunk: measured by what waits, and by work."""

import pytest

from tests.network.test_stream import TINY
from unmask.data.characters import Characters
from unmask.errors import ConfigError
from unmask.frontier.contenders import contenders
from unmask.frontier.families import FAMILIES
from unmask.frontier.knob import knob_for
from unmask.frontier.measure import measure
from unmask.model import Model
from unmask.network.stream import StreamTransformer

NAMES = (
    "lossless", "lossless/factorised", "lossless-branching", "autoregressive",
    "self-speculative/left-to-right", "fixed-partition/left-to-right",
)  # fmt: skip


def model() -> Model:
    return Model(StreamTransformer(TINY, seed=1).eval(), Characters(alphabet=" abcd"), "causal")


@pytest.mark.parametrize("name", NAMES)
def test_work_and_what_waits_are_measured_apart(name):
    sampler = FAMILIES[name].make(4.0)
    found = measure(model(), sampler, num_samples=2, seed=1, batch_size=2)
    for n in range(2):
        in_turn = 2 * found.trunk_passes[n] + found.tail_passes[n]
        assert found.critical_path[n] == pytest.approx(in_turn / 3)
        assert found.nfe[n] > 0
    if name == "autoregressive":
        assert found.critical_path == [pytest.approx(12 * 2 / 3)] * 2
        assert found.nfe == [pytest.approx((2 * 12 + 12) / (3 * 12))] * 2


def test_a_knob_is_found_by_what_waits():
    whole = model()
    knob, cost = knob_for(
        FAMILIES["fixed-partition/left-to-right"],
        whole.network,
        2.0,
        length=TINY.length,
        nfe=whole.network.config.nfe,
    )
    assert knob == 4.0 and cost == pytest.approx(3 * 2 / 3)


def test_a_family_without_a_tail_to_verify_with_is_refused():
    config = TINY.__class__(**{**vars(TINY), "num_tail_blocks": 0, "max_window": 0})
    plain = Model(StreamTransformer(config).eval(), Characters(alphabet=" abcd"), "plain")
    with pytest.raises(ConfigError, match="plain has no causal blocks"):
        contenders(["self-speculative/left-to-right"], plain)
