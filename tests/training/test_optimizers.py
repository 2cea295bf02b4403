import math
from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import TINY
from unmask.errors import ConfigError
from unmask.network.hybrid import HybridTransformer
from unmask.training import optimizers
from unmask.training.optimizers import OptimizerConfig
from unmask.training.stacked_muon import StackedMuon

both = pytest.mark.parametrize("matrices", ["muon", "adamw"])


def stepped(matrices: str, num_steps: int = 3, device: str = "cpu"):
    """A network and its optimisers after a few steps on made-up gradients."""
    model = HybridTransformer(TINY).to(device)
    built = optimizers.build(model, OptimizerConfig(matrices=matrices, weight_decay=0.1))
    for step in range(num_steps):
        take_step(model, built, step)
    return model, built


def held(built) -> list[torch.Tensor]:
    return [p for optimizer in built for group in optimizer.param_groups for p in group["params"]]


def take_step(model, built, step: int) -> None:
    for n, parameter in enumerate(model.parameters()):
        parameter.grad = (
            torch.linspace(-1, step + n, parameter.numel()).view(parameter.shape).cos()
        )
    for optimizer in built:
        optimizer.step()


@both
def test_every_weight_is_in_exactly_one_optimiser(matrices: str) -> None:
    for config in (TINY, replace(TINY, heads="separate", first_target="start-track")):
        model = HybridTransformer(config)
        built = optimizers.build(model, OptimizerConfig(matrices=matrices))
        assert sorted(map(id, held(built))) == sorted(map(id, model.parameters()))


def test_muon_turns_the_matrices_inside_the_blocks_and_nothing_else() -> None:
    model = HybridTransformer(TINY)
    muon, adamw = optimizers.build(model, OptimizerConfig())
    names = {id(p): name for name, p in model.named_parameters()}
    assert [type(muon), type(adamw)] == [StackedMuon, torch.optim.AdamW]
    matrices = {names[id(p)] for p in muon.param_groups[0]["params"]}
    others = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert {"trunk.0.attention.qkv.weight", "tail.0.mlp.down.weight", "tail_in.weight"} < matrices
    assert {"embedding.weight", "unembedding.weight"} < others
    assert all("norm" in name for name in others - {"embedding.weight", "unembedding.weight"})


def test_stacked_muon_takes_the_steps_of_torchs_own() -> None:
    shapes = [(4, 6), (6, 4), (4, 6), (5, 5), (2, 9), (9, 2)]
    start = [
        torch.randn(shape, generator=torch.Generator().manual_seed(n))
        for n, shape in enumerate(shapes)
    ]
    taken = []
    for kind in (torch.optim.Muon, StackedMuon):
        weights = [torch.nn.Parameter(weight.clone()) for weight in start]
        optimizer = kind(weights, lr=0.1, weight_decay=0.2, momentum=0.9)
        for step in range(3):
            for weight in weights:
                weight.grad = (weight.detach() * (step + 1)).cos()
            weights[4].grad = None if step == 1 else weights[4].grad
            optimizer.step()
        taken.append(weights)
    for own, stacked in zip(*taken, strict=True):
        torch.testing.assert_close(own, stacked)


def test_frozen_weights_are_in_none() -> None:
    model = HybridTransformer(TINY)
    model.trunk.requires_grad_(False)
    built = optimizers.build(model, OptimizerConfig())
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sorted(map(id, held(built))) == sorted(map(id, trained))


@both
def test_only_matrices_decay(matrices: str) -> None:
    config = OptimizerConfig(matrices=matrices, weight_decay=0.25, lr=0.5, matrix_lr=0.125)
    built = optimizers.build(HybridTransformer(TINY), config)
    groups = [group for optimizer in built for group in optimizer.param_groups]
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (0.125, 0.25),
        (0.5, 0.0),
    ]


def test_the_learning_rate_rises_then_follows_half_a_cosine() -> None:
    config = OptimizerConfig(warmup_steps=4, final_lr_share=0.1)
    shares = [config.lr_share(step, 104) for step in range(105)]
    assert shares[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert shares[54] == pytest.approx((1 + 0.1) / 2)
    assert shares[29] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert shares[104] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in zip(shares[4:], shares[5:], strict=False))


