"""Questions answered, recorded, and answered no second time."""

import json
import math
from dataclasses import replace

import pytest

import unmask
from tests.large_model_folder import CONFIG, write_large_model
from unmask.caching.policies import Dual
from unmask.cost import Cost, Work
from unmask.data.questions import Question, arithmetic_questions, protocol
from unmask.dllm.adapted import AdaptedDllm
from unmask.errors import ConfigError
from unmask.network.adapted import TailConfig
from unmask.network.tail_folder import write_tail
from unmask.process.blocks import LeftToRight
from unmask.process.windows import Fixed
from unmask.questions import answer_report
from unmask.questions.answering import Answered, Records, answer_all
from unmask.questions.decoders import decoder
from unmask.samplers.draft_verify import DraftVerify

QUESTIONS = [Question(f"{n} apples and 30 pears?", str(n)) for n in range(5)]
PROTOCOL = protocol("gsm8k")
DECODERS = (
    "one-by-one", "half-steps", "threshold", "factor", "entropy-bounded", "klass", "dilated",
    "threshold+prefix", "threshold+dual", "one-by-one+delayed-4", "one-by-one+delayed-8",
    "dilated+greedy", "threshold+prefill", "draft-verify", "draft-verify/exact",
    "draft-verify/trust/in-place", "draft-verify/kl/pre-draft/prefix", "wino", "self-draft-4",
    "left-to-right", "left-to-right+prefix", "prefix-verify-3",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return unmask.load(str(write_large_model(tmp_path_factory.mktemp("model"))))


def answered(model, records, name="threshold", questions=QUESTIONS, **options):
    sampler = decoder(name, model, 16)
    return answer_all(model, questions, PROTOCOL, sampler, records, max_new_tokens=16, **options)


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_answers(name, model, tmp_path) -> None:
    found = answered(model, Records(tmp_path / "a.jsonl"), name, QUESTIONS[:2])
    assert [each.number for each in found] == [0, 1]
    for each in found:
        assert 0 <= each.num_tokens <= 16 and each.trunk_passes >= 1 and each.cost.trunk.pairs > 0
        assert each.said == PROTOCOL.said(each.text)
        assert each.is_right == (each.said == str(each.number))


SPECS = {
    "threshold-0.6+dual": "threshold(threshold=0.6)+dual",
    "one-by-one+delayed-4": "semi-autoregressive(num_steps=16, block_length=8, temperature=0)"
    "+delayed(refresh=4, block_length=8)",
    "draft-verify/disagreement/pre-draft/0.5/every-2/keep-0.3/prefix": "draft-verify(rule="
    "disagreement, view=pre-draft, drafter=threshold(threshold=0.5), num_draft_passes=2, "
    "threshold=0.3, acceptance=prefix)",
    "wino": "wino()",
}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_decodes_like_the_decoder_it_says(name, model) -> None:
    texts = [
        model.generate(chat="1 + 1?", sampler=decoder(each, model, 16, 8), max_new_tokens=16)
        for each in (name, SPECS[name])
    ]
    old, new = (
        [(s.token_ids, s.trunk_passes, s.cost.trunk.pairs) for s in each] for each in texts
    )
    assert old == new


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("threshold(treshold=0.6)", "Did you mean 'threshold'"),
        ("wino()+dual", "no cache goes with"),
        ("self-draft(num_drafts=2)+dual", "no cache goes with"),
        ("self-speculative()", "tail|causal"),
        ("threshold(threshold=0.6)+", "a cache was expected"),
        ("remdm", "end"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(spec, said, model) -> None:
    with pytest.raises(ConfigError, match=said):
        decoder(spec, model, 16, 8)


def test_an_unknown_decoder_is_answered_with_those_there_are(model) -> None:
    for name in ("beam", "threshold+disk", "draft-verify/none", "draft-verify/kl/shadow/x"):
        with pytest.raises(
            ConfigError, match=f"no decoder '{name.replace('+', '.')}'.*one-by-one"
        ):
            decoder(name, model, 16)


@pytest.mark.parametrize("name", ["wino+dual", "self-draft-4+prefix", "prefix-verify-8+dual"])
def test_a_rule_that_no_cache_can_follow_is_refused_with_one(name, model) -> None:
    with pytest.raises(ConfigError, match=f"cannot be used with a cache, got '{name[:4]}"):
        decoder(name, model, 16)


def test_drafting_ahead_answers_as_one_by_one(model, tmp_path) -> None:
    slow, fast = (
        answered(model, Records(tmp_path / f"{name}.jsonl"), name)
        for name in ("one-by-one", "self-draft-4")
    )
    assert [each.text for each in fast] == [each.text for each in slow]


def test_judged_by_the_whole_network_it_answers_as_from_left_to_right(model, tmp_path) -> None:
    slow, fast = (
        answered(model, Records(tmp_path / f"{name}.jsonl"), name)
        for name in ("left-to-right", "prefix-verify-4")
    )
    assert [each.text for each in fast] == [each.text for each in slow]
    assert sum(each.trunk_passes for each in fast) < sum(each.trunk_passes for each in slow)
    assert sum(each.cost.trunk.pairs for each in fast) >= sum(
        each.cost.trunk.pairs for each in slow
    )


def test_the_parts_of_a_verifying_decoder_are_those_named(model) -> None:
    made = decoder("draft-verify/kl/in-place/prefix", model, 16).sampler
    assert isinstance(made, DraftVerify)
    assert (made.rule, made.view, made.acceptance) == ("kl", "in-place", "prefix")
    usual = decoder("draft-verify", model, 16).sampler
    assert (usual.rule, usual.view, usual.acceptance) == ("confidence", "shadow", "position")
    assert (usual.drafter.sampler.threshold, usual.num_draft_passes) == (0.6, 4)
    other = decoder("draft-verify/exact/0.7/keep-0.8/every-2/replace-0.6", model, 16).sampler
    assert (other.rule, other.view, other.acceptance) == ("exact", "shadow", "position")
    assert (other.drafter.sampler.threshold, other.num_draft_passes) == (0.7, 2)
    assert (usual.threshold, other.threshold) == (0.5, 0.8)
    assert (usual.replaced_from, other.replaced_from) == (math.inf, 0.6)


def test_a_rule_can_be_named_with_its_number(model) -> None:
    assert decoder("threshold-0.9", model, 16) == decoder("threshold", model, 16)
    assert decoder("one-by-one", model, 16, 8).sampler.block_length == 8
    plain = decoder("threshold+dual", model, 16, 8)
    team = decoder("draft-verify", model, 16, 8).sampler.drafter
    assert plain.cache == team.cache == Dual(8)
    assert plain.sampler.sampler.blocks == team.sampler.blocks == LeftToRight(8)
    with pytest.raises(ConfigError, match="a block has at least 1 token, got -8"):
        decoder("threshold", model, 16, -8)
    assert decoder("threshold-0.6+dual", model, 16).sampler.sampler.threshold == 0.6
    assert decoder("factor-0.5", model, 16).sampler.factor == 0.5
    adapted = AdaptedDllm(model.network, TailConfig())
    verifying = unmask.ChatModel(adapted, model.tokenizer, model.name)
    assert decoder("self-speculative-4", verifying, 16).sampler.window == Fixed(4)
    assert decoder("self-speculative-4", verifying, 16).sampler.threshold == 0
    assert decoder("self-speculative-4/0.9", verifying, 16).sampler.threshold == 0.9
    with pytest.raises(ConfigError, match="there is no decoder 'klass/0.9'"):
        decoder("klass/0.9", verifying, 16)
    with pytest.raises(ConfigError, match="a window has a whole number of tokens, got 2.5"):
        decoder("self-speculative-2.5", verifying, 16)
    for name in ("threshold-nan", "self-speculative-nan", "draft-verify/every-inf"):
        with pytest.raises(ConfigError, match="should be a number"):
            decoder(name, verifying, 16)
    for name in ("threshold-much", "draft-verify/exact/every-few", "draft-verify/exact/0.5x"):
        with pytest.raises(ConfigError, match="should be a number"):
            decoder(name, model, 16)
    for name in ("draft-verify/every-1.5", "draft-verify/0.5/0.6", "klass-0.5"):
        with pytest.raises(ConfigError, match="no decoder"):
            decoder(name, model, 16)


def test_answers_are_kept_and_the_rest_is_gone_on_with(model, tmp_path) -> None:
    records, whole = Records(tmp_path / "some.jsonl"), Records(tmp_path / "all.jsonl")
    expected = answered(model, whole)
    first = answered(model, records, questions=QUESTIONS[:2])
    with records.file.open("a") as file:
        file.write('{"number": 3, "is_ri')  # killed while writing
    seen = []
    found = answered(model, records, advance=seen.append)
    assert seen == [3, 4, 5]
    timeless = [replace(each, seconds=0.0) for each in expected]
    assert [replace(each, seconds=0.0) for each in found] == timeless
    assert found[:2] == first
    assert [json.loads(line)["number"] for line in whole.file.read_text().splitlines()]


def test_the_batch_changes_no_answer(model, tmp_path) -> None:
    alone = answered(model, Records(tmp_path / "a.jsonl"), batch_size=1)
    together = answered(model, Records(tmp_path / "b.jsonl"), batch_size=5)
    assert [each.text for each in alone] == [each.text for each in together]


def made_up(rights: str, keys: int, seconds: float) -> list[Answered]:
    return [
        Answered(
            number=n, is_right=right == "1", said="", text="", num_tokens=10,
            cost=Cost(Work(4, 40, keys), accepted=10, rejected=0), seconds=seconds,
        )
        for n, right in enumerate(rights)
    ]  # fmt: skip


ABOUT = {"task": "gsm8k", "protocol": "worked", "model": "m", "num_questions": 8}


def test_a_report_compares_on_the_same_questions(tmp_path) -> None:
    answers = {
        "slow": made_up("11110011", keys=1000, seconds=0.2),
        "fast": made_up("11100011", keys=250, seconds=0.1),
    }
    report = answer_report.build(answers, ABOUT)
    slow, fast = report["decoders"]
    assert slow["accuracy"]["value"] == 0.75 and slow["work_share"] == 1.0
    assert slow["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert fast["accuracy"]["value"] == 0.625 and fast["work_share"] == 0.25
    assert fast["difference"]["value"] == -0.125
    assert -0.5 < fast["difference"]["low"] < -0.125 <= fast["difference"]["high"] == 0.0
    assert fast["tokens_per_second"] == pytest.approx(100)
    answer_report.write(tmp_path, report)
    names = {file.name for file in tmp_path.iterdir()}
    assert {"report.json", "report.md", "accuracy_passes.png", "accuracy_seconds.svg"} <= names
    assert "| fast | 62.5% (" in (tmp_path / "report.md").read_text()


def test_what_a_drafter_does_counts_as_its_share() -> None:
    drafted = [
        replace(each, cost=Cost(Work(2, 40, 250), 10, 0, drafter=Work(20, 100, 800)))
        for each in made_up("11", keys=250, seconds=0.1)
    ]
    about = {**ABOUT, "drafter": "small", "drafter_share": 0.1, "drafter_pair_share": 0.25}
    answers = {"alone": made_up("11", keys=1000, seconds=0.2), "team": drafted}
    report = answer_report.build(answers, about)
    team = report["decoders"][1]
    assert team["passes"] == pytest.approx(2 + 0.1 * 20) and team["drafter_passes"] == 20
    assert team["query_tokens"] == pytest.approx(40 + 0.1 * 100)
    assert team["query_keys"] == pytest.approx(250 + 0.25 * 800)
    assert team["work_share"] == pytest.approx(0.45)
    said = answer_report.as_markdown(report)
    assert "small drafts for draft-verify but not for /own: a pass of it counts as 0.100" in said
    assert "drafts for" not in answer_report.as_markdown(answer_report.build(answers, ABOUT))


def test_a_tail_pass_counts_as_its_share_of_a_pass_over_the_whole_sequence() -> None:
    verified = [
        replace(each, cost=Cost(Work(3, 40, 250), 10, 0, Work(10, 0, 0)), num_positions=20)
        for each in made_up("11", keys=250, seconds=0.1)
    ]
    answers = {"alone": made_up("11", keys=1000, seconds=0.2), "verified": verified}
    report = answer_report.build(answers, {**ABOUT, "tail_share": 0.2})
    row = report["decoders"][1]
    assert row["passes"] == pytest.approx(3 + 0.2 * 10)
    assert (row["trunk_passes"], row["tail_passes"]) == (3, 10)
    assert row["query_tokens"] == pytest.approx(40 + 0.2 * 10 * 20)
    assert row["query_keys"] == pytest.approx(250 + 0.2 * 10 * 400)
    assert "A tail pass counts as 0.200." in answer_report.as_markdown(report)


def test_a_decoder_that_verifies_by_a_tail_needs_one(model, tmp_path) -> None:
    with pytest.raises(ConfigError, match="self-speculative works by causal blocks"):
        decoder("self-speculative-8", model, 16)
    network = AdaptedDllm(model.network, TailConfig())
    write_tail(tmp_path, network.tail_config, network.state_dict(), network.trunk)
    adapted = model.with_tail(tmp_path)
    assert adapted.tail_share == 1 / CONFIG.num_blocks and model.tail_share == 0
    found = answered(adapted, Records(tmp_path / "b.jsonl"), "target-only-4", QUESTIONS[:2])
    assert all(
        each.tail_passes == 3 * each.trunk_passes for each in found if each.num_tokens == 16
    )
    found = answered(adapted, Records(tmp_path / "a.jsonl"), "self-speculative-8", QUESTIONS[:2])
    for each, question in zip(found, QUESTIONS, strict=False):
        assert each.tail_passes >= 1
        given = adapted.given_ids(chat=PROTOCOL.ask(question.text), max_new_tokens=16)
        assert each.num_positions == len(given)
        # A new tail says what its trunk says, so every greedy draft is kept.
        assert each.trunk_passes == each.tail_passes <= 2
    with pytest.raises(ConfigError, match="self-speculative cannot be used with a cache"):
        decoder("self-speculative-8+dual", adapted, 16)
    sampler = unmask.SelfSpeculative(order="left-to-right")
    with pytest.raises(ConfigError, match="no cache goes with"):
        adapted.with_cache(sampler, Dual(8))


def test_arithmetic_questions_are_held_out_and_always_the_same() -> None:
    questions = arithmetic_questions("easy", 3)
    assert questions == arithmetic_questions("easy", 5)[:3]
    assert questions != arithmetic_questions("easy", 3, seed=1)
    assert all(question.reference.isdigit() for question in questions)
