"""The command itself: verbs, help, flags that are pinned, and errors."""

import json
import subprocess
import sys

import pytest

from tests.cli.command import refused, run
from unmask.cli import (
    bench,
    decode_cost,
    doctor,
    evaluate,
    generate,
    lm_eval,
    models,
    reproduce,
    score,
    train,
    train_error_head,
    train_policy,
    tune,
    variants,
    words,
)
from unmask.cli.main import VERBS
from unmask.samplers.registry import PARTS

FLAGS = {
    bench: "batch-sizes compile device help json length precision recipe rounds seed tail threads",
    generate: "batch-size by-text chat compile device drafter help json length max-new-tokens "
    "num-samples output precision prompt prompts resume seed stop tail template trace "
    "whole-canvas",
    score: "batch-size device help json nearest-in normalise num-orders num-sequences offset "
    "output precision seed tail",
    evaluate: "batch-size block-length budgets chain-length chain-order compile data decoders "
    "device drafter exact-sequences families fewshot-data fewshot-members help judge "
    "max-new-tokens members num-fewshot num-questions num-samples "
    "out precision protocol resume samplers seed tail task words",
    tune: "batch-size data device help json max-nfe max-seconds num-samples order precision seed "
    "tail target-quality words",
    reproduce: "baseline batch-size device help model num-samples out precision resume scale seed "
    "words",
    variants: "device help num-orders output own-law precision seed tail",
    words: "help normalise out",
    models: "help json",
    doctor: "help json",
    decode_cost: "answer batch_size block_length help json precision prompt tokens_per_pass",
}
TRAIN_FLAGS = """
    begin config data dry-run gpu help model model.activation model.dropout model.fills_in
    model.first_target model.heads model.length model.max_window model.mlp_ratio
    model.num_heads model.num_tail_blocks model.num_trunk_blocks model.output_residual
    model.reach model.tail_inputs model.tail_rotary model.vocab_size model.width normalise
    optimizer optimizer.beta2 optimizer.final_lr_share optimizer.grad_clip optimizer.lr
    optimizer.matrices optimizer.matrix_lr optimizer.warmup_steps optimizer.weight_decay out
    print-config print-recipe resume trainer trainer.batch_size trainer.checkpoint_every
    trainer.compile trainer.draft_weight trainer.ema_decay trainer.given_share
    trainer.log_every trainer.minutes trainer.num_steps trainer.num_valid trainer.orders
    trainer.precision trainer.schedule trainer.seed trainer.stream_weight trainer.target_weight
    trainer.validate_every trainer.workers trunk vocabulary
"""
TRAIN_POLICY_FLAGS = """
    device help out policy policy.initial_rate policy.mlp_ratio policy.num_heads policy.width
    precision resume trainer trainer.alpha trainer.checkpoint_every trainer.clip
    trainer.group_size trainer.length trainer.lr trainer.minutes trainer.num_steps trainer.seed
    trainer.updates words
"""
TRAIN_ERROR_HEAD_FLAGS = """
    data device help normalise optimizer optimizer.beta2 optimizer.final_lr_share
    optimizer.grad_clip optimizer.lr optimizer.matrices optimizer.matrix_lr
    optimizer.warmup_steps optimizer.weight_decay out precision resume trainer trainer.batch_size
    trainer.checkpoint_every trainer.minutes trainer.num_steps trainer.num_valid trainer.seed
    trainer.validate_every
"""


def flags_of(parser):
    options = (o for action in parser._actions for o in action.option_strings)
    return sorted(o.removeprefix("--") for o in options if o.startswith("--"))


@pytest.mark.parametrize("verb", FLAGS, ids=lambda module: module.__name__)
def test_flags_are_pinned(verb):
    assert flags_of(verb.build_parser()) == FLAGS[verb].split()


def test_flags_of_training_are_pinned():
    assert flags_of(train.build_parser()) == sorted(TRAIN_FLAGS.split())
    assert flags_of(train_error_head.build_parser()) == sorted(TRAIN_ERROR_HEAD_FLAGS.split())


def test_flags_of_training_a_policy_are_pinned():
    assert flags_of(train_policy.build_parser()) == sorted(TRAIN_POLICY_FLAGS.split())


