"""`unmask generate` with a large model."""

import json

import pytest

from tests.cli.command import refused, run
from tests.large_model_folder import write_large_model


@pytest.fixture
def model(tmp_path):
    return str(write_large_model(tmp_path / "model"))


def answers(capsys, model, *options):
    question = ["--chat", "12 and 30?", "--max-new-tokens", "16", "--num-samples", "1", "--json"]
    assert run("generate", model, *question, *options) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_question_is_answered(model, capsys):
    (greedy,) = answers(capsys, model)
    assert len(greedy["token_ids"]) > 16 and greedy["query_keys"] > 0
    (same,) = answers(capsys, model, "--seed", "5")
    assert same["token_ids"] == greedy["token_ids"]  # the default is greedy
    (other,) = answers(capsys, model, "--sampler", "threshold", "--seed", "5")
    assert other["token_ids"] != greedy["token_ids"]


def test_what_does_not_fit_a_large_model_is_refused(model, capsys):
    chat = ("generate", model, "--chat", "12?")
    assert "give a prompt or a chat" in refused(capsys, "generate", model)
    assert "were asked for" in refused(capsys, *chat, "--max-new-tokens", "900")
    assert "in float32 or bf16" in refused(capsys, *chat, "--precision", "int8")
    assert "not a model for chats" in refused(capsys, "generate", "--chat", "12?")


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "MODEL"],
        ["score", "MODEL", "TEXT"],
        ["bench", "MODEL"],
        ["tune", "MODEL", "--max-nfe", "9"],
        ["reproduce", "text8", "--model", "MODEL"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_large_models_cannot_do_is_said(arguments, model, capsys, tmp_path):
    (tmp_path / "text").write_text("words " * 400)
    places = {"MODEL": model, "TEXT": str(tmp_path / "text")}
    assert "is a large model" in refused(capsys, *[places.get(a, a) for a in arguments])
