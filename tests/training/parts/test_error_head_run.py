"""A run that trains an error head: it learns, and comes to the same end however interrupted."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.small_run import TIMES, corpus
from unmask.data.text import Corpus
from unmask.errors import CheckpointError, ConfigError, DataError, OutputError
from unmask.files.tensors import read_tensors, write_tensors
from unmask.network.config import HybridConfig
from unmask.network.error_head import read_error_head
from unmask.network.hybrid import HybridTransformer
from unmask.training.optimizers import OptimizerConfig
from unmask.training.parts.error_head_run import (
    ErrorHeadReport,
    ErrorHeadTrainer,
    Observer,
    open_run,
    train_error_head,
)
from unmask.training.parts.state import PartState

CONFIG = HybridConfig(length=16, width=16, num_heads=2, num_trunk_blocks=2, mlp_ratio=2.0)
OPTIMIZER = OptimizerConfig(warmup_steps=3)
TRAINER = ErrorHeadTrainer(
    num_steps=12, batch_size=8, validate_every=5, num_valid=8, checkpoint_every=4
)


def ignore(report: ErrorHeadReport) -> None:
    pass


def run(
    folder: Path,
    trainer: ErrorHeadTrainer = TRAINER,
    observe: Observer = ignore,
    *,
    network: HybridTransformer | None = None,
    text: Corpus | None = None,
) -> PartState:
    """Start a run, or go on with the one in `folder`."""
    network = network or HybridTransformer(CONFIG)
    state = open_run(network, folder, optimizer=OPTIMIZER, trainer=trainer, resume="auto")
    train_error_head(
        state,
        network,
        text or corpus(),
        folder,
        optimizer=OPTIMIZER,
        trainer=trainer,
        observe=observe,
    )
    return state


def saved(folder: Path) -> dict[str, torch.Tensor]:
    tensors = read_tensors(folder / "training.safetensors")
    return {name: tensor for name, tensor in tensors.items() if "seconds" not in name}


def rows(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


class PowerCut(Exception):
    pass


def power_cut(folder: Path) -> None:
    """No checkpoint is made: the run goes back to the beginning, then to that of step 4."""

    def fail_at(step: int) -> Observer:
        def observe(report: ErrorHeadReport) -> None:
            if report.progress.step == step:
                raise PowerCut

        return observe

    for step, last_saved in ((2, 0), (6, 4)):
        with pytest.raises(PowerCut):
            run(folder, observe=fail_at(step))
        assert saved(folder)["progress/step"] == last_saved


def control_c(folder: Path) -> None:
    def tell(report: ErrorHeadReport) -> None:
        if report.progress.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    assert run(folder, observe=tell).progress.step == 6


def out_of_time(folder: Path) -> None:
    for step in (1, 2):
        assert run(folder, replace(TRAINER, minutes=1e-9)).progress.step == step


@pytest.mark.parametrize("interrupt", [power_cut, control_c, out_of_time])
def test_a_run_resumed_is_a_run_uninterrupted(
    tmp_path: Path, interrupt: Callable[[Path], None]
) -> None:
    run(tmp_path / "at once")
    interrupt(tmp_path / "in parts")
    run(tmp_path / "in parts")
    expected, found = saved(tmp_path / "at once"), saved(tmp_path / "in parts")
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert rows(tmp_path / "in parts") == rows(tmp_path / "at once")
    assert [row["step"] for row in rows(tmp_path / "at once")] == [
        1,
        2,
        3,
        4,
        5,
        5,
        6,
        7,
        8,
        9,
        10,
        10,
        11,
        12,
        12,
    ]


def test_the_head_learns_and_the_network_stays_as_it_is(tmp_path: Path) -> None:
    """The text is all 0, the untrained network draws 0 or 1 alike: a 1 is an error."""
    zeros = torch.zeros(400, dtype=torch.uint8)
    network = HybridTransformer(replace(CONFIG, vocab_size=2))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trainer = replace(TRAINER, num_steps=40, validate_every=40)
    run(tmp_path, trainer, network=network, text=Corpus(train=zeros, valid=zeros, test=zeros))
    losses = [row["loss"] for row in rows(tmp_path) if "loss" in row]
    assert losses[0] > 0.5 and losses[-1] < 0.3
    valid = rows(tmp_path)[-1]
    assert valid["valid_auc"] > 0.99 and valid["valid_loss"] < 0.3
    assert valid["valid_confidence_auc"] < 0.8 and 0.3 < valid["valid_error_rate"] < 0.7
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_folder_is_an_error_head_of_the_last_weights(tmp_path: Path) -> None:
    state = run(tmp_path)
    head = read_error_head(tmp_path, HybridTransformer(CONFIG))
    for name, weight in state.part.state_dict().items():
        assert torch.equal(head.state_dict()[name], weight.bfloat16().float())


def test_a_seed_trains_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    short = replace(TRAINER, num_steps=2)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, replace(short, seed=seed))
    a, b, c = (saved(tmp_path / name)["part/norm.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


# What is refused


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    network = HybridTransformer(CONFIG)
    (tmp_path / "precious").write_text("mine")
    for resume in ("never", "auto"):
        with pytest.raises(OutputError, match="holds no run, and is not empty"):
            open_run(network, tmp_path, optimizer=OPTIMIZER, trainer=TRAINER, resume=resume)
    run(tmp_path / "run")
    with pytest.raises(OutputError, match="already holds a run. Go on with it by --resume auto"):
        open_run(network, tmp_path / "run", optimizer=OPTIMIZER, trainer=TRAINER)
    with pytest.raises(OutputError, match="is a file"):
        open_run(network, tmp_path / "precious", optimizer=OPTIMIZER, trainer=TRAINER)


def test_a_run_of_another_model_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path, replace(TRAINER, num_steps=1))
    with pytest.raises(CheckpointError, match="an error head of another model"):
        run(tmp_path, network=HybridTransformer(CONFIG, seed=1))


@pytest.mark.parametrize("damage", ["cut", "without progress"])
def test_a_damaged_checkpoint_is_called_so(tmp_path: Path, damage: str) -> None:
    run(tmp_path, replace(TRAINER, num_steps=1))
    file = tmp_path / "training.safetensors"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    else:
        tensors = read_tensors(file)
        write_tensors(file, {k: v for k, v in tensors.items() if not k.startswith("progress")})
    with pytest.raises(CheckpointError, match="training.safetensors"):
        run(tmp_path)


def test_a_text_too_short_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for one sequence"):
        run(tmp_path / "run", text=corpus(200))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_steps", 0, r"ErrorHeadTrainer\.num_steps must be at least 1, got 0"),
        ("num_valid", 0, r"ErrorHeadTrainer\.num_valid must be at least 1, got 0"),
        ("minutes", 0.0, r"ErrorHeadTrainer\.minutes must be positive, got 0\.0"),
        ("seed", 2**63, r"ErrorHeadTrainer\.seed must fit into 64 bits"),
    ],
)
def test_a_field_out_of_range_is_refused(field: str, value: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ErrorHeadTrainer(**{field: value})
