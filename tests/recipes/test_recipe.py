from dataclasses import fields

import pytest
import yaml

from unmask.errors import ConfigError
from unmask.recipes.arithmetic import arithmetic_task
from unmask.recipes.recipe import Recipe, model_kind, preset, preset_names, preset_values
from unmask.training.config import TrainerConfig
from unmask.training.optimizers import OptimizerConfig


def test_the_presets_that_ship() -> None:
    assert preset_names() == [
        "adapt", "arithmetic", "arithmetic-drafter", "owt-paper", "proteins", "text8-ar",
        "text8-judge", "text8-noncausal", "text8-paper", "text8-small", "text8-stream", "tiny",
        "wiki-ar", "wiki-small",
    ]  # fmt: skip


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_sets_only_fields_there_are(name: str) -> None:
    recipe, values = preset(name), preset_values(name)
    assert set(values) <= {field.name for field in fields(Recipe)}
    assert recipe.vocabulary == values.pop("vocabulary", "")
    for section, chosen in values.items():
        for field, value in chosen.items():
            assert getattr(getattr(recipe, section), field) == value


@pytest.mark.parametrize("name", preset_names())
def test_a_recipe_survives_its_yaml(name: str) -> None:
    values = yaml.safe_load(preset(name).to_yaml())
    again = Recipe(
        model=model_kind(values)(**values["model"]),
        optimizer=OptimizerConfig(**values["optimizer"]),
        trainer=TrainerConfig(**values["trainer"]),
        vocabulary=values["vocabulary"],
    )
    assert again == preset(name)


def test_the_networks_of_the_paper_have_its_size() -> None:
    """About 85M weights in twelve blocks of width 768; W_in of the tail adds 2 %."""
    for name, vocab_size in (("text8-paper", 27), ("owt-paper", 50257)):
        model = preset(name).model
        assert (model.num_trunk_blocks, model.num_tail_blocks) == (11, 1)
        assert (model.width, model.num_heads, model.vocab_size) == (768, 12, vocab_size)


@pytest.mark.parametrize("name", ["nothing", "", "../tiny", "tiny.yaml"])
def test_an_unknown_preset_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no recipe .*arithmetic-drafter, owt-paper"):
        preset(name)


@pytest.mark.slow
def test_a_drafter_reads_the_tokens_of_the_model_it_drafts_for() -> None:
    large, small = (
        arithmetic_task(preset(name).model) for name in ("arithmetic", "arithmetic-drafter")
    )
    assert large.other_files == small.other_files
    assert small.config.num_weights < large.config.num_weights / 3
