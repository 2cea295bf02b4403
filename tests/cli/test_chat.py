"""`unmask generate` with a large model."""

import json
from dataclasses import replace

import pytest
import torch

import unmask
from tests.cli.command import refused, run
from tests.large_model_folder import write_large_model
from unmask.caching.policies import Delayed, Dual
from unmask.cli import generate
from unmask.cli.options.decoding import DecodingOptions
from unmask.dllm.adapted import AdaptedDllm
from unmask.network.adapted import TailConfig
from unmask.network.tail_folder import write_tail
from unmask.process.blocks import LeftToRight
from unmask.samplers.factor import Factor


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


DRAFT_VERIFY = ["--sampler", "draft-verify", "--temperature", "0"]


@pytest.fixture
def drafter(tmp_path):
    """A smaller model of the same tokens."""
    return str(write_large_model(tmp_path / "drafter", width=16, num_blocks=1))


def built(model, *arguments):
    """What a command line makes of the sampler options, as `unmask generate` does."""
    parser = generate.build_parser()
    decoding = DecodingOptions(parser, arguments)
    return decoding.build(parser.parse(decoding.rest), model)


def test_a_sampler_with_all_its_parts_is_the_one_named(model):
    opened = unmask.load(model)
    chosen = built(
        opened, *DRAFT_VERIFY, "--sampler.rule", "kl", "--sampler.drafter", "factor",
        "--sampler.drafter.factor", "0.6", "--sampler.drafter.blocks=left-to-right",
        "--sampler.drafter.blocks.block-length", "8", "--cache", "delayed", "--cache.refresh", "3",
    )  # fmt: skip
    greedy = unmask.Filter(temperature=0.0)
    drafter = Factor(factor=0.6, blocks=LeftToRight(8), filter=greedy)
    assert chosen == opened.stop_at_end(
        opened.with_cache(unmask.DraftVerify(drafter=drafter, rule="kl"), Delayed(refresh=3))
    )
    shape = opened.network.kv_cache_shape
    assert chosen.sampler.drafter.shape == shape
    assert built(opened) == opened.default_sampler
    assert built(opened, "--whole-canvas", "--cache", "dual") == opened.with_cache(
        opened.default_rule, Dual()
    )
    hot = built(opened, "--temperature", "0.7").sampler
    assert hot == replace(opened.default_rule, filter=unmask.Filter(temperature=0.7))


@pytest.mark.parametrize(
    "options",
    [
        ["--sampler", "wino"],
        [*DRAFT_VERIFY, "--cache", "dual", "--cache.block_length", "8"],
        ["--sampler", "klass", "--cache", "prefix"],
        ["--cache", "dual", "--cache.block_length", "4"],
    ],
    ids=" ".join,
)
def test_every_way_to_decode_answers(options, model, capsys):
    (whole,) = answers(capsys, model, "--whole-canvas", *options)
    (stopped,) = answers(capsys, model, *options)
    assert stopped["trunk_passes"] <= whole["trunk_passes"]
    assert len(stopped["token_ids"]) == len(whole["token_ids"])


def test_a_cache_runs_fewer_tokens(model, capsys):
    rule = ["--sampler", "threshold", "--sampler.blocks", "left-to-right", "--whole-canvas"]
    rule += ["--sampler.blocks.block_length", "4", "--sampler.threshold", "2"]
    (plain,) = answers(capsys, model, *rule)
    (cached,) = answers(capsys, model, *rule, "--cache", "dual", "--cache.block_length", "4")
    assert cached["trunk_passes"] == plain["trunk_passes"] == 16
    assert cached["query_tokens"] < plain["query_tokens"] / 2


def test_another_model_drafts(model, drafter, capsys):
    (team,) = answers(capsys, model, *DRAFT_VERIFY, "--drafter", drafter)
    (alone,) = answers(capsys, model, *DRAFT_VERIFY)
    assert team["drafter_passes"] > 0 == alone["drafter_passes"]
    share = unmask.load(drafter).network.config.num_weights
    share /= unmask.load(model).network.config.num_weights
    assert team["nfe"] == pytest.approx(team["trunk_passes"] + share * team["drafter_passes"])
    assert alone["nfe"] == alone["trunk_passes"]
    assert run("generate", model, "--chat", "12?", "--max-new-tokens", "9", *DRAFT_VERIFY,
               "--drafter", drafter) == 0  # fmt: skip
    assert "drafter passes" in capsys.readouterr().out


