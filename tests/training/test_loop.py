"""What a run does however it is interrupted: the same as if it had not been."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.small_run import (
    SMALL,
    assert_same_tensors,
    corpus,
    run,
    saved_tensors,
    task,
    timeless_rows,
    with_trainer,
)
from unmask.draws import stream_seed
from unmask.errors import CheckpointError, DataError
from unmask.network import checkpoint
from unmask.recipes.recipe import Recipe
from unmask.training import session
from unmask.training.loop import new_state, train
from unmask.training.report import Report
from unmask.training.state import newest_checkpoint, whole_checkpoints

RECIPES = {
    "float32": SMALL,
    "bf16": with_trainer(SMALL, precision="bf16"),
    "dropout": replace(SMALL, model=replace(SMALL.model, dropout=0.3)),
    "adamw": replace(SMALL, optimizer=replace(SMALL.optimizer, matrices="adamw")),
}


class PowerCut(Exception):
    pass


def raise_from_observer(recipe: Recipe, folder: Path) -> None:
    """No checkpoint is made: the run goes back to that of step 4, then to that of step 8."""

    def fail_at(step: int) -> Callable[[Report], None]:
        def observe(report: Report) -> None:
            if report.progress.step == step:
                raise PowerCut

        return observe

    for step, last_saved in ((6, 4), (9, 8)):
        with pytest.raises(PowerCut):
            run(recipe, folder, fail_at(step))
        newest = newest_checkpoint(folder)
        assert newest is not None
        assert newest.name == f"step-{last_saved:08d}"


def stop_by(signum: int, recipe: Recipe, folder: Path) -> None:
    """The step that was on its way is finished and saved."""

    def tell(report: Report) -> None:
        if report.progress.step == 6:
            os.kill(os.getpid(), signum)

    assert run(recipe, folder, tell).progress.step == 6


def sigterm(recipe: Recipe, folder: Path) -> None:
    stop_by(signal.SIGTERM, recipe, folder)


def control_c(recipe: Recipe, folder: Path) -> None:
    stop_by(signal.SIGINT, recipe, folder)


def out_of_time(recipe: Recipe, folder: Path) -> None:
    """One step a session, for seven sessions."""
    hasty = with_trainer(recipe, minutes=1e-9)
    for step in range(1, 8):
        assert run(hasty, folder).progress.step == step


@pytest.mark.parametrize(
    ("interrupt", "name"),
    [(raise_from_observer, name) for name in RECIPES]
    + [
        (sigterm, "float32"),
        (sigterm, "bf16"),
        (control_c, "float32"),
        (out_of_time, "dropout"),
    ],
)
def test_a_run_resumed_is_a_run_uninterrupted(
    tmp_path: Path, interrupt: Callable[[Recipe, Path], None], name: str
) -> None:
    run(RECIPES[name], tmp_path / "at once")
    interrupt(RECIPES[name], tmp_path / "in parts")
    assert run(RECIPES[name], tmp_path / "in parts").progress.step == 12
    assert_same_tensors(saved_tensors(tmp_path / "in parts"), saved_tensors(tmp_path / "at once"))
    rows = timeless_rows(tmp_path / "at once")
    assert timeless_rows(tmp_path / "in parts") == rows
    assert [row["step"] for row in rows] == [3, 5, 6, 9, 10, 12, 12]


def test_time_and_tokens_add_up_over_sessions(tmp_path: Path) -> None:
    hasty = with_trainer(SMALL, minutes=1e-9)
    before = run(hasty, tmp_path).progress
    after = run(hasty, tmp_path).progress
    assert (before.num_tokens, after.num_tokens) == (8 * 16, 2 * 8 * 16)
    assert 0 < before.seconds < after.seconds
    assert 0 < before.cpu_seconds < after.cpu_seconds


def test_other_seeds_train_other_weights(tmp_path: Path) -> None:
    short = with_trainer(SMALL, num_steps=1)
    run(short, tmp_path / "0")
    run(with_trainer(short, seed=1), tmp_path / "1")
    assert not torch.equal(
        saved_tensors(tmp_path / "0")["weights/embedding.weight"],
        saved_tensors(tmp_path / "1")["weights/embedding.weight"],
    )


def test_training_learns(tmp_path: Path) -> None:
    """The walk 0, 1, ..., 26, 0, ... has no entropy: bits fall far below log2(27) = 4.75."""
    data = replace(corpus(), train=(torch.arange(4000) % 27).to(torch.uint8))
    data = replace(data, valid=data.train[:200])
    recipe = with_trainer(SMALL, num_steps=60, checkpoint_every=60, log_every=20)
    state = new_state(recipe.model, recipe.optimizer, recipe.trainer)
    validation = train(
        state, task(recipe, data), tmp_path, optimizer=recipe.optimizer, trainer=recipe.trainer
    )
    assert validation is not None
    assert validation.target_bits < validation.draft_bits < 4.5


def test_the_run_folder_is_a_model_folder_of_the_averaged_weights(tmp_path: Path) -> None:
    state = run(SMALL, tmp_path)
    network, _ = checkpoint.read_model(tmp_path)
    assert_same_tensors(network.state_dict(), state.averaged.module.state_dict())
    assert not torch.equal(network.embedding.weight, state.model.embedding.weight)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    run(with_trainer(SMALL, checkpoint_every=1), tmp_path)
    assert [folder.name[-2:] for folder in whole_checkpoints(tmp_path)] == ["11", "12"]


def test_a_finished_run_resumed_does_nothing(tmp_path: Path) -> None:
    run(SMALL, tmp_path)
    before = saved_tensors(tmp_path), timeless_rows(tmp_path)
    run(SMALL, tmp_path)
    assert_same_tensors(saved_tensors(tmp_path), before[0])
    assert timeless_rows(tmp_path) == before[1]


def test_what_a_killed_session_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    half = tmp_path / "checkpoints" / ".step-00000099.unmask-partial"
    half.mkdir(parents=True)
    (half / ".weights.safetensors.123.unmask-partial").write_text("half")
    (tmp_path / ".model.safetensors.123.unmask-partial").write_text("half")
    run(SMALL, tmp_path)
    assert not list(tmp_path.rglob("*-partial"))


@pytest.mark.parametrize(("num_tokens", "length"), [(200, 16), (4000, 3000)])
def test_a_text_too_short_is_refused_before_anything_is_written(
    tmp_path: Path, num_tokens: int, length: int
) -> None:
    recipe = replace(SMALL, model=replace(SMALL.model, length=length))
    state = new_state(recipe.model, recipe.optimizer, recipe.trainer)
    with pytest.raises(DataError, match="too few for one sequence"):
        train(
            state,
            task(recipe, corpus(num_tokens)),
            tmp_path / "run",
            optimizer=recipe.optimizer,
            trainer=recipe.trainer,
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(SMALL, model=replace(SMALL.model, width=32)), "does not fit"),
        (replace(SMALL, model=replace(SMALL.model, num_trunk_blocks=3)), "does not fit"),
        (RECIPES["adamw"], "does not fit this run.*the optimisers remembered"),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path, other: Recipe, why) -> None:
    run(SMALL, tmp_path)
    with pytest.raises(CheckpointError, match=why):
        run(other, tmp_path)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (file, damage)
        for file in ("weights.safetensors", "average.safetensors", "optimizer.safetensors")
        for damage in ("cut", "missing")
    ]
    + [("progress.json", "cut")],
)
def test_a_damaged_checkpoint_is_called_so(tmp_path: Path, file: str, damage: str) -> None:
    run(with_trainer(SMALL, num_steps=1), tmp_path)
    path = tmp_path / "checkpoints" / "step-00000001" / file
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2]) if damage == "cut" else path.unlink()
    with pytest.raises(CheckpointError, match=file):
        run(SMALL, tmp_path)


def test_each_process_drops_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(session, "seed_dropout", seeds.append)
    run(with_trainer(SMALL, num_steps=2), tmp_path)
    assert seeds == [stream_seed(0, step, session._DROPOUT, 0) for step in (0, 1)]
