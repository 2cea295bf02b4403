"""A sampler of another package: usable by name, and checked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import refused, run

PACKAGE = '''
from dataclasses import dataclass, replace

import torch

from unmask.named import Named
from unmask.samplers.common import masked_state
from unmask.cost import Cost


@dataclass(frozen=True)
class Everywhere(Named):
    """Reveals every masked position at once, or only the first."""

    name = "everywhere"
    at_once: bool = True

    def init(self, given_ids, *, mask_id, draws):
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(self, state, predictor, draws):
        is_masked = state.token_ids == predictor.vocab_size
        if not self.at_once:
            is_masked &= is_masked.cumsum(dim=1) == 1
        positions = torch.arange(state.token_ids.shape[1]).expand_as(state.token_ids)
        log_probs = predictor.draft(state.token_ids, positions).log_probs
        drawn = draws.categorical(log_probs, is_masked)
        token_ids = torch.where(is_masked, drawn, state.token_ids)
        one = torch.ones(len(drawn), dtype=torch.long)
        cost = Cost.of_passes(one, token_ids, accepted=is_masked.sum(dim=1))
        return state.rewritten(token_ids, mask_id=predictor.vocab_size), cost
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a process in which a package with a sampler is installed."""
    (tmp_path / "elsewhere.py").write_text(PACKAGE)
    about = tmp_path / "elsewhere-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[unmask.samplers]\neverywhere = elsewhere:Everywhere\nbroken = elsewhere:Nothing\n"
        "wrong = elsewhere:masked_state\n"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def unmask(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "unmask", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_sampler_of_another_package_is_checked_and_used_by_name(environment):
    checked = unmask(["check-sampler", "everywhere", "--json"], environment)
    assert checked.returncode == 0, checked.stderr + checked.stdout
    findings = json.loads(checked.stdout)["findings"]
    assert [found["check"] for found in findings] == ["spec", "law", "batch", "account"]
    made = unmask(
        ["generate", "text8s-any", "--sampler", "everywhere(at_once=true)", "--length", "16"]
        + ["--num-samples", "1", "--json"],
        environment,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout.splitlines()[0])["trunk_passes"] == 1


@pytest.mark.parametrize(
    ("name", "said"), [("broken", "cannot be imported"), ("wrong", "is no dataclass")]
)
def test_a_sampler_that_cannot_be_had_is_named(environment, name, said):
    checked = unmask(["check-sampler", name], environment)
    assert checked.returncode == 2 and said in checked.stderr
    assert "installed package" in checked.stderr and "Traceback" not in checked.stderr


def test_ours_are_checked_on_what_they_need(capsys):
    assert run("check-sampler", "lossless", "--length", "3") == 0
    assert "a random causal network" in capsys.readouterr().out
    assert run("check-sampler", "wino", "--length", "2") == 0
    assert "LLaDA's kind" in capsys.readouterr().out
    said = refused(capsys, "check-sampler", "wino", "--length", "9")
    assert "--length must be from 2 to 8" in said
    assert "no sampler 'nope'" in refused(capsys, "check-sampler", "nope")
