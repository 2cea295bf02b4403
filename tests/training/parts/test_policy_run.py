"""A run that trains a policy: it learns what is known to be best, and can be interrupted."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
import yaml

from unmask.draws import SeededDraws
from unmask.errors import CheckpointError, ConfigError, OutputError
from unmask.files.tensors import read_tensors
from unmask.network.policy import PolicyConfig, read_policy
from unmask.predictors.table import JointTable
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.sampler import sample
from unmask.training.parts.policy_config import PolicyTrainer
from unmask.training.parts.policy_run import open_run, train

LENGTH = 4
SHAPE = PolicyConfig(length=LENGTH, width=8, num_heads=1, mlp_ratio=2.0)
TRAINER = PolicyTrainer(
    num_steps=40, group_size=32, length=LENGTH, alpha=0.5, lr=0.05, checkpoint_every=2, seed=1
)
QUICK = replace(TRAINER, num_steps=5, group_size=4)


def pairs() -> JointTable:
    """Tokens 0 and 1 are equal but for one time in a thousand, so are 2 and 3."""
    pair = torch.tensor([[0.4995, 0.0005], [0.0005, 0.4995]]).double().log()
    return JointTable(pair[:, :, None, None] + pair)


def share_of_equal_pairs(token_ids):
    return (token_ids[:, ::2] == token_ids[:, 1::2]).double().mean(dim=1)


def run(folder, trainer=TRAINER, observe=lambda report: None):
    """Start a run, or go on with the one in `folder`."""
    state = open_run(SHAPE, trainer, folder, "auto")
    train(pairs(), share_of_equal_pairs, state, trainer, folder, observe=observe)
    return state


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def timeless(folder):
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows(folder)]


def saved(folder):
    tensors = read_tensors(folder / "training.safetensors")
    return {name: tensor for name, tensor in tensors.items() if "seconds" not in name}


def assert_same_run(found, expected):
    assert timeless(found) == timeless(expected)
    assert saved(found).keys() == saved(expected).keys()
    for name, tensor in saved(expected).items():
        assert torch.equal(saved(found)[name], tensor), name


def test_a_policy_learns_to_wait_for_one_token_of_each_pair(tmp_path):
    """The best a policy can do is one token of each pair, then the other: reward 0.5^0.5.

    A token whose partner is known is certain, so confidence tells when to dare. At the start
    all look alike, and chance decides which pairs are spoilt.
    """
    state = run(tmp_path / "run")
    found = rows(tmp_path / "run")
    early = sum(row["reward"] for row in found[:4]) / 4
    late = sum(row["reward"] for row in found[-8:]) / 8
    assert late > early + 0.1 and 0.5 < late < 0.5**0.5
    policy = state.part
    all_masked = torch.ones(1, LENGTH, dtype=torch.bool)
    half = torch.tensor([[True, False, True, False]])
    with torch.no_grad():
        unsure = torch.sigmoid(policy(torch.full((1, LENGTH), 0.5), all_masked, torch.ones(1)))
        sure = torch.sigmoid(policy(torch.ones(1, LENGTH), half, torch.full((1,), 0.5)))
    assert unsure.max() < 0.6 and sure[half].min() > 0.9


def test_the_folder_of_a_run_is_a_policy(tmp_path):
    run(tmp_path / "run", QUICK)
    given_ids = torch.full((3, LENGTH), 2)
    sampler = LearnedPolicy(policy=read_policy(tmp_path / "run"))
    assert (sample(pairs(), sampler, given_ids, SeededDraws(range(3))).token_ids < 2).all()
    values = yaml.safe_load((tmp_path / "run" / "trainer.yaml").read_text())
    assert PolicyTrainer(**values) == QUICK


def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_weights(tmp_path):
    run(tmp_path / "whole", QUICK)

    def stop_at_three(report):
        if report.progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    run(tmp_path / "stopped", QUICK, stop_at_three)
    assert len(rows(tmp_path / "stopped")) == 3
    run(tmp_path / "stopped", QUICK)
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.parametrize("step", [1, 3])
def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(tmp_path, step):
    """At step 1 that is the one written before the first step."""
    run(tmp_path / "whole", QUICK)

    def die(report):
        if report.progress.step == step:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(tmp_path / "killed", QUICK, die)
    run(tmp_path / "killed", QUICK)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_a_time_limit_ends_a_session_with_a_checkpoint(tmp_path):
    state = run(tmp_path / "run", replace(QUICK, minutes=1e-9))
    assert state.progress.step == 1
    assert saved(tmp_path / "run")["progress/step"].item() == 1


def test_a_run_is_not_overwritten_nor_mixed(tmp_path):
    run(tmp_path / "run", QUICK)
    with pytest.raises(OutputError, match="already holds a run.*--resume auto"):
        open_run(SHAPE, QUICK, tmp_path / "run")
    with pytest.raises(CheckpointError, match="come from different models"):
        open_run(replace(SHAPE, width=16), QUICK, tmp_path / "run", "auto")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("dear")
    with pytest.raises(OutputError, match="is not empty"):
        open_run(SHAPE, QUICK, tmp_path / "other", "auto")


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path / "run", QUICK)
    file = tmp_path / "run" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        open_run(SHAPE, QUICK, tmp_path / "run", "auto")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group_size": 1}, "group_size must be at least 2, got 1"),
        ({"num_steps": 0}, "num_steps must be at least 1"),
        ({"updates": 0}, "updates must be at least 1"),
        ({"clip": 0.0}, "clip must be positive"),
        ({"lr": float("nan")}, "lr must be positive"),
        ({"alpha": -1.0}, "alpha must be.*0 asks for quality alone"),
        ({"alpha": float("inf")}, "alpha must be"),
        ({"seed": 2**63}, "seed must fit into 64 bits"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(TRAINER, **change)


def test_sequences_longer_than_the_policy_reads_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="length must be at most 4.*got 5"):
        open_run(SHAPE, replace(TRAINER, length=5), tmp_path / "run")
    assert not (tmp_path / "run").exists()
