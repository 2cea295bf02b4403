"""Folders as the models are published, whole and damaged."""

import json

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.dllm.config import DllmConfig
from unmask.dllm.folder import read_config, read_network, write_network
from unmask.errors import CheckpointError
from unmask.files.published import INDEX_FILE
from unmask.files.tensors import read_tensors, write_json, write_tensors


@pytest.mark.parametrize("num_files", [1, 3])
@pytest.mark.parametrize("family", CONFIGS)
def test_what_is_written_is_read_again(family: str, num_files: int, tmp_path) -> None:
    network = random_network(CONFIGS[family])
    write_network(tmp_path, network.config, network.state_dict(), num_files=num_files)
    assert (tmp_path / INDEX_FILE).exists() == (num_files > 1)
    found = read_network(tmp_path, torch.float64)
    assert found.config == network.config
    assert not found.training and not any(p.requires_grad for p in found.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


def test_weights_are_read_in_the_type_that_is_wanted(tmp_path) -> None:
    network = random_network(CONFIGS["llada"]).float()
    write_network(tmp_path, network.config, network.state_dict())
    found = read_network(tmp_path, torch.bfloat16)
    assert {p.dtype for p in found.parameters()} == {torch.bfloat16}
    assert torch.equal(found.norm.weight, network.norm.weight.bfloat16())


def test_one_matrix_may_embed_and_unembed(tmp_path) -> None:
    config = DllmConfig(tied=True)
    network = random_network(config)
    write_network(tmp_path, config, network.state_dict())
    assert "model.transformer.ff_out.weight" not in read_tensors(tmp_path / "model.safetensors")
    found = read_network(tmp_path, torch.float64)
    assert found.unembedding.weight is found.embedding.weight
    token_ids, positions = torch.tensor([[1, 64, 3]]), torch.tensor([[1]])
    expected = network.draft(token_ids, positions).log_probs
    torch.testing.assert_close(found.draft(token_ids, positions).log_probs, expected)


@pytest.fixture
def folder(tmp_path):
    network = random_network(CONFIGS["llada"])
    write_network(tmp_path, network.config, network.state_dict(), num_files=2)
    return tmp_path


def test_tensors_that_do_not_fit_are_listed(folder) -> None:
    file = folder / "model-00001-of-00002.safetensors"
    tensors = read_tensors(file)
    missing, bent = sorted(tensors)[:2]
    del tensors[missing]
    tensors[bent] = tensors[bent][:-1].clone()
    tensors["extra.bias"] = torch.zeros(1)
    write_tensors(file, tensors)
    with pytest.raises(CheckpointError) as caught:
        read_network(folder)
    message = str(caught.value)
    assert f"{missing} is missing" in message and "extra.bias is not expected" in message
    assert f"{bent} has shape" in message and "instead of" in message


def test_of_many_troubles_some_are_listed(folder) -> None:
    write_json(folder / "config.json", DllmConfig(num_blocks=4).to_json())
    with pytest.raises(CheckpointError, match="is missing; .*, and 10 more"):
        read_network(folder)


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("model-00002-of-00002.safetensors", None, "model-00002.* does not exist.*index.json"),
        ("model-00002-of-00002.safetensors", b"{}", "is not a whole safetensors file"),
        (INDEX_FILE, b"{}", "has no weight_map"),
        (INDEX_FILE, b'{"weight_map": {"a": "../secret"}}', "has no weight_map"),
        ("config.json", None, "cannot be read as JSON"),
        ("config.json", b'{"model_type": "bert"}', "model_type is 'bert'"),
    ],
)
def test_damage_is_answered_with_one_sentence(file, content, complaint, folder) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=complaint):
        read_network(folder)


def test_the_index_is_as_published(folder) -> None:
    index = json.loads((folder / INDEX_FILE).read_text())
    assert index["weight_map"]["model.transformer.wte.weight"].startswith("model-0000")
    num_bytes = sum(8 * p.numel() for p in random_network(CONFIGS["llada"]).parameters())
    assert index["metadata"] == {"total_size": num_bytes}
    assert read_config(folder) == CONFIGS["llada"]
