"""A run small enough to be trained many times over: a hundredth of a second per step."""

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from unmask.data.text import Corpus, split
from unmask.draws import SeededDraws
from unmask.files.tensors import read_tensors
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import Recipe
from unmask.training.config import TrainerConfig
from unmask.training.loop import new_state, resume, train
from unmask.training.optimizers import OptimizerConfig
from unmask.training.report import Observer
from unmask.training.state import TrainingState, newest_checkpoint
from unmask.training.task import TextTask
from unmask.vocabularies.characters import text8

TIMES = ("seconds", "cpu_seconds", "tokens_per_second")

SMALL = Recipe(
    model=HybridConfig(length=16, width=16, num_heads=2, num_trunk_blocks=2, mlp_ratio=2.0),
    optimizer=OptimizerConfig(warmup_steps=3),
    trainer=TrainerConfig(
        num_steps=12,
        batch_size=8,
        precision="float32",
        ema_decay=0.9,
        log_every=3,
        validate_every=5,
        num_valid=8,
        checkpoint_every=4,
    ),
)


def with_trainer(recipe: Recipe, **changes) -> Recipe:
    return replace(recipe, trainer=replace(recipe.trainer, **changes))


def task(recipe: Recipe, data: Corpus) -> TextTask:
    return TextTask(data, recipe.model.length, recipe.trainer.orders, text8())


def corpus(num_tokens: int = 4000) -> Corpus:
    uniform = SeededDraws([5]).uniform(torch.ones(1, num_tokens, dtype=torch.bool))[0]
    return split((uniform * 27).to(torch.uint8))


def ignore(report) -> None:
    pass


def run(recipe: Recipe, folder: Path, observe: Observer = ignore) -> TrainingState:
    """Start a run, or go on with the one in `folder`."""
    state = new_state(recipe.model, recipe.optimizer, recipe.trainer)
    resume(state, folder)
    train(
        state,
        task(recipe, corpus()),
        folder,
        optimizer=recipe.optimizer,
        trainer=recipe.trainer,
        observe=observe,
    )
    return state


def saved_tensors(folder: Path) -> dict[str, Tensor]:
    """Everything in the newest checkpoint: weights, their average, the optimisers' memory."""
    newest = newest_checkpoint(folder)
    assert newest is not None
    return {
        f"{file.stem}/{name}": tensor
        for file in newest.glob("*.safetensors")
        for name, tensor in read_tensors(file).items()
    }


def assert_same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    differing = [name for name in expected if not torch.equal(found[name], expected[name])]
    assert not differing, differing


def timeless_rows(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl without what a clock says."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if key not in TIMES} for row in rows]
