from dataclasses import replace

import pytest
import torch

from tests.frontier.small_model import CONFIG, small_model, small_model_with_policy
from unmask.errors import CheckpointError, ConfigError
from unmask.frontier.entries import check_is_contender, contenders
from unmask.frontier.folder import fingerprint
from unmask.models.load import load
from unmask.models.text import TextModel
from unmask.network.hybrid import HybridTransformer
from unmask.network.policy import PolicyConfig, PolicyNetwork, write_policy
from unmask.vocabularies.characters import text8

ALL_NON_CAUSAL = replace(CONFIG, num_trunk_blocks=3, num_tail_blocks=0)


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A folder `plain`: the network of the same depth without causal blocks."""
    monkeypatch.chdir(tmp_path)
    model = TextModel(HybridTransformer(ALL_NON_CAUSAL, seed=5), text8(), "plain")
    model.save(tmp_path / "plain")
    return model


def test_a_name_alone_is_a_sampler_of_the_model_itself():
    model = small_model()
    (found,) = contenders(["ancestral"], model).values()
    assert (found.name, found.model, found.is_guest) == ("ancestral", model, False)
    assert found.weights == fingerprint(model)


def test_another_model_is_opened_once_as_the_first_was(other):
    model = small_model()
    model.network.bfloat16()
    names = ["self-speculative/spaced", "ancestral@plain", "fixed-partition@plain"]
    found = contenders(names, model)
    assert list(found) == names
    _, first, second = found.values()
    assert first.model is second.model and first.is_guest
    assert first.weights == fingerprint(other) != fingerprint(model)
    assert first.model.network.embedding.weight.dtype == torch.bfloat16


def test_a_part_of_the_sampler_s_own_is_in_the_fingerprint(tmp_path):
    model = small_model_with_policy(tmp_path)
    before = contenders(["learned-policy"], model)["learned-policy"].weights
    assert before.startswith(fingerprint(model) + "+")
    config = PolicyConfig(length=CONFIG.length, width=8, num_heads=1)
    write_policy(tmp_path / "policy", PolicyNetwork(config, seed=1))
    after = contenders(["learned-policy"], load(str(tmp_path)))["learned-policy"].weights
    assert before != after


def test_models_that_write_something_else_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = HybridTransformer(replace(ALL_NON_CAUSAL, length=12))
    TextModel(network, text8(), "short").save(tmp_path / "short")
    with pytest.raises(ConfigError, match="short writes 12 tokens of .*, small 24 of"):
        contenders(["ancestral@short"], small_model())


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("magic@plain", ConfigError, "there is no sampler 'magic'"),
        ("ancestral@nowhere", CheckpointError, "there is no model 'nowhere'"),
        ("learned-policy@plain", CheckpointError, "plain has no policy"),
        ("self-speculative/spaced@plain", ConfigError, "plain has no causal blocks to do so"),
        ("target-only@plain", ConfigError, "plain has no causal blocks to do so"),
    ],
)
def test_who_cannot_take_part_is_told(other, name, kind, message):
    with pytest.raises(kind, match=message):
        contenders([name], small_model())


def test_a_family_is_checked_before_any_model_is_opened():
    check_is_contender("ancestral@nowhere")
    with pytest.raises(ConfigError, match="there is no sampler 'magic'"):
        check_is_contender("magic@nowhere")
