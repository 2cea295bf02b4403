"""`unmask score` on the shipped model."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

import unmask
from tests.cli.command import run
from tests.reference.random_network import TINY, random_network
from unmask.cli.main import main
from unmask.models.lengths import Lengths
from unmask.models.text import TextModel
from unmask.vocabularies.residues import Residues

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


def test_records_are_scored_each_at_its_length(tmp_path: Path, capsys) -> None:
    network = random_network(replace(TINY, vocab_size=32, length=8), seed=3).float()
    model = TextModel(network, Residues(), "tiny", Lengths({2: 1, 4: 2}))
    model.save(tmp_path / "model")
    fasta, table = tmp_path / "a.fasta", tmp_path / "scores.csv"
    fasta.write_text(">one x\nMK\n>long\nMKTLAAAA\n>two\nMKXL\n>none\nXX\n")
    asked = ["score", str(tmp_path / "model"), str(fasta)]
    assert main([*asked, "--output", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_sequences"] == 2 and found["num_tokens"] == 5  # X is given
    rows = list(csv.reader(table.read_text().splitlines()))
    assert [row[:3] for row in rows] == [
        ["name", "sequence", "length"], ["one x", "MK", "2"], ["two", "MKXL", "4"],
    ]  # fmt: skip
    expected = unmask.load(tmp_path / "model").score(["MK", "MKXL"]).sequence_bits
    assert [float(row[3]) for row in rows[1:]] == pytest.approx(expected, abs=1e-5)
    assert main([*asked, "--output", str(table)]) == 2
    assert "already exists" in capsys.readouterr().err
    fasta.write_text(">long\nMKTLAAAA\n")
    assert main(asked) == 2
    assert "1 records, and none of at most 6 residues" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("MKT")
    assert main([*asked[:2], str(tmp_path / "a.txt")]) == 2
    assert "is a text, and" in capsys.readouterr().err
