"""A tail on a frozen large model: what it says, what it may know, what is trained of it."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.dllm.small import CONFIGS, random_network
from tests.reference.uncached_tail import UncachedTail
from unmask.dllm.adapted import AdaptedDllm
from unmask.draws import SeededDraws, weight_generator
from unmask.errors import CheckpointError, ConfigError
from unmask.files.tensors import read_json, write_json
from unmask.network.adapted import TailConfig
from unmask.network.tail_folder import mark, read_tail, write_tail
from unmask.predictors.protocol import HybridPredictor
from unmask.process import orders
from unmask.process.masking import mask_after
from unmask.process.windows import Fixed
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.shapes import PAD
from unmask.speculation.filters import Filter
from unmask.training.objective import Corruption, losses

LENGTH, MASK, MASK_TOKEN = 9, 64, 63
every_family = pytest.mark.parametrize("family", CONFIGS)


def adapted(family: str, *, num_tail_blocks: int = 1, seed: int = 0) -> AdaptedDllm:
    """A random trunk with a random tail, in float64."""
    tail = TailConfig(num_tail_blocks=num_tail_blocks)
    network = AdaptedDllm(random_network(CONFIGS[family]), tail).double().eval()
    generator = weight_generator(seed)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.data.add_(0.3 * noise if parameter.ndim == 1 else 0.15 * noise)
    return network


def example(batch_size: int = 3, num_given: int = 2) -> tuple[torch.Tensor, ...]:
    """Whole sequences, an order that begins with a prompt, and the same masked behind it."""
    where = torch.ones(batch_size, LENGTH, dtype=torch.bool)
    draws = SeededDraws(range(batch_size))
    token_ids = draws.categorical(torch.zeros(batch_size, LENGTH, 60), where)
    is_given = torch.arange(LENGTH).expand(batch_size, -1) < num_given
    order = orders.given_first(orders.random(draws, LENGTH), is_given)
    first = torch.full((batch_size,), num_given)
    return token_ids, order, mask_after(token_ids, order, first, MASK), first


@every_family
def test_a_new_tail_says_what_its_trunk_says(family: str) -> None:
    trunk = random_network(CONFIGS[family])
    network = AdaptedDllm(trunk, TailConfig()).double().eval()
    assert isinstance(network, HybridPredictor)
    token_ids, order, masked_ids, first = example()
    positions = order[:, 2:]
    draft = network.draft(masked_ids, positions)
    expected = trunk.draft(masked_ids, positions).log_probs
    torch.testing.assert_close(draft.log_probs, expected)
    target = network.verify(
        draft, filled_ids=token_ids, order=order, first=first, num_columns=LENGTH - 2
    )
    torch.testing.assert_close(target, expected)


@every_family
@pytest.mark.parametrize("num_tail_blocks", [1, 2])
def test_verification_is_the_whole_forward_pass(family: str, num_tail_blocks: int) -> None:
    network = adapted(family, num_tail_blocks=num_tail_blocks)
    token_ids, order, masked_ids, first = example()
    slow = UncachedTail(network)
    draft, slow_draft = (
        network.draft(masked_ids, order[:, 2:]),
        slow.draft(masked_ids, order[:, 2:]),
    )
    for num_kept, num_columns in ((0, 4), (2, 3), (4, 3)):
        fast = network.verify(
            draft,
            filled_ids=token_ids, order=order, first=first + num_kept, num_columns=num_columns,
        )  # fmt: skip
        expected = slow.verify(
            slow_draft,
            filled_ids=token_ids, order=order, first=first + num_kept, num_columns=num_columns,
        )  # fmt: skip
        assert (fast[..., MASK_TOKEN] == -torch.inf).all()
        expected[..., MASK_TOKEN] = -torch.inf
        torch.testing.assert_close(fast, expected.log_softmax(dim=-1))
    assert not torch.allclose(fast, draft.log_probs[:, 4:7])  # the tail has something to say


@every_family
def test_a_slot_knows_the_tokens_before_its_own_and_no_other(family: str) -> None:
    network = adapted(family)
    token_ids, order, masked_ids, _ = example(batch_size=1)
    for place in range(2, LENGTH):
        other_ids = token_ids.clone()
        other_ids[0, order[0, place]] = (token_ids[0, order[0, place]] + 1) % 60
        with torch.no_grad():
            _, before = network(masked_ids, token_ids, order)
            _, after = network(masked_ids, other_ids, order)
        changed = (before != after).any(dim=-1)[0]
        assert not changed[: place + 1].any()
        assert changed[place + 1 :].all()


@every_family
def test_only_the_tail_is_trained_copied_and_written(family: str) -> None:
    trained = random_network(CONFIGS[family]).requires_grad_(True)
    network = AdaptedDllm(trained, TailConfig()).double().train()
    names = {name.split(".")[0] for name in network.state_dict()}
    assert names == {"tail_in", "tail", "tail_norm", "tail_out"}
    token_ids, order, _, first = example()
    found = losses(network, token_ids, Corruption(order, first, torch.full_like(first, LENGTH)))
    found.total().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.tail_out.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in network.trunk.parameters())
    assert copy.deepcopy(network).trunk is network.trunk
    network.float()
    assert network.trunk.embedding.weight.dtype == torch.float32


@every_family
def test_samples_do_not_depend_on_the_batch_and_keep_their_prompt(family: str) -> None:
    network = adapted(family)
    sampler = SelfSpeculative(window=Fixed(3), verify_rounds=2)
    given = [torch.tensor([7] * n + [MASK] * m) for n, m in ((3, 5), (1, 8), (4, 2))]

    def sampled(num_slots: int) -> list[list[int]]:
        requests = [
            Request(given_ids=ids, sampler=sampler, seed=seed) for seed, ids in enumerate(given)
        ]
        results = Engine(network, num_slots=num_slots).run(iter(requests))
        return [r.token_ids.tolist() for r in sorted(results, key=lambda r: r.request.seed)]

    together = sampled(3)
    assert together == sampled(1)
    for ids, found in zip(given, together, strict=True):
        num_given = int((ids == 7).sum())
        assert found[:num_given] == [7] * num_given
        assert not {MASK, MASK_TOKEN, PAD} & set(found)


@every_family
def test_a_silent_tail_keeps_every_greedy_draft_and_decodes_as_the_trunk(family: str) -> None:
    network = AdaptedDllm(random_network(CONFIGS[family]), TailConfig()).double().eval()
    sampler = SelfSpeculative(
        window=Fixed(1), order="left-to-right", filter=Filter(temperature=0.0)
    )
    given = torch.tensor([5, 9, MASK, MASK, MASK])
    (result,) = Engine(network, num_slots=1).run(
        [Request(given_ids=given, sampler=sampler, seed=0)]
    )
    expected = given[None].clone()
    for place in range(2, 5):
        log_probs = network.trunk.draft(expected, torch.tensor([[place]])).log_probs
        expected[0, place] = log_probs.argmax()
    assert result.token_ids.tolist() == expected[0].tolist()
    assert result.trunk_passes == 3


@every_family
def test_a_text_ends_where_an_end_is_verified(family: str) -> None:
    network = adapted(family)
    sampler = SelfSpeculative(window=Fixed(2), order="left-to-right", verify_rounds=1)

    def answered(sampler) -> Result:
        given = torch.tensor([5, 9] + [MASK] * 20)
        return next(Engine(network).run([Request(given_ids=given, sampler=sampler, seed=0)]))

    whole = answered(sampler)
    end_id = int(whole.token_ids[8])
    first = whole.token_ids[2:].tolist().index(end_id) + 2
    stopped = answered(EarlyStop(sampler=sampler, end_ids=(end_id,)))
    assert stopped.token_ids[:first].equal(whole.token_ids[:first])
    assert (stopped.token_ids[first + 2 :] == end_id).all()
    assert stopped.trunk_passes < whole.trunk_passes / 1.5
    assert stopped.accepted + stopped.rejected == 20


@every_family
def test_what_is_written_is_read_again_in_the_type_of_the_trunk(family: str, tmp_path) -> None:
    network = adapted(family, num_tail_blocks=2)
    write_tail(tmp_path, network.tail_config, network.state_dict(), network.trunk)
    found = read_tail(tmp_path, network.trunk, AdaptedDllm)
    assert not found.training and found.config == network.config
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    single = read_tail(tmp_path, copy.deepcopy(network.trunk).bfloat16(), AdaptedDllm)
    assert {p.dtype for p in single.parameters()} == {torch.bfloat16}


def test_a_tail_belongs_to_one_trunk(tmp_path) -> None:
    network = adapted("llada")
    write_tail(tmp_path, network.tail_config, network.state_dict(), network.trunk)
    other = random_network(CONFIGS["llada"], seed=1)
    assert mark(other) != mark(network.trunk)
    with pytest.raises(CheckpointError, match="tail of another model.*unmask train adapt"):
        read_tail(tmp_path, other, AdaptedDllm)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "unmask-policy-1"}, "is of format 'unmask-policy-1', a tail has"),
        ({"tail": None}, "no JSON object under 'tail'"),
        ({"tail": {"num_tail_blocks": "1"}}, "num_tail_blocks must be of type int, got '1'"),
        ({"tail": {"num_tail_blocks": 0}}, "num_tail_blocks must be at least 1"),
        ({"tail": {"width": 4}}, "width"),
        ({"tail": {"num_tail_blocks": 2}}, "tensors differ"),
    ],
)
def test_a_damaged_folder_is_refused(changes, message, tmp_path) -> None:
    network = adapted("llada")
    write_tail(tmp_path, network.tail_config, network.state_dict(), network.trunk)
    write_json(tmp_path / "config.json", {**read_json(tmp_path / "config.json"), **changes})
    with pytest.raises(CheckpointError, match=message):
        read_tail(tmp_path, network.trunk, AdaptedDllm)


def test_a_tail_must_fit_the_heads_of_its_trunk() -> None:
    narrow = replace(CONFIGS["llada"], width=24, num_heads=4)
    with pytest.raises(ConfigError, match="multiple of 4 channels"):
        TailConfig().on(random_network(narrow))


def test_the_trunk_is_no_module_of_the_tail() -> None:
    network = adapted("llada")
    assert not any(module is network.trunk for module in network.modules())
    assert isinstance(network.norm, nn.Module) and network.norm is network.trunk.norm
