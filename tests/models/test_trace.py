"""A generation of any model, by any sampler, as a page."""

import json
import re

import pytest

import unmask
from tests.large_model_folder import write_large_model
from unmask.errors import ConfigError, PromptError


def steps_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="trace">(.*?)</script>', page, re.S)
    return json.loads(found[1])["trace"]


def replayed(seen: dict) -> list[int]:
    token_ids = list(seen["given_ids"])
    for step in seen["steps"]:
        for event in step["events"]:
            token_ids[event["position"]] = event["token_id"]
    return token_ids


@pytest.mark.parametrize(
    "spec",
    [
        "threshold(threshold=0.2)",
        "remdm(num_steps=6)",
        "self-speculative(verify_rounds=2)",
    ],
)
def test_any_sampler_of_a_text_model_is_shown_as_it_generates(spec):
    model = unmask.load("text8s-any")
    seen = steps_of(model.trace(sampler=spec, seed=3, length=12))
    (sample,) = model.generate(sampler=spec, seed=3, length=12)
    assert replayed(seen) == list(sample.token_ids)


@pytest.mark.parametrize(
    "spec", ["", "threshold(threshold=0.2)+dual(block_length=4)", "wino(block_length=4)"]
)
def test_so_is_a_large_model(spec, tmp_path):
    model = unmask.load(str(write_large_model(tmp_path / "model")))
    sampler = spec or None
    seen = steps_of(model.trace(sampler=sampler, seed=1, chat="12 apples", max_new_tokens=8))
    (sample,) = model.generate(sampler=sampler, seed=1, chat="12 apples", max_new_tokens=8)
    assert replayed(seen)[-8:] == list(sample.token_ids)[-8:]


def test_what_cannot_be_generated_cannot_be_shown():
    with pytest.raises(ConfigError, match="no sampler 'nope'"):
        unmask.load("text8s-any").trace(sampler="nope")


def test_a_model_of_characters_says_that_it_answers_nothing():
    with pytest.raises(PromptError, match="answers no questions.*arithmetic"):
        unmask.load("text8s").chat("What is 6 times 7?")
