"""The front door: prompts first, one or many, samplers by name, and what a model says it is."""

import json

import pytest
import torch

import unmask
from tests.large_model_folder import write_large_model


def test_prompts_come_first_one_or_many():
    model = unmask.load("text8s")
    (one,) = model.generate("the history of ", length=24)
    assert one.text.startswith("the history of ") and len(one.text) == 24
    many = model.generate(["the history of ", "a "], num_samples=2, length=24, seed=0)
    assert [sample.text[:2] for sample in many] == ["th", "th", "a ", "a "]
    assert [sample.seed for sample in many] == [0, 1, 2, 3]
    assert many[0].token_ids == one.token_ids


def test_a_sampler_is_named_or_made():
    model = unmask.load("text8s-any")
    named = model.generate(
        sampler="self-speculative(window=cosine(0.3), verify_rounds=2)", length=24
    )
    made = model.generate(
        sampler=unmask.SelfSpeculative(window=unmask.Cosine(0.3), verify_rounds=2), length=24
    )
    assert named[0].token_ids == made[0].token_ids and named[0].nfe == made[0].nfe


def test_blanks_are_filled_texts_scored_and_read_back():
    model = unmask.load("text8s-any")
    filled = model.infill("the ____ of the ____", seed=3)
    assert len(filled.text) == 20 and filled.text[3] == filled.text[8] == " "
    token_ids = model.encode("the history")
    assert model.decode(token_ids) == "the history"
    assert model.decode(torch.tensor([20, 27])) == "t_"
    texts = ["the history", "of thingsxx"]
    together = model.score(texts)
    assert together == model.score(torch.cat([model.encode(each) for each in texts]))
    causal = unmask.load("text8s")
    assert 0 < causal.score("the history", sampler="autoregressive").likelihood.value < 5


def test_questions_are_answered_one_or_many(tmp_path):
    model = unmask.load(write_large_model(tmp_path))
    one = model.chat("12 apples?", max_new_tokens=12)
    messages = [{"role": "user", "content": "30 pears?"}]
    found = model.chat(["12 apples?", "30 pears?", messages], max_new_tokens=12)
    assert found[0].text == one.text and found[1].text == found[2].text
    assert model.chat(messages, max_new_tokens=12).token_ids == found[2].token_ids
    assert len(model.generate(chat="12 apples?", max_new_tokens=12)) == 1
    named = model.chat("12 apples?", sampler="threshold(0.9, blocks=left-to-right(4))")
    assert named.num_tokens <= model.defaults.max_new_tokens
    assert model.decode(model.encode("12 apples")) == "12 apples"


def test_models_say_what_they_are(tmp_path):
    said = repr(unmask.load("text8s"))
    assert "text8s" in said and "left to right" in said and "float32 on cpu" in said
    assert "reads any order" in repr(unmask.load("text8s-any", dtype="bfloat16"))
    large = repr(unmask.load(write_large_model(tmp_path)))
    assert "llada" in large and "tokens" in large


def test_what_there_is_can_be_asked():
    assert "text8s" in unmask.model_names() and "arithmetic" in unmask.model_names()
    assert "self-speculative" in unmask.sampler_names()
    assert unmask.__version__.count(".") >= 1
    assert unmask.windows.Cosine is unmask.Cosine
    assert unmask.blocks.LeftToRight(8) == unmask.blocks.LeftToRight(block_length=8)
    assert unmask.caches.Dual(8).block_length == 8
    for name in ("ConfigError", "PromptError", "DataError", "CheckpointError", "OutputError"):
        assert issubclass(getattr(unmask, name), unmask.UnmaskError)


def test_samplers_are_compared_from_python_as_from_the_command_line(tmp_path):
    model = unmask.load("text8s-any")
    made = unmask.evaluate(
        model, out=tmp_path / "report", samplers=["ancestral"], budgets=[4],
        num_samples=16, judge="none",
    )  # fmt: skip
    assert made == json.loads((tmp_path / "report" / "report.json").read_text())
    assert [point["family"] for point in made["points"]] == ["ancestral"]
    with pytest.raises(unmask.OutputError, match="already holds a report"):
        unmask.evaluate(model, out=tmp_path / "report", samplers="ancestral")
    with pytest.raises(unmask.ConfigError, match="no sampler|no family|Choose"):
        unmask.evaluate(model, out=tmp_path / "other", samplers=["nonesuch"])
    assert not (tmp_path / "other").exists()


def test_decoders_are_compared_from_python(tmp_path):
    chat = unmask.load("arithmetic")
    questions = [("What is 2 plus 3?", "5"), ("What is 9 minus 4?", "5")]
    decoders = ["left-to-right", "threshold(threshold=0.8)+dual"]
    told = []
    made = unmask.answer(
        chat, questions, decoders=decoders, out=tmp_path / "answers", max_new_tokens=16,
        observe=lambda num_done, num_all, name: told.append((num_done, num_all)),
    )  # fmt: skip
    assert [row["name"] for row in made["decoders"]] == decoders
    assert told[-1] == (4, 4) and sorted(told) == told
    records = sorted(file.name for file in (tmp_path / "answers" / "records").iterdir())
    assert records == ["left-to-right.jsonl", "threshold-threshold-0.8-+dual.jsonl"]
    with pytest.raises(unmask.ConfigError, match="named twice"):
        unmask.answer(chat, questions, decoders="wino,wino", out=tmp_path / "b")
    with pytest.raises(unmask.ConfigError, match="at least 2 questions"):
        unmask.answer(chat, questions[:1], out=tmp_path / "b")
    with pytest.raises(unmask.ConfigError, match="no level 'simple'"):
        unmask.answer(chat, "arithmetic:simple", out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_generation_can_be_watched_step_by_step():
    model = unmask.load("text8s")
    steps = list(model.stream("the ", length=32, seed=3, sampler="lossless"))
    (sample,) = model.generate("the ", length=32, seed=3, sampler="lossless")
    assert steps[-1].sample.token_ids == sample.token_ids
    assert all(step.sample is None for step in steps[:-1])
    assert steps[-1].trunk_passes == sample.trunk_passes
    assert steps[-1].text == sample.text
    written = {}
    for step in steps:
        written |= dict(zip(step.positions, step.pieces, strict=True))
        shown = "".join(written.get(n, "_") for n in range(4, 32))
        assert "the " + shown == step.text and not step.masked_again
    assert sorted(written) == list(range(4, 32))


def test_what_is_taken_back_is_told():
    model = unmask.load("text8s-any")
    written = {}
    for step in model.stream(sampler="remdm(num_steps=24)", length=24):
        for position in step.masked_again:
            written.pop(position)
        written |= dict(zip(step.positions, step.pieces, strict=True))
        assert step.text == "".join(written.get(n, "_") for n in range(24))
    assert step.sample.text == step.text


def test_an_answer_can_be_watched_step_by_step():
    chat = unmask.load("arithmetic")
    question = "What is 2 plus 3?"
    steps = list(chat.stream(question, max_new_tokens=16))
    assert steps[-1].sample.text == chat.chat(question, max_new_tokens=16).text
    assert steps[0].trunk_passes == 1 and len(steps) == steps[-1].trunk_passes
    with pytest.raises(unmask.ConfigError, match="Did you mean"):
        chat.stream(question, sampler="treshold")
    with pytest.raises(unmask.PromptError):
        chat.stream([])
