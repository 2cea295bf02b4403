"""The error head: what it reads, what it costs, and which folders it is opened from."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws, weight_generator
from unmask.errors import CheckpointError
from unmask.files.tensors import CONFIG_FILE, WEIGHTS_FILE, weights_fingerprint, write_tensors
from unmask.network.config import HybridConfig
from unmask.network.error_head import (
    ErrorHead,
    LearnedErrorPredictor,
    read_error_head,
    trunk_features,
    write_error_head,
)
from unmask.network.hybrid import HybridTransformer
from unmask.predictors.counter import count_work
from unmask.samplers.sampler import sample
from unmask.samplers.star_shaped import ErrorPredictor, StarShaped
from unmask.shapes import PAD


def random_head(network: HybridTransformer, seed: int = 0) -> ErrorHead:
    """Every weight random, so that the head has an opinion."""
    head = ErrorHead(network)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=weight_generator(seed))
    return head


def guesses(batch_size: int, length: int = TINY.length) -> torch.Tensor:
    where = torch.ones(batch_size, length, dtype=torch.bool)
    flat = torch.zeros(batch_size, length, TINY.vocab_size)
    return SeededDraws(range(batch_size)).categorical(flat, where)


def judge(network: HybridTransformer, head: ErrorHead, guess_ids: torch.Tensor) -> torch.Tensor:
    confidence = torch.ones(guess_ids.shape, dtype=torch.float64)
    return LearnedErrorPredictor(network, head)(guess_ids, confidence)


def test_a_new_head_has_no_opinion() -> None:
    network = random_network()
    assert not judge(network, ErrorHead(network), guesses(3)).any()


def test_each_token_is_judged_by_all_tokens_of_its_sequence_and_by_no_other() -> None:
    network = random_network()
    head, guess_ids = random_head(network), guesses(5)
    together = judge(network, head, guess_ids)
    assert together.dtype == torch.float64
    for b in range(5):
        alone = judge(network, head, guess_ids[b : b + 1])
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-12)
    changed = guess_ids.clone()
    changed[2, 4] = (changed[2, 4] + 1) % TINY.vocab_size
    difference = (judge(network, head, changed) - together).abs()
    assert (difference[2] > 1e-6).all() and not difference[[0, 1, 3, 4]].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_logits_are_in_float32_at_least(dtype: torch.dtype) -> None:
    network = HybridTransformer(TINY).to(dtype)
    logits = judge(network, ErrorHead(network), guesses(2))
    assert logits.dtype == torch.promote_types(dtype, torch.float32)


def test_gradients_reach_the_head_alone() -> None:
    network = random_network()
    head = random_head(network)
    head(trunk_features(network, guesses(2))).sum().backward()
    assert all(p.grad is not None for p in head.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_the_passes_that_samplers_count_are_those_that_hooks_on_the_network_count() -> None:
    network = random_network()
    predictor = LearnedErrorPredictor(network, random_head(network))
    assert isinstance(predictor, ErrorPredictor)
    given_ids = torch.full((6, TINY.length), TINY.mask_id)
    given_ids[3] = 1
    sampler = StarShaped(num_steps=7, error_predictor=predictor)
    with count_work(network) as work:
        samples = sample(network, sampler, given_ids, SeededDraws(range(6)))
    assert int(samples.trunk_passes.sum()) == work.trunk.sequence_passes
    assert samples.trunk_passes[3] == 0 == work.tail.sequence_passes
    with count_work(network) as work:
        plain = sample(network, StarShaped(num_steps=7), given_ids, SeededDraws(range(6)))
    assert int(plain.trunk_passes.sum()) == work.trunk.sequence_passes
    assert (samples.trunk_passes - plain.trunk_passes)[:3].tolist() == [2] * 3  # at 3/7 and 2/7


def test_a_sample_is_the_same_in_any_batch() -> None:
    network = random_network()
    sampler = StarShaped(
        num_steps=6,
        t_on=0.9,
        error_predictor=LearnedErrorPredictor(network, random_head(network)),
    )
    given_ids = torch.full((7, TINY.length), TINY.mask_id)
    together = sample(network, sampler, given_ids, SeededDraws(range(7)))
    alone = [sample(network, sampler, given_ids[:1], SeededDraws([b])) for b in range(7)]
    assert torch.equal(together.token_ids, torch.cat([one.token_ids for one in alone]))


# Folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = random_network()
    write_error_head(tmp_path / "head", random_head(network), network)
    return tmp_path / "head"


def test_a_head_written_and_read_is_the_same_to_bf16(folder: Path) -> None:
    network = random_network()
    head, restored = random_head(network), read_error_head(folder, network)
    assert not restored.training
    for name, weight in head.state_dict().items():
        assert torch.equal(restored.state_dict()[name], weight.bfloat16().to(weight.dtype))
    torch.testing.assert_close(
        judge(network, restored, guesses(3)), judge(network, head, guesses(3)), rtol=0, atol=0.05
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_head_fits_its_model_in_any_precision(folder: Path, dtype: torch.dtype) -> None:
    network = random_network().to(dtype)
    assert torch.isfinite(judge(network, read_error_head(folder, network), guesses(2))).all()


def test_a_fingerprint_tells_one_weight_from_another() -> None:
    network, other = random_network(), random_network()
    assert (
        weights_fingerprint(network)
        == weights_fingerprint(other)
        == weights_fingerprint(other.float())
    )
    with torch.no_grad():
        other.trunk[1].mlp.up.weight[0, 0] += 0.1
    assert weights_fingerprint(network) != weights_fingerprint(other)


def test_a_head_of_the_width_of_the_shipped_model_is_under_a_megabyte(tmp_path: Path) -> None:
    config = HybridConfig(width=192, num_heads=3, length=256)
    network = HybridTransformer(config)
    write_error_head(tmp_path, ErrorHead(network), network)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1e6


def put(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def cut(folder: Path) -> None:
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: len(content) // 2])


def edit(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        values = json.loads((folder / CONFIG_FILE).read_text())
        (folder / CONFIG_FILE).write_text(json.dumps({**values, **changes}))

    return change


def other_weights(folder: Path) -> None:
    write_tensors(folder / WEIGHTS_FILE, {"block": torch.zeros(2)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / CONFIG_FILE).unlink(), "config.json cannot be read as JSON"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "model.safetensors does not exist"),
        (put(CONFIG_FILE, b"{"), "config.json cannot be read as JSON"),
        (put(CONFIG_FILE, b"{}"), "is of format None, an error head has"),
        (edit(format="unmask-hybrid-1"), "Name the folder that `unmask train-error-head` wrote"),
        (edit(width=32), "of another model: its width is 32, this model's 16"),
        (edit(width="16"), "of another model: its width is '16'"),
        (edit(trained_for="0123456789abcdef"), "its trained_for is '0123456789abcdef'"),
        (put(WEIGHTS_FILE, b"\x80\x04pickle"), "is not a whole safetensors file"),
        (cut, "is not a whole safetensors file"),
        (other_weights, "tensors differ"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        read_error_head(folder, random_network())


@pytest.mark.parametrize(
    "other",
    [random_network(seed=1), random_network(replace(TINY, width=32))],
    ids=["weights", "d"],
)
def test_a_head_of_another_model_is_refused(folder: Path, other: HybridTransformer) -> None:
    with pytest.raises(CheckpointError, match="an error head of another model.*Train one for"):
        read_error_head(folder, other)


def test_padding_is_not_attended_to() -> None:
    network = random_network()
    head, guess_ids = random_head(network), guesses(2)
    guess_ids[0, 5:] = PAD
    alone = judge(network, head, guess_ids[:1, :5])
    errors = judge(network, head, guess_ids)
    torch.testing.assert_close(errors[:1, :5], alone, atol=1e-12, rtol=0)
