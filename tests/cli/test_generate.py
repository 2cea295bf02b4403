"""`unmask generate` on the shipped model."""

import json

from tests.cli.command import run

SHORT = ["--num-samples", "2", "--length", "16"]


def test_text_and_cost_are_printed(capsys):
    assert run("generate", *SHORT) == 0
    out = capsys.readouterr().out
    assert out.count("--- seed") == 2
    for word in ("trunk passes", "tail passes", "NFE", "accepted drafts", "=== 2 samples"):
        assert word in out


def test_json_has_one_object_per_sample_and_nothing_else(capsys):
    assert run("generate", "text8s-any", *SHORT, "--seed", "7", "--json") == 0
    samples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sample["seed"] for sample in samples] == [7, 8]
    for sample in samples:
        assert set(sample) >= {
            "text", "token_ids", "seed", "trunk_passes", "tail_passes", "nfe", "accepted",
            "rejected", "seconds",
        }  # fmt: skip


def test_output_goes_to_a_new_file(capsys, tmp_path):
    path = tmp_path / "out.jsonl"
    assert (
        run(
            "generate", "text8s-any", *SHORT, "--output", str(path), "--sampler.verify-rounds", "2"
        )
        == 0
    )
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2
    assert "=== 2 samples" in capsys.readouterr().out


def test_prompt_and_template(capsys):
    assert run("generate", "--num-samples", "1", "--length", "20", "--prompt", "the art of ",
               "--json") == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["text"].startswith("the art of ")
    assert run("generate", "--num-samples", "1", "--template", "the ____ was", "--json") == 0
    text = json.loads(capsys.readouterr().out)["text"]
    assert text.startswith("the ") and text.endswith(" was") and len(text) == 12


def test_samplers_windows_and_grids_are_chosen_by_name(capsys):
    one = ["text8s-any", "--num-samples", "1", "--length", "12", "--json"]
    assert run("generate", *one, "--sampler", "ancestral", "--sampler.num-steps", "3",
               "--sampler.grid", "polynomial", "--sampler.grid.exponent", "1.5") == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["trunk_passes"] <= 3
    assert run("generate", *one, "--sampler=target-only", "--sampler.window=fixed",
               "--sampler.window.num_tokens=6") == 0  # fmt: skip
    sample = json.loads(capsys.readouterr().out)
    assert (sample["trunk_passes"], sample["tail_passes"]) == (2, 10)
    assert run("generate", *one, "--sampler.window", "whole", "--sampler.verify-rounds", "12",
               "--temperature", "0.5", "--top-p", "0.9") == 0  # fmt: skip
    assert json.loads(capsys.readouterr().out)["trunk_passes"] == 1


def test_the_order_of_flags_and_their_spelling_do_not_matter(capsys):
    a = ["--sampler.window.dtau", "0.2", "--sampler.verify-rounds=2"]
    b = ["--sampler.verify_rounds", "2", "--sampler.window.dtau=0.2"]
    texts = []
    for flags in (a, b):
        assert (
            run("generate", "text8s-any", *flags, "--length", "16", "--num-samples", "1", "--json")
            == 0
        )
        texts.append(json.loads(capsys.readouterr().out)["text"])
    assert texts[0] == texts[1]


def test_bf16_generates_too(capsys):
    assert run("generate", *SHORT, "--precision", "bf16") == 0


def test_the_shipped_model_has_a_policy_of_its_own(capsys):
    learned = ["--sampler", "learned-policy", "--length", "16", "--json"]
    assert (
        run("generate", "text8s-any", *learned, "--num-samples", "1", "--sampler.boldness", "0")
        == 0
    )
    assert json.loads(capsys.readouterr().out)["trunk_passes"] == 16
    assert (
        run("generate", "text8s-any", *learned, "--num-samples", "1", "--sampler.boldness", "1000")
        == 0
    )
    assert json.loads(capsys.readouterr().out)["trunk_passes"] == 1


def test_the_shipped_large_model_answers_with_its_tail_in_few_passes(capsys):
    question = "Nora has 22 marbles. Omar gives Nora 7 more. Nora loses 3 marbles. "
    question += "How many marbles does Nora have now?"
    ask = ["generate", "arithmetic", "--chat", question, "--num-samples", "1", "--json"]
    plain = "threshold(temperature=0, blocks=left-to-right(8))"
    ways = {"usual": [], "threshold": ["--sampler", plain]}
    found = {}
    for way, choices in ways.items():
        assert run(*ask, *choices) == 0
        found[way] = json.loads(capsys.readouterr().out)
        assert found[way]["text"].endswith("#### 26")
    assert found["threshold"]["tail_passes"] == 0 < found["usual"]["tail_passes"]
    assert found["usual"]["trunk_passes"] <= 12
