"""A model folder is read whole or refused in one sentence, and written whole or not at all."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.reference.random_network import ABLATIONS, TINY, ablation_name, random_network
from unmask.errors import CheckpointError, OutputError
from unmask.files.tensors import CONFIG_FILE, WEIGHTS_FILE, write_json, write_tensors
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.process import orders

CODEC = {"kind": "characters", "alphabet": "abcde"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as it should be."""
    network = random_network()
    checkpoint.write_model(tmp_path / "model", TINY, network.state_dict(), CODEC)
    return tmp_path / "model"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# What is written is read again.


@pytest.mark.parametrize("config", ABLATIONS[::7], ids=ablation_name)
def test_a_model_survives_its_folder_exactly(tmp_path: Path, config: HybridConfig) -> None:
    network = random_network(config)
    checkpoint.write_model(tmp_path / "deep" / "model", config, network.state_dict(), CODEC)
    restored, codec = checkpoint.read_model(tmp_path / "deep" / "model", dtype=torch.float64)
    assert names(tmp_path / "deep" / "model") == {CONFIG_FILE, WEIGHTS_FILE}
    assert (restored.config, codec, restored.training) == (config, CODEC, False)

    weights, restored_weights = network.state_dict(), restored.state_dict()
    assert weights.keys() == restored_weights.keys()
    assert all(torch.equal(weights[name], restored_weights[name]) for name in weights)
    order = orders.left_to_right(1, config.length)
    ids = torch.full_like(order, config.mask_id)
    assert all(map(torch.equal, restored(ids, ids, order), network(ids, ids, order)))


def test_weights_are_cast_to_the_type_asked_for(folder: Path) -> None:
    network, _ = checkpoint.read_model(folder, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


def test_a_second_model_replaces_the_first(folder: Path) -> None:
    other = random_network(seed=1)
    checkpoint.write_model(folder, TINY, other.state_dict(), {})
    restored, codec = checkpoint.read_model(folder)
    assert torch.equal(restored.unembedding.weight, other.unembedding.weight.float())
    assert codec == {} and names(folder) == {CONFIG_FILE, WEIGHTS_FILE}


# What cannot be read is refused.


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def edit(**changes: object) -> Callable[[Path], None]:
    """Change fields of the network's description."""

    def change(folder: Path) -> None:
        values = json.loads((folder / CONFIG_FILE).read_text())
        values["model"].update(changes)
        (folder / CONFIG_FILE).write_text(json.dumps(values))

    return change


def replace_entry(name: str, value: object) -> Callable[[Path], None]:
    """Change an entry of config.json itself."""

    def change(folder: Path) -> None:
        values = json.loads((folder / CONFIG_FILE).read_text())
        (folder / CONFIG_FILE).write_text(json.dumps({**values, name: value}))

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut_to(share: float) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        content = (folder / WEIGHTS_FILE).read_bytes()
        (folder / WEIGHTS_FILE).write_bytes(content[: int(share * len(content))])

    return cut


def weights_of(config: HybridConfig) -> Callable[[Path], None]:
    def exchange(folder: Path) -> None:
        write_tensors(folder / WEIGHTS_FILE, random_network(config).state_dict())

    return exchange


def folder_in_place_of(name: str) -> Callable[[Path], None]:
    def exchange(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return exchange


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove(CONFIG_FILE), "config.json cannot be read as JSON"),
        (remove(WEIGHTS_FILE), "model.safetensors does not exist. A model folder needs"),
        (folder_in_place_of(CONFIG_FILE), "config.json cannot be read as JSON"),
        (folder_in_place_of(WEIGHTS_FILE), "model.safetensors is not a whole safetensors file"),
        (write(CONFIG_FILE, b"{"), "config.json cannot be read as JSON"),
        (write(CONFIG_FILE, b"\xff\xfe\x00"), "config.json cannot be read as JSON"),
        (write(CONFIG_FILE, b"[" * 100_000), "config.json cannot be read as JSON"),
        (write(CONFIG_FILE, b"[1]"), "config.json must hold a JSON object, found a list"),
        (write(CONFIG_FILE, b"{}"), "config.json is of format None, this version reads"),
        (replace_entry("format", "unmask-hybrid-9"), "format 'unmask-hybrid-9'.*newer unmask"),
        (replace_entry("model", None), "config.json has no JSON object under 'model'"),
        (replace_entry("model", [["a"]]), "config.json has no JSON object under 'model'"),
        (replace_entry("codec", [1]), "config.json has no JSON object under 'codec'"),
        (edit(depth=3), r"config.json: .*unknown fields \['depth'\]"),
        (edit(width="16"), "config.json: HybridConfig.width must be of type int, got '16'"),
        (edit(width=8 * 10**30), "config.json: "),
        (edit(width=18), "config.json: HybridConfig.width must give each of the 2 heads"),
        (edit(mlp_ratio=1e300), "config.json: "),
        (edit(length=10**15), "config.json: "),
        (edit(length=2**20), "config.json: HybridConfig.length must be from 1 to 262,144"),
        (edit(width=2**24), r"first 'embedding.weight': the config asks for \(6, 16777216\)"),
        (edit(num_trunk_blocks=10**9), r"tensors, the config asks for 1,000,000,001 blocks"),
        (write(WEIGHTS_FILE, b""), "model.safetensors is not a whole safetensors file"),
        (write(WEIGHTS_FILE, b"\x80\x04pickle"), "model.safetensors is not a whole safetens"),
        (cut_to(0.1), "model.safetensors is not a whole safetensors file"),
        (cut_to(0.99), "model.safetensors is not a whole safetensors file"),
        (weights_of(replace(TINY, width=32)), "does not fit its config.json: .* tensors differ"),
        (edit(width=32), r"first 'embedding.weight': the config asks for \(6, 32\), the file has"),
        (weights_of(replace(TINY, heads="separate")), "asks for none, the file has"),
        (edit(heads="separate"), r"2 tensors differ.*the file has none"),
    ],
)
def test_a_damaged_folder_is_refused(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        checkpoint.read_model(folder)


@pytest.mark.parametrize("place", ["nowhere", "model/config.json"])
def test_a_place_that_is_no_folder_is_refused(folder: Path, place: str) -> None:
    with pytest.raises(CheckpointError, match="A model folder needs config.json and model.saf"):
        checkpoint.read_model(folder.parent / place)


# What cannot be written leaves no trace.


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    place = folder / CONFIG_FILE
    before = place.read_bytes()
    for occupied in (place, place / "below"):
        with pytest.raises(OutputError, match=f"cannot make the folder {occupied}: "):
            checkpoint.write_model(occupied, TINY, random_network().state_dict(), CODEC)
    assert place.read_bytes() == before and names(folder) == {CONFIG_FILE, WEIGHTS_FILE}


@pytest.mark.parametrize("place", ["config.json/below", "missing/below", "occupied"])
def test_a_place_that_cannot_be_written(folder: Path, place: str) -> None:
    (folder / "occupied").mkdir()
    before = names(folder)
    with pytest.raises(OutputError, match=f"cannot write .*{place}: .*make room or choose"):
        write_json(folder / place, {"a": 1})
    with pytest.raises(OutputError, match=f"cannot write .*{place}: .*make room or choose"):
        write_tensors(folder / place, {"a": torch.zeros(2)})
    assert names(folder) == before and (folder / "occupied").is_dir()


def test_others_may_read_what_they_may_read_elsewhere(tmp_path):
    write_tensors(tmp_path / "weights.safetensors", {"a": torch.zeros(1)})
    (tmp_path / "beside").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("weights.safetensors", "beside")]
    assert modes[0] == modes[1]
