"""Bad input: one sentence that says what, where, why and how to go on; status 2; nothing lost."""

import json
import resource
import shutil
import subprocess
import sys

import pytest

from tests.cli.command import refused, run
from unmask.files.model_folder import shipped_folder
from unmask.models.text import TextModel
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.vocabularies.characters import text8

SHORT = ["--num-samples", "1", "--length", "8"]


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model, to be damaged."""
    return shutil.copytree(shipped_folder("text8s-any"), tmp_path / "model")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nonesuch"], "no model 'nonesuch'"),
        (["--prompt", "a" * 300], "300 characters"),
        (["--prompt", "Hello"], "'H' at offset 0"),
        (["--template", "no blanks"], "no blank"),
        (["--template", "Caf_"], "'C' at offset 0"),
        (["--length", "1000"], "1 to 256"),
        (["--sampler.window.dtau", "0"], "above 0 and at most 1, got 0"),
        (["--sampler.window.dtau", "1.5"], "above 0 and at most 1, got 1.5"),
        (["--sampler.window.dtau", "wide"], "dtau"),
        (["--sampler.verify-rounds", "0"], "verify_rounds must be at least 1"),
        (["--top-p", "0"], "top-p must be above 0"),
        (["--top-p", "1.1"], "top-p must be above 0"),
        (["--temperature", "-1"], "at least 0, got -1"),
        (["--num-samples", "0"], "num_samples must be a whole number of at least 1"),
        (["--batch-size", "0"], "batch_size must be a whole number of at least 1"),
        (["--sampler", "magic"], "self-speculative, target-only, fixed-partition, lossless"),
        (["--sampler.window", "magic"], "cosine, linear, fixed, whole"),
        (["--sampler", "ancestral", "--sampler.num-steps", "0"], "num_steps must be at least 1"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["--nonesuch", "1"], "nonesuch"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_generate_refuses(capsys, flags, message):
    assert message in refused(capsys, "generate", *flags)


def test_truncated_weights(capsys, folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "not a whole safetensors file" in refused(capsys, "generate", str(folder))


def test_corrupt_weights(capsys, folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 4096)
    assert "not a whole safetensors file" in refused(capsys, "generate", str(folder))


def test_config_that_does_not_match_the_weights(capsys, folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["num_trunk_blocks"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    assert "come from different models" in refused(capsys, "generate", str(folder))


def test_config_that_is_no_json(capsys, folder):
    (folder / "config.json").write_text("{")
    assert "cannot be read as JSON" in refused(capsys, "generate", str(folder))


def test_a_network_that_cannot_verify(capsys, tmp_path):
    config = HybridConfig(width=8, num_heads=1, num_trunk_blocks=1, num_tail_blocks=0)
    TextModel(HybridTransformer(config), text8(), "plain").save(tmp_path / "plain")
    arguments = ["generate", str(tmp_path / "plain"), "--num-samples", "1"]
    speculative = refused(capsys, *arguments, "--sampler", "self-speculative")
    assert "has no causal blocks to verify with" in speculative
    assert run(*arguments) == 0


def test_a_folder_that_is_no_model(capsys, tmp_path):
    assert "config.json" in refused(capsys, "generate", str(tmp_path))


def test_an_output_that_exists_is_left_as_it_is(capsys, tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("precious")
    assert "already exists" in refused(capsys, "generate", *SHORT, "--output", str(path))
    assert path.read_text() == "precious"


def test_an_output_that_cannot_be_written(capsys, tmp_path):
    path = tmp_path / "no" / "such" / "folder.jsonl"
    assert "cannot write" in refused(capsys, "generate", *SHORT, "--output", str(path))


def test_a_disk_that_fills_up_keeps_the_samples_that_are_whole(tmp_path):
    """A real file that may not grow beyond a size: the write that does not fit is cut short."""
    path = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "unmask", "generate", "--num-samples", "4", "--length", "60",
               "--batch-size", "1", "--output", str(path)]  # fmt: skip
    most = 1500

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot go on writing" in done.stderr and "Its samples are whole" in done.stderr
    text = path.read_text()
    seeds = [json.loads(line)["seed"] for line in text.splitlines()]
    assert text.endswith("}\n") and 1 <= len(seeds) < 4 and seeds == list(range(len(seeds)))


def test_a_wrong_choice_is_found_before_the_output_is_made(capsys, tmp_path):
    path = tmp_path / "out.jsonl"
    refused(capsys, "generate", "--top-p", "7", "--output", str(path))
    refused(capsys, "generate", "--num-samples", "0", "--output", str(path))
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"Hello", "'H' at offset 0"), (b"a\xff", "offset 1")],
)
def test_score_refuses_bad_text(capsys, tmp_path, content, message):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert message in refused(capsys, "score", "text8s-any", str(path))


def test_score_refuses_the_rest(capsys, tmp_path):
    assert "there is no file" in refused(capsys, "score", "text8s-any", str(tmp_path / "none.txt"))
    path = tmp_path / "text.txt"
    path.write_text("some text")
    flags = ["score", "text8s-any", str(path)]
    assert "ancestral" in refused(capsys, *flags, "--sampler", "ancestral")
    assert "--num-orders must be" in refused(capsys, *flags, "--num-orders", "0")
    assert "--offset" in refused(capsys, *flags, "--offset", "9")
