"""`unmask decode-cost`: what it says, and what it cannot read."""

import json

import pytest

from tests.cli.command import refused, run
from tests.dllm.test_config import LLADA_8B


@pytest.fixture
def config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLADA_8B))
    return tmp_path


def test_memory_and_work_are_said_of_file_and_folder(config, capsys):
    assert run("decode-cost", str(config)) == 0
    said = capsys.readouterr().out
    assert "8.02 billion weights, 16.0 GB in bf16" in said and "cache dual" in said
    assert run("decode-cost", str(config / "config.json"), "--json", "--precision", "float32") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["weight_bytes"] == 4 * found["num_weights"] == 4 * 8_015_581_184
    assert [row["passes"] for row in found["decoders"]] == pytest.approx(
        [256, 85.3, 85.3, 85.3], 0.01
    )


def test_what_cannot_be_read_is_refused(config, capsys, tmp_path):
    assert "there is no model 'nowhere.json'" in refused(capsys, "decode-cost", "nowhere.json")
    (tmp_path / "bert.json").write_text('{"model_type": "bert"}')
    assert "model_type is 'bert'" in refused(capsys, "decode-cost", str(tmp_path / "bert.json"))
    asked = ["--answer", "100"]
    assert "cannot be cut into blocks" in refused(capsys, "decode-cost", str(config), *asked)
