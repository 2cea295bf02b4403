"""The policy network: its start, what it may depend on, and its folder."""

import json

import pytest
import torch

from unmask.draws import SeededDraws, weight_generator
from unmask.errors import CheckpointError, ConfigError
from unmask.network.policy import PolicyConfig, PolicyNetwork, read_policy, write_policy
from unmask.samplers.learned_policy import UnmaskingPolicy

CONFIG = PolicyConfig(length=12, width=16, num_heads=2, initial_rate=0.2)


def random_policy(seed=0):
    """float64, with every weight drawn: nothing is zero or equal by initialisation."""
    policy = PolicyNetwork(CONFIG).double()
    generator = weight_generator(seed)
    for weight in policy.parameters():
        torch.nn.init.normal_(weight, std=0.4, generator=generator)
    return policy.requires_grad_(False)


def observation(batch_size=3, length=12, seed=0):
    draws = SeededDraws([seed])
    uniform = draws.uniform(torch.ones(1, batch_size, length, dtype=torch.bool))[0]
    is_masked = draws.uniform(torch.ones(1, batch_size, length, dtype=torch.bool))[0] < 0.6
    time = draws.uniform(torch.ones(1, batch_size, dtype=torch.bool))[0]
    return uniform.masked_fill(~is_masked, 1.0), is_masked, time


def test_a_new_policy_reveals_at_the_initial_rate():
    policy = PolicyNetwork(CONFIG, seed=5)
    assert isinstance(policy, UnmaskingPolicy)
    torch.testing.assert_close(torch.sigmoid(policy(*observation())), torch.full((3, 12), 0.2))
    assert sum(weight.numel() for weight in PolicyNetwork(PolicyConfig()).parameters()) < 20_000


def test_weights_follow_from_the_seed():
    def weights(seed):
        return torch.cat([w.flatten() for w in PolicyNetwork(CONFIG, seed=seed).parameters()])

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


def test_after_a_few_steps_every_weight_learns():
    """What starts at zero must not keep the rest from ever moving."""
    policy = PolicyNetwork(CONFIG).double()
    before = [weight.clone() for weight in policy.parameters()]
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
    for _ in range(5):
        (policy(*observation()) * torch.arange(12)).sum().backward()
        optimizer.step()
    for (name, weight), old in zip(policy.named_parameters(), before, strict=True):
        assert not torch.equal(weight, old), name


@pytest.mark.parametrize("changed", ["confidence", "is_masked", "time"])
def test_what_is_said_of_a_position_depends_on_all_that_is_observed(changed):
    policy, (confidence, is_masked, time) = random_policy(), observation()
    is_masked[:, 0], is_masked[:, 7] = True, True
    said = policy(confidence, is_masked, time)
    if changed == "confidence":
        confidence = confidence.clone()
        confidence[:, 7] = 0.123
    elif changed == "is_masked":
        is_masked = is_masked.clone()
        is_masked[:, 7] = False
    else:
        time = time / 2
    assert ((policy(confidence, is_masked, time) - said)[:, 0].abs() > 1e-6).all()


def test_the_inputs_reach_the_output_past_the_block():
    """With the norm before the output shut, what is left is v . u and the bias."""
    policy, (confidence, is_masked, time) = random_policy(), observation()
    policy.norm.weight.zero_()
    v = policy.head.weight[0, -3:]
    logit = torch.log(confidence / (1 - confidence)).where(is_masked, torch.zeros(()).double())
    expected = is_masked * (v[0] + v[1] * confidence) + v[2] * logit / 4 + policy.head.bias
    torch.testing.assert_close(policy(confidence, is_masked, time), expected)


def test_the_confidence_of_what_is_not_masked_does_not_matter():
    policy, (confidence, is_masked, time) = random_policy(), observation()
    other = torch.where(is_masked, confidence, 0.5)
    assert torch.equal(policy(confidence, is_masked, time), policy(other, is_masked, time))


def test_sequences_of_a_batch_do_not_see_each_other():
    policy, (confidence, is_masked, time) = random_policy(), observation()
    together = policy(confidence, is_masked, time)
    for b in range(3):
        alone = policy(confidence[b : b + 1], is_masked[b : b + 1], time[b : b + 1])
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-12)


def test_certainty_and_its_opposite_are_finite():
    policy = random_policy()
    confidence = torch.tensor([[0.0, 1.0, 1 + 1e-9]], dtype=torch.float64)
    is_masked = torch.ones(1, 3, dtype=torch.bool)
    assert policy(confidence, is_masked, torch.ones(1)).isfinite().all()


def test_a_sequence_that_is_too_long_is_refused():
    with pytest.raises(ConfigError, match="up to 12 tokens, got 13.*train-policy"):
        random_policy()(*observation(length=13))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"initial_rate": 0.0}, "initial_rate must lie between 0 and 1"),
        ({"initial_rate": 1.0}, "initial_rate must lie between 0 and 1"),
        ({"width": 6}, "multiple of 4 channels"),
        ({"length": 0}, "length must be from 1 to"),
    ],
    ids=str,
)
def test_shapes_that_cannot_be_are_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        PolicyConfig(**choices)


# The folder.


@pytest.fixture
def folder(tmp_path):
    write_policy(tmp_path / "policy", random_policy().float())
    return tmp_path / "policy"


def test_a_policy_that_was_written_is_read_back(folder):
    policy, again = random_policy().float(), read_policy(folder)
    assert again.config == CONFIG and not again.training
    observed = observation()
    assert torch.equal(policy(*observed), again(*observed))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="config.json cannot be read"):
        read_policy(tmp_path / "none")


def changed(folder, change):
    file = folder / "config.json"
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(format="unmask-hybrid-1"), "of format 'unmask-hybrid-1'"),
        (lambda values: values.pop("policy"), "does not hold the config of a policy"),
        (lambda values: values["policy"].pop("width"), "does not hold the config of a policy"),
        (lambda values: values["policy"].update(width="wide"), "does not hold the config"),
        (lambda values: values["policy"].update(extra=1), "does not hold the config"),
        (lambda values: values["policy"].update(width=6), "config.json: .*multiple of 4"),
        (lambda values: values["policy"].update(width=32), "come from different models"),
    ],
    ids=["format", "none", "field", "type", "unknown", "shape", "size"],
)
def test_configs_that_do_not_fit_are_refused(folder, change, message):
    changed(folder, change)
    with pytest.raises(CheckpointError, match=message):
        read_policy(folder)


def test_damaged_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_policy(folder)
