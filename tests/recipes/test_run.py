"""`unmask.train`, the same run as `unmask train` makes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import unmask
from tests.large_model_folder import write_large_model
from tests.training.small_run import SMALL, assert_same_tensors, saved_tensors, with_trainer
from unmask.errors import CheckpointError, ConfigError, DataError, OutputError
from unmask.network import checkpoint
from unmask.recipes.recipe import preset
from unmask.recipes.run import open_run
from unmask.recipes.tasks import load_task

TEXT = "the quick brown fox jumps over the lazy dog " * 60


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_text(TEXT)
    return path


def test_a_recipe_is_trained_resumed_and_loadable(text: Path, tmp_path: Path) -> None:
    half = with_trainer(SMALL, minutes=1e-9)
    assert unmask.train(half, data=text, out=tmp_path / "parts") is None
    validation = unmask.train(SMALL, data=text, out=tmp_path / "parts", resume="auto")
    assert validation == unmask.train(SMALL, data=text, out=tmp_path / "whole")
    assert_same_tensors(saved_tensors(tmp_path / "parts"), saved_tensors(tmp_path / "whole"))
    _, codec = checkpoint.read_model(tmp_path / "whole")
    assert codec == {"kind": "characters", "alphabet": " abcdefghijklmnopqrstuvwxyz"}


def test_a_run_may_begin_with_the_weights_of_a_model(text: Path, tmp_path: Path) -> None:
    unmask.train(SMALL, data=text, out=tmp_path / "first")
    begin = str(tmp_path / "first")
    barely = with_trainer(SMALL, num_steps=1, ema_decay=0.0)
    slow = replace(barely, optimizer=replace(SMALL.optimizer, matrix_lr=1e-12, lr=1e-12))
    unmask.train(slow, data=text, out=tmp_path / "second", begin=begin)
    first, second = (
        unmask.load(str(tmp_path / name)).network.state_dict() for name in ("first", "second")
    )
    for name, weight in first.items():
        assert torch.allclose(weight, second[name], atol=1e-6), name
    other = replace(SMALL, model=replace(SMALL.model, width=SMALL.model.width * 2))
    with pytest.raises(ConfigError, match="--begin .* is a model of another shape"):
        unmask.train(other, data=text, out=tmp_path / "third", begin=begin)
    with pytest.raises(CheckpointError, match="there is no model 'nonesuch'"):
        unmask.train(SMALL, data=text, out=tmp_path / "third", begin="nonesuch")
    assert not (tmp_path / "third").exists()


def test_a_shallower_run_begins_with_blocks_of_all_depths(tmp_path: Path) -> None:
    folder = write_large_model(tmp_path / "model", length=1024, num_blocks=5)
    deep = unmask.load(str(folder)).trunk.state_dict()
    recipe = preset("arithmetic")
    model = replace(unmask.load(str(folder)).trunk.config, num_blocks=3)
    state = open_run(replace(recipe, model=model), tmp_path / "run", begin=str(folder))
    shallow = state.model.state_dict()
    for new, old in enumerate((0, 2, 4)):
        for name in [name for name in deep if name.startswith(f"blocks.{old}.")]:
            same = name.replace(f"blocks.{old}.", f"blocks.{new}.")
            assert torch.equal(shallow[same], deep[name].to(shallow[same].dtype)), name
    assert torch.equal(shallow["embedding.weight"], deep["embedding.weight"].float())
    deeper = replace(recipe, model=replace(model, num_blocks=6))
    with pytest.raises(ConfigError, match="--begin .* is a model of another shape"):
        open_run(deeper, tmp_path / "other", begin=str(folder))


def test_a_run_that_begins_with_a_model_keeps_its_tokens(tmp_path: Path) -> None:
    folder = write_large_model(tmp_path / "model", length=1024)
    recipe = preset("arithmetic")
    task = load_task(recipe, "arithmetic", begin=str(folder))
    made = {task.lessons.training(seed, seed).answer.count("=") for seed in range(60)}
    assert made >= {1, 2, 3, 4, 5}, "all levels from the first step on"
    assert task.other_files["tokenizer.json"] == (folder / "tokenizer.json").read_text()
    assert load_task(recipe, "arithmetic").other_files.keys() >= {"tokenizer.json"}


def test_text_is_normalised_on_request(tmp_path: Path) -> None:
    (tmp_path / "prose").write_text(TEXT.upper())
    short = with_trainer(SMALL, num_steps=1)
    with pytest.raises(DataError, match="is none of the model's characters"):
        unmask.train(short, data=tmp_path / "prose", out=tmp_path / "run")
    unmask.train(short, data=tmp_path / "prose", out=tmp_path / "run", normalise="text8")


def test_what_cannot_be_run_is_refused_before_anything_is_written(text, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vocab_size is 50257"):
        unmask.train(preset("owt-paper"), data=text, out=tmp_path / "run")
    with pytest.raises(OutputError, match="is a file"):
        unmask.train(SMALL, data=text, out=text)
    with pytest.raises(OutputError, match="is not empty"):
        unmask.train(SMALL, data=text, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_a_tail_learns_the_orders_of_its_recipe(tmp_path: Path) -> None:
    model = unmask.load(str(write_large_model(tmp_path, length=1024)))
    assert preset("adapt").trainer.orders == "auto"
    for orders, is_reading in (("auto", True), ("left-to-right", True), ("random", False)):
        recipe = with_trainer(preset("adapt"), orders=orders)
        _, corruption = load_task(recipe, "arithmetic", trunk=model).batch(0, 0, 4)
        hidden = [
            order[first:length].tolist()
            for order, first, length in zip(
                corruption.order, corruption.num_revealed, corruption.length, strict=True
            )
        ]
        assert (hidden == list(map(sorted, hidden))) == is_reading


def test_a_tail_needs_its_trunk() -> None:
    with pytest.raises(ConfigError, match="a tail needs the model it is for"):
        load_task(preset("adapt"), "arithmetic")
