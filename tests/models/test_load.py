"""What a model is opened as where nothing is asked for."""

from pathlib import Path

import torch

import unmask
from unmask.dllm.folder import dtype_of_files, read_config
from unmask.models import load as module


def test_small_models_are_in_float32_on_a_cpu_and_nothing_is_said(capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("text8s", "arithmetic"):
        model = unmask.load(name)
        weight = next(model.network.parameters())
        assert (weight.dtype, weight.device.type) == (torch.float32, "cpu")
    assert capsys.readouterr().err == ""


def test_large_ones_are_in_the_type_of_their_files(tmp_path: Path, capsys, monkeypatch) -> None:
    folder = unmask.load("arithmetic", dtype="bfloat16")
    folder.save(tmp_path / "model")
    config = read_config(tmp_path / "model")
    assert dtype_of_files(tmp_path / "model", config) == torch.bfloat16
    monkeypatch.setattr(module, "MANY", config.num_weights - 1)
    model = unmask.load(tmp_path / "model")
    assert next(model.network.parameters()).dtype == torch.bfloat16
    assert capsys.readouterr().err == f"unmask: {tmp_path / 'model'} in bfloat16 on cpu\n"
    asked = unmask.load(tmp_path / "model", dtype="float32", device="cpu")
    assert next(asked.network.parameters()).dtype == torch.float32
    assert capsys.readouterr().err == ""


def test_a_gpu_is_taken_if_there_is_one(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert module.checked_device("auto") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert module.checked_device("auto") == "cpu"
