"""`unmask score` on the shipped model."""

import json

import pytest

from tests.cli.command import run

FAST = ["--num-sequences", "1", "--sampler.window", "fixed", "--sampler.window.num-tokens", "4"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the history of the world is long")
    return str(path)


def test_json_is_one_object(capsys, text):
    assert run("score", "text8s-any", text, *FAST, "--num-orders", "2", "--json") == 0
    score = json.loads(capsys.readouterr().out)
    assert set(score) >= {
        "bits_per_token", "standard_error", "num_tokens", "num_orders", "sampler",
        "diffusion_bits_per_token", "tightened_bits_per_token",
    }  # fmt: skip
    assert score["num_tokens"] == 32 and score["num_orders"] == 2
    assert score["sampler"]["name"] == "self-speculative"
    assert score["sampler"]["window"] == {"name": "fixed", "num_tokens": 4}
    assert 0 < score["tightened_bits_per_token"] <= score["bits_per_token"] < 5


def test_text_names_each_bound_and_the_expected_cost(capsys, text):
    assert run("score", "text8s-any", text, *FAST) == 0
    out = capsys.readouterr().out
    assert "the sampler's likelihood" in out and "masked diffusion (ELBO)" in out
    assert "trunk passes" in out


def test_raw_text_is_normalised_on_request(capsys, tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("The History, of the World!")
    assert run("score", "text8s-any", str(path), *FAST, "--normalise", "--json") == 0
    assert json.loads(capsys.readouterr().out)["num_tokens"] == len("the history of the world")


def test_a_fixed_partition_costs_a_pass_per_group_and_knows_no_other_bound(capsys, text):
    partition = ["--sampler", "fixed-partition", "--sampler.window", "fixed"]
    asked = ["score", "text8s-any", text, *partition, "--sampler.window.num-tokens", "4"]
    assert run(*asked, "--num-sequences", "1", "--json") == 0
    score = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert score["expected_trunk_passes"] == pytest.approx(8)
    assert score["expected_tail_passes"] == 0 and score["expected_acceptance_rate"] == 1
    assert score["diffusion_bits_per_token"] is None and score["standard_error"] is None
    assert run(*asked, "--num-sequences", "1") == 0
    assert "(ELBO)" not in capsys.readouterr().out
