"""The command line on models with a causal trunk: what they do, and what they say they cannot."""

import json
import re

import pytest

from tests.cli.command import refused, run

ONE = ["--num-samples", "1", "--length", "24", "--json"]
LEFT_TO_RIGHT = ["--sampler", "self-speculative", "--sampler.order", "left-to-right"]
FIXED = [*LEFT_TO_RIGHT, "--sampler.window", "fixed", "--sampler.window.num-tokens"]


def sample(capsys, *arguments):
    assert run("generate", *arguments, *ONE) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "choice",
    [
        [],
        ["--sampler", "lossless", "--sampler.num-tokens", "16", "--sampler.drafts", "factorised"],
        ["--sampler", "lossless-branching", "--sampler.num-tokens", "4"],
        ["--sampler", "autoregressive"],
        [*FIXED, "8"],
        ["--sampler", "target-only", "--sampler.order", "left-to-right", "--sampler.window",
         "fixed", "--sampler.window.num-tokens", "4"],
    ],
    ids=str,
)  # fmt: skip
def test_every_way_generates(capsys, choice):
    found = sample(capsys, "text8s", "--prompt", "the art of ", *choice)
    assert found["text"].startswith("the art of ") and len(found["text"]) == 24
    assert 0 < found["nfe"] < 24 and found["query_tokens"] >= 13


def test_the_reference_takes_a_token_per_pass(capsys):
    found = sample(capsys, "text8s-ar")
    assert (found["trunk_passes"], found["tail_passes"], found["query_tokens"]) == (24, 0, 24)


def test_greedy_text_is_the_same_by_every_lossless_way(capsys):
    greedy = ["text8s", "--prompt", "the ", "--temperature", "0"]
    ways = [["--sampler", name] for name in ("lossless", "lossless-branching", "autoregressive")]
    assert len({sample(capsys, *greedy, *way)["text"] for way in ways}) == 1


def test_a_template_is_filled_in(capsys):
    assert run("generate", "text8s", "--template", "the ____ was", "--num-samples", "1") == 0
    assert "\nthe " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text8s", "--sampler", "self-speculative"], "'random' was asked of a model that writes"),
        (["text8s", *FIXED, "17"], "17 tokens were asked for, and this model .* 16 at most"),
        (["text8s", "--sampler", "lossless", "--sampler.num-tokens", "17"], "16 at most"),
        (["text8s", "--sampler", "ancestral"], "reveals tokens wherever it likes"),
        (["text8s", "--sampler", "wino"], "Wino reveals tokens wherever it likes"),
        (["text8s", "--sampler", "lossless", "--sampler.num-tokens", "0"], "at least 1"),
        (["text8s", "--compile"], "for trunks of this package that run whole"),
        (["text8s", "--sampler", "learned-policy"], "models that read any order"),
        (["text8s-ar", "--template", "the ____ was"], "trained on reading order alone"),
        (["text8s-ar", "--sampler", "lossless"], "drafts nothing. Choose autoregressive"),
        (["text8s-ar", *FIXED, "4"], "drafts nothing"),
        (["text8s-any", "--sampler", "lossless"], "has none"),
        (["text8s-any", "--sampler", "autoregressive"], "has none"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(capsys, arguments, message):
    said = refused(capsys, "generate", *arguments)
    assert re.search(message, said), said


def test_a_law_that_cannot_be_scored_is_refused(capsys, tmp_path):
    text = tmp_path / "t.txt"
    text.write_text("the history of the world " * 12)
    assert "left-to-right" in refused(
        capsys, "score", "text8s", str(text), "--sampler", "self-speculative"
    )
    assert run("score", "text8s", str(text), "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert run("score", "text8s", str(text), "--sampler", "autoregressive", "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert first["bits_per_token"] == second["bits_per_token"] < 4
    assert first["expected_trunk_passes"] is None and second["expected_trunk_passes"] == 256
