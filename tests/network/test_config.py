import json
import math
from dataclasses import replace

import pytest

from tests.reference.random_network import ABLATIONS, TINY
from unmask.errors import ConfigError
from unmask.network.config import HybridConfig


def test_configs_survive_json() -> None:
    for config in ABLATIONS:
        assert HybridConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_sizes_that_follow() -> None:
    config = replace(TINY, num_trunk_blocks=10, num_tail_blocks=2)
    assert (config.num_blocks, config.mask_id) == (12, TINY.vocab_size)


def check(field: str, value: object) -> None:
    """What a config with this value says of itself, past the tests' own check of types."""
    config = replace(TINY)
    object.__setattr__(config, field, value)
    config.__post_init__()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vocab_size", 0, "must be from 1 to"),
        ("length", 0, "must be from 1 to"),
        ("num_heads", 0, "must be from 1 to"),
        ("num_trunk_blocks", -1, "must be at least 0, got -1"),
        ("num_tail_blocks", -1, "must be at least 0, got -1"),
        ("width", 18, "must give each of the 2 heads a multiple of 4 channels, got 18"),
        ("width", 12, "must give each of the 2 heads a multiple of 4 channels, got 12"),
        ("mlp_ratio", 0.0, "must give each MLP at least one hidden channel, got 0.0"),
        ("mlp_ratio", 0.06, "must give each MLP at least one hidden channel, got 0.06"),
        ("mlp_ratio", math.inf, "must give each MLP at least one hidden channel, got inf"),
        ("mlp_ratio", math.nan, "must give each MLP at least one hidden channel, got nan"),
        ("dropout", 1.0, r"must lie in \[0, 1\), got 1.0"),
        ("dropout", -0.1, r"must lie in \[0, 1\), got -0.1"),
        ("activation", "tanh", r"must be one of \('relu2', .*got 'tanh'"),
        ("tail_inputs", "next", r"must be one of \('token', .*got 'next'"),
        ("tail_rotary", "none", r"must be one of \('crossed', .*got 'none'"),
        ("first_target", "tail", r"must be one of \('draft', .*got 'tail'"),
        ("heads", "shared", r"must be one of \('tied', .*got 'shared'"),
    ],
)
def test_choices_that_cannot_work_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=f"HybridConfig.{field} {message}"):
        check(field, value)


def test_a_network_has_blocks_of_one_kind_at_least() -> None:
    with pytest.raises(ConfigError, match="num_trunk_blocks must be at least 1 without tail"):
        replace(TINY, num_trunk_blocks=0, num_tail_blocks=0)


def test_choices_are_checked_when_made() -> None:
    with pytest.raises(ConfigError, match="width must give"):
        replace(TINY, width=18)


def test_fields_of_a_newer_version_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown fields \['depth'\].*Upgrade"):
        HybridConfig.from_json({**TINY.to_json(), "depth": 3})


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("vocab_size", "27", "int"),
        ("width", 16.0, "int"),
        ("num_heads", True, "int"),
        ("length", None, "int"),
        ("dropout", "0.1", "float"),
        ("output_residual", "yes", "bool"),
        ("output_residual", 1, "bool"),
        ("tail_inputs", ["token"], "str"),
    ],
)
def test_values_of_the_wrong_type_are_refused(field: str, value: object, kind: str) -> None:
    with pytest.raises(ConfigError, match=f"HybridConfig.{field} must be of type {kind}, got"):
        HybridConfig.from_json({**TINY.to_json(), field: value})


def test_a_whole_number_will_do_for_a_fraction() -> None:
    assert HybridConfig.from_json({**TINY.to_json(), "mlp_ratio": 2}) == TINY