DRAFT_VERIFY = (
    "sampler.acceptance sampler.kl_bound sampler.max_remasked sampler.num_committed "
    "sampler.num_draft_passes sampler.replaced_from sampler.rule sampler.threshold sampler.view"
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "sampler.order sampler.patience sampler.threshold sampler.verify_rounds "
         "sampler.window.dtau"),
        (["--sampler.window", "fixed"],
         "sampler.order sampler.patience sampler.threshold sampler.verify_rounds "
         "sampler.window.num_tokens"),
        (["--sampler", "ancestral"], "sampler.num_steps sampler.prediction"),
        (["--sampler=target-only"], "sampler.order"),
        (["--sampler", "fixed-partition"], "sampler.order sampler.window.dtau"),
        (["--sampler", "lossless"], "sampler.drafts sampler.num_tokens"),
        (["--sampler", "lossless-branching"], "sampler.drafts sampler.num_tokens"),
        (["--sampler", "autoregressive"], ""),
        (["--sampler", "first-hitting"], ""),
        (["--sampler", "maskgit"], "sampler.choice_temperature sampler.num_steps"),
        (["--sampler", "top-k-margin"], "sampler.choice_temperature sampler.num_steps"),
        (["--sampler", "top-k-entropy"], "sampler.choice_temperature sampler.num_steps"),
        (["--sampler", "semi-autoregressive"], "sampler.block_length sampler.num_steps"),
        (["--sampler", "threshold"], "sampler.first_alone sampler.threshold"),
        (["--sampler", "factor", "--sampler.blocks", "left-to-right"],
         "sampler.blocks.block_length sampler.factor"),
        (["--sampler", "entropy-bounded"], "sampler.bound sampler.ranking"),
        (["--sampler", "klass"],
         "sampler.fallback sampler.history sampler.kl_bound sampler.threshold"),
        (["--sampler", "dilated"], "sampler.base sampler.block_length"),
        (["--sampler", "remdm"], "sampler.num_steps sampler.remasking.eta"),
        (["--sampler", "star-shaped"],
         "sampler.choice_temperature sampler.error_predictor sampler.num_steps sampler.t_on"),
        (["--sampler", "lookahead"],
         "sampler.choice_temperature sampler.num_paths sampler.num_tokens sampler.pool_size"),
        (["--sampler", "self-draft"], "sampler.num_drafts sampler.threshold"),
        (["--sampler", "threshold", "--sampler.blocks", "sliding"],
         "sampler.blocks.width sampler.first_alone sampler.threshold"),
        (["--sampler", "learned-policy"],
         "sampler.boldness sampler.policy sampler.policy_temperature"),
        (["--sampler", "wino"],
         "sampler.as_released sampler.block_length sampler.draft_threshold "
         "sampler.keep_threshold"),
        (["--sampler", "draft-verify"], 
         f"{DRAFT_VERIFY} sampler.drafter.first_alone sampler.drafter.threshold"),
        (["--sampler", "draft-verify", "--sampler.drafter=factor", "--sampler.drafter.blocks",
          "left-to-right"],
         f"{DRAFT_VERIFY} sampler.drafter.blocks.block_length sampler.drafter.factor"),
    ],
    ids=str,
)  # fmt: skip
def test_flags_of_samplers_are_pinned(capsys, arguments, expected):
    assert run("generate", *arguments, "--help") == 0
    shown = {w.strip("[]") for w in capsys.readouterr().out.split() if "--sampler." in w}
    choices = {"sampler.*", "sampler.drafter.blocks", *(f"sampler.{part}" for part in PARTS)}
    assert {w.removeprefix("--") for w in shown} - choices == set(expected.split())


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ("none", ""),
        ("dual", "cache.block_length"),
        ("delayed", "cache.as_released cache.block_length cache.keeps_prompt cache.refresh"),
        ("greedy", "cache.refresh cache.window"),
    ],
)
def test_flags_of_caches_are_pinned(capsys, cache, expected):
    assert run("generate", "--cache", cache, "--help") == 0
    shown = {w.strip("[]") for w in capsys.readouterr().out.split() if "--cache." in w}
    assert {w.removeprefix("--") for w in shown} - {"cache.*"} == set(expected.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(capsys, verb):
    assert run(verb, "--help") == 0
    out = capsys.readouterr().out
    assert f"usage: unmask {verb}" in out and "--help" in out


def test_help_names_every_verb_and_does_not_load_torch():
    program = (
        "import sys; from unmask.cli.main import main; main(['--help']); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)


def test_version_and_unknown_verb(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("unmask 0.")
    assert "no verb 'dance'" in refused(capsys, "dance")


def test_models_lists_what_ships(capsys):
    assert run("models") == 0
    out = capsys.readouterr().out
    assert "text8s" in out and "text8-small" in out
    assert run("models", "--json") == 0
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["models"]]
    assert names == sorted(names) and {"arithmetic", "arithmetic-drafter", "text8s"} <= {*names}


def test_doctor_finds_a_whole_installation(capsys):
    assert run("doctor") == 0
    assert "whole" in capsys.readouterr().out


def test_doctor_finds_a_broken_model(capsys, monkeypatch):
    from unmask.errors import CheckpointError

    def broken(name):
        raise CheckpointError(f"{name} is cut short")

    monkeypatch.setattr(doctor, "load", broken)
    assert run("doctor", "--json") == 2
    assert "cut short" in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error():
    command = (
        f"{sys.executable} -m unmask generate --num-samples 3 --length 8 --batch-size 1 | head -1"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0 and "Error" not in done.stderr, done.stderr


def test_the_harness_is_asked_for_where_it_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(lm_eval, "find_spec", lambda name: None)
    message = refused(capsys, "lm-eval", "--tasks", "gsm8k")
    assert "not installed" in message and "unmask[lm-eval]" in message