def test_past_the_end_the_learning_rate_stays_at_its_last_value() -> None:
    assert OptimizerConfig(warmup_steps=0).lr_share(0, 10) == 1.0
    assert OptimizerConfig(final_lr_share=0.2).lr_share(5000, 1000) == pytest.approx(0.2)
    assert OptimizerConfig(warmup_steps=50).lr_share(9, 10) == 0.2  # all of it warm-up


def test_shares_are_of_the_peak_not_of_the_share_before() -> None:
    built = optimizers.build(HybridTransformer(TINY), OptimizerConfig(matrix_lr=0.5, lr=0.25))
    for share in (0.5, 0.5, 1.0):
        optimizers.set_lr_share(built, share)
    assert [group["lr"] for part in built for group in part.param_groups] == [0.5, 0.25]


@both
def test_optimisers_given_back_their_memory_go_on_alike(matrices: str) -> None:
    model, built = stepped(matrices)
    remembered = optimizers.state_tensors(model, built)
    remembered = {name: tensor.clone() for name, tensor in remembered.items()}
    twin, fresh = stepped(matrices, num_steps=0)
    twin.load_state_dict(model.state_dict())
    optimizers.load_state_tensors(twin, fresh, remembered)
    again = optimizers.state_tensors(twin, fresh)
    assert again.keys() == remembered.keys()
    assert all(torch.equal(again[name], remembered[name]) for name in remembered)

    forgetful, without = stepped(matrices, num_steps=0)
    forgetful.load_state_dict(model.state_dict())
    for network, part in ((model, built), (twin, fresh), (forgetful, without)):
        take_step(network, part, 7)
    for name, weight in model.state_dict().items():
        assert torch.equal(twin.state_dict()[name], weight), name
    assert not torch.equal(forgetful.tail_in.weight, model.tail_in.weight)


def test_memory_is_named_after_weight_and_quantity() -> None:
    names = set(optimizers.state_tensors(*stepped("muon")))
    assert "tail_in.weight/momentum_buffer" in names
    assert {f"norm.weight/{quantity}" for quantity in ("step", "exp_avg", "exp_avg_sq")} < names


@pytest.mark.parametrize(("before", "after"), [("muon", "adamw"), ("adamw", "muon")])
def test_memory_of_other_optimisers_is_refused(before: str, after: str) -> None:
    model, built = stepped(before)
    remembered = optimizers.state_tensors(model, built)
    fresh = optimizers.build(model, OptimizerConfig(matrices=after))
    with pytest.raises(ValueError, match="is (missing from|not expected in) what the optimisers"):
        optimizers.load_state_tensors(model, fresh, remembered)


@both
def test_memory_moves_with_the_weights_but_the_step_count_stays(matrices: str) -> None:
    """As on a GPU; "meta" is a device that every machine has."""
    model, built = stepped(matrices)
    optimizers.move_state(built, torch.device("meta"))
    devices = {
        name.rsplit("/", 1)[1]: tensor.device.type
        for name, tensor in optimizers.state_tensors(model, built).items()
    }
    assert devices.pop("step") == "cpu"
    assert set(devices.values()) == {"meta"}


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("matrix_lr", 0.0, "must be positive, got 0.0"),
        ("lr", -1.0, "must be positive, got -1.0"),
        ("lr", math.nan, "must be positive, got nan"),
        ("grad_clip", 0.0, "must be positive"),
        ("weight_decay", -0.1, "must not be negative"),
        ("warmup_steps", -1, "must not be negative"),
        ("final_lr_share", 1.5, r"must lie in \[0, 1\]"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(field: str, value, why: str) -> None:
    with pytest.raises(ConfigError, match=f"OptimizerConfig.{field} {why}"):
        replace(OptimizerConfig(), **{field: value})


def test_a_word_that_is_no_choice_is_refused() -> None:
    """Set behind the back of the type checker, which in tests would speak first."""
    config = OptimizerConfig()
    object.__setattr__(config, "matrices", "sgd")
    with pytest.raises(ConfigError, match="must be 'muon' or 'adamw', got 'sgd'"):
        config.__post_init__()