def test_speed_and_memory_are_told_of_each_answer(model, capsys):
    (answer,) = answers(capsys, model, "--whole-canvas")
    opened = unmask.load(model)
    new_ids = torch.tensor(answer["token_ids"][-16:])
    assert answer["num_tokens"] == opened.num_before_end(new_ids)
    assert answer["tokens_per_second"] == pytest.approx(answer["num_tokens"] / answer["seconds"])
    assert answer["peak_memory_of"] == "process"
    # Of a whole process of Python and torch, which this one has been all along.
    assert answer["peak_memory_bytes"] is None or 5e7 < answer["peak_memory_bytes"] < 1e11
    assert run("generate", model, "--chat", "12?", "--max-new-tokens", "9") == 0
    said = capsys.readouterr().out
    assert "tokens per second and answer, up to its end, prompt apart" in said
    assert "GB held by this process" in said or answer["peak_memory_bytes"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sampler", "wino", "--cache", "dual"], "no cache goes with"),
        (["--sampler", "remdm"], "cannot stop where an answer ends"),
        (["--sampler", "self-speculative"], "has none of them. Train some with"),
        (["--cache", "disk"], "--cache 'disk' is unknown. Choose one of: none, reuse, prefix"),
        (["--cache", "dual", "--cache.block_length", "0"], "block_length must be at least 1"),
        (["--cache", "dual", "--cache.window", "2"], "cache.window"),
        ([*DRAFT_VERIFY, "--sampler.drafter", "wino"], "--sampler.drafter 'wino' is unknown"),
        ([*DRAFT_VERIFY, "--sampler.view", "mirror"], "in-place"),
        (["--drafter", "DRAFTER"], "Add --sampler draft-verify"),
        (["--by-text"], "name it with --drafter"),
        (["--sampler", "threshold", "--drafter", "DRAFTER"], "Add --sampler draft-verify"),
        ([*DRAFT_VERIFY, "--drafter", "text8s"], "is a model of characters"),
        ([*DRAFT_VERIFY, "--drafter", "nowhere"], "no model 'nowhere'"),
        (["--sampler", "semi-autoregressive", "--sampler.num_steps", "2",
          "--sampler.block_length", "4"], "num_steps must be at least 4"),
        (["--sampler", "semi-autoregressive", "--sampler.block-length", "7"],
         "SemiAutoregressive.block_length is 7, which does not divide the 16 tokens"),
        (["--cache", "dual", "--cache.block-length", "5"],
         "Dual.block_length is 5, which does not divide the 16 tokens"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_in_decoding_is_answered_with_one_sentence(
    options, message, model, drafter, capsys
):
    options = [drafter if option == "DRAFTER" else option for option in options]
    chat = ("generate", model, "--chat", "12?", "--max-new-tokens", "16")
    assert message in refused(capsys, *chat, *options)


def test_a_drafter_of_other_tokens_is_refused(model, tmp_path, capsys):
    other = write_large_model(tmp_path / "other")
    file = other / "tokenizer.json"
    content = json.loads(file.read_text())
    vocab = content["model"]["vocab"]
    one, another = sorted(vocab, key=vocab.get)[40:42]
    vocab[one], vocab[another] = vocab[another], vocab[one]
    file.write_text(json.dumps(content))
    said = refused(
        capsys, "generate", model, "--chat", "12?", *DRAFT_VERIFY, "--drafter", str(other)
    )
    assert f"token {vocab[another]} is '{another}' to the drafter" in said
    (by_text,) = answers(
        capsys, model, *DRAFT_VERIFY, "--drafter", str(other), "--by-text", "--seed", "3"
    )
    (expected,) = unmask.draft_verify_across(
        unmask.load(str(other)), unmask.load(model), chat="12 and 30?", max_new_tokens=16, seed=3,
        rule=unmask.Threshold(filter=unmask.Filter(temperature=0.0)),
    )  # fmt: skip
    assert by_text["token_ids"] == expected.token_ids and by_text["drafter_passes"] > 0
    kl = [*DRAFT_VERIFY, "--sampler.rule", "kl", "--drafter", str(other), "--by-text"]
    assert "compares probabilities of the same tokens" in refused(
        capsys, "generate", model, "--chat=1", *kl
    )
    for choice in ("replaced_from", "num_committed", "kl_bound"):
        of_tokens = [*DRAFT_VERIFY, f"--sampler.{choice}", "3", "--drafter", str(other)]
        assert f"--sampler.{choice} is for models of the same tokens" in refused(
            capsys, "generate", model, "--chat=1", *of_tokens, "--by-text"
        )
    wider = write_large_model(tmp_path / "wider", vocab_size=281)
    said = refused(
        capsys, "generate", model, "--chat", "12?", *DRAFT_VERIFY, "--drafter", str(wider)
    )
    assert "has 281 token ids" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sampler", "wino"], "cannot be asked about tokens that are there"),
        (["--sampler", "draft-verify"], "the view 'in-place' or 'pre-draft'"),
        (["--cache", "dual"], "is one of characters, whose passes are always whole"),
        (["--whole-canvas"], "always fills what it is given"),
        (["--drafter", "text8s"], "drafts for itself"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_only_large_models_have_is_said(options, message, capsys, tmp_path):
    output = tmp_path / "samples.jsonl"
    assert message in refused(capsys, "generate", "text8s-any", "--output", str(output), *options)
    assert not output.exists()


def test_a_model_of_characters_verifies_in_place(capsys):
    options = ["--sampler", "draft-verify", "--sampler.view", "in-place", "--json"]
    assert run("generate", "text8s-any", "--length", "8", "--num-samples", "1", *options) == 0
    sample = json.loads(capsys.readouterr().out)
    assert len(sample["text"]) == sample["num_tokens"] == 8


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


def test_a_tail_verifies_where_it_lies(model, tmp_path, capsys):
    network = AdaptedDllm(unmask.load(model).network, TailConfig())
    write_tail(tmp_path / "tail", network.tail_config, network.state_dict(), network.trunk)
    speculative = ["--sampler", "self-speculative", "--temperature", "0"]
    speculative += ["--sampler.order", "left-to-right", "--tail", str(tmp_path / "tail")]
    (answer,) = answers(capsys, model, *speculative)
    assert answer["tail_passes"] >= 1
    chat = ("generate", model, "--chat", "12?")
    assert "name them with --tail" in refused(capsys, *chat, *speculative[:-2])
    assert "no cache goes with" in refused(capsys, *chat, *speculative, "--cache", "dual")
    assert "text8s has a causal trunk" in refused(capsys, "generate", *speculative[-2:])
    assert "nowhere" in refused(capsys, *chat, "--tail", "nowhere")
