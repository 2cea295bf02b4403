"""What a folder says about how its model is usually asked."""

import pytest

import unmask
from tests.large_model_folder import write_large_model
from unmask.dllm.generation_config import (
    GENERATION_FILE,
    GenerationDefaults,
    read_generation_defaults,
)
from unmask.errors import CheckpointError
from unmask.files.tensors import write_json
from unmask.process.blocks import LeftToRight
from unmask.questions.decoders import decoder


def test_nothing_need_be_said(tmp_path) -> None:
    assert read_generation_defaults(tmp_path) == GenerationDefaults(
        max_new_tokens=128, block_length=32
    )
    write_json(tmp_path / GENERATION_FILE, {"eos_token_id": 3, "max_new_tokens": None})
    assert read_generation_defaults(tmp_path) == GenerationDefaults(end_ids=(3,))
    write_json(tmp_path / GENERATION_FILE, {"eos_token_id": [1, 5]})
    assert read_generation_defaults(tmp_path).end_ids == (1, 5)


@pytest.mark.parametrize("value", ["8", 0.5, -8, True, [8]])
def test_what_is_no_number_of_tokens_is_refused(value, tmp_path) -> None:
    write_json(tmp_path / GENERATION_FILE, {"block_length": value})
    with pytest.raises(CheckpointError, match="block_length must be a number of tokens, got"):
        read_generation_defaults(tmp_path)


def test_a_model_is_asked_as_its_folder_says(tmp_path) -> None:
    folder = write_large_model(tmp_path / "model")
    write_json(folder / GENERATION_FILE, {"max_new_tokens": 24, "block_length": 8})
    model = unmask.load(str(folder))
    for same in (model, model.alone, model.drafted_by(model), model.drafter_alone):
        assert same.defaults == GenerationDefaults(max_new_tokens=24, block_length=8)
        assert same.default_rule.blocks == LeftToRight(8)
        prompt_ids, given_ids = model.tokenizer.encode("ab"), same.given_ids(prompt="ab")
        assert len(given_ids) == len(prompt_ids) + 24
    assert decoder("threshold", model, 24) == decoder("threshold", model, 24, 8)
    model.save(tmp_path / "again")
    assert unmask.load(str(tmp_path / "again")).defaults == model.defaults


def test_a_folder_may_name_its_sampler(tmp_path) -> None:
    folder = write_large_model(tmp_path / "model")
    write_json(folder / GENERATION_FILE, {"sampler": "klass(threshold=0.7, temperature=0)"})
    model = unmask.load(str(folder))
    named = unmask.Klass(threshold=0.7, filter=unmask.Filter(temperature=0.0))
    assert model.default_rule == named
    assert model.default_sampler == model.stop_at_end(named)
    assert model.threshold_rule.threshold == 0.9
    write_json(folder / GENERATION_FILE, {"sampler": "self-speculative(temperature=0)"})
    tailless = unmask.load(str(folder))
    assert tailless.default_rule == tailless.threshold_rule  # it has no tail to do so
    write_json(folder / GENERATION_FILE, {"sampler": 3})
    with pytest.raises(CheckpointError, match="sampler must be a text such as"):
        read_generation_defaults(folder)
