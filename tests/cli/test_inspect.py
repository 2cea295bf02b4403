"""`unmask inspect`: what a folder is, and what would keep it from loading; as loading itself."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import unmask
from tests.cli.command import refused, run
from tests.large_model_folder import write_large_model
from unmask.errors import UnmaskError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_large_model(tmp_path / "model")


def change_config(folder: Path, **values) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def change_weights(folder: Path, change) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file)


@pytest.mark.parametrize("model", ["arithmetic", "text8s", "text8s-any"])
def test_shipped_models_would_load(model, capsys) -> None:
    assert run("inspect", model) == 0
    assert "would load           yes" in capsys.readouterr().out
    assert run("inspect", model, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == [] and Path(found["folder"]).is_dir()


def test_it_says_what_a_large_model_is(folder, capsys) -> None:
    change_config(folder, rope_theta=None)
    assert run("inspect", str(folder), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    opened = unmask.load(str(folder))
    spell = opened.tokenizer.tokenizer.id_to_token
    assert found["assumed"] == {"rope_theta": 10000.0} and found["family"] == "llada"
    assert found["mask"] == spell(opened.trunk.config.mask_token_id)
    assert found["ends"][0] == spell(opened.end_ids[0]) and found["has_chat_template"]
    assert found["shape"]["num_weights"] == opened.trunk.config.num_weights


def quantised(weights):
    name = next(name for name in weights if name.endswith("q_proj.weight"))
    weights[name] = weights[name].to(torch.int8)


SPOILT = {
    "quantised weights": (lambda f: change_weights(f, quantised), "quantised"),
    "said to be quantised": (
        lambda f: change_config(f, quantization_config={"bits": 4}), "its weights are quantised",
    ),
    "a tensor short": (
        lambda f: change_weights(f, lambda w: w.pop(next(iter(w)))), "is missing",
    ),
    "a tensor more": (
        lambda f: change_weights(f, lambda w: w.update(extra=torch.ones(2))),
        "extra is not expected",
    ),
    "a field that changes the text": (
        lambda f: change_config(f, rope_scaling={"type": "yarn", "factor": 4.0}), "'yarn'",
    ),
    "a pointer of git-lfs": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/x\n"),
        "pointer of git-lfs",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has neither tokenizer.json"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPOILT)
def test_what_keeps_it_from_loading_is_told_by_both(kind, folder, capsys) -> None:
    spoil, said = SPOILT[kind]
    spoil(folder)
    assert run("inspect", str(folder)) == 2
    shown = capsys.readouterr().out
    assert "would not load" in shown and said in shown
    with pytest.raises(UnmaskError, match=said):
        unmask.load(str(folder))


def test_harmless_tensors_are_passed_over(folder) -> None:
    idle = {"model.transformer.rotary_emb.inv_freq": torch.ones(4)}
    change_weights(folder, lambda weights: weights.update(idle))
    assert run("inspect", str(folder)) == 0 and unmask.load(str(folder))


def test_what_is_no_model_is_named(tmp_path, capsys) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "holds an adapter" in refused(capsys, "inspect", str(tmp_path))
    (tmp_path / "adapter_config.json").rename(tmp_path / "letter")
    assert "has no config.json, but letter" in refused(capsys, "inspect", str(tmp_path))
