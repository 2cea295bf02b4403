"""A large model from its folder to its answers."""

import pytest
import torch
from torch.testing import assert_close

import unmask
from tests.large_model_folder import CONFIG, write_large_model
from unmask.caching.policies import Dual
from unmask.cost import Cost
from unmask.dllm.adapted import AdaptedDllm
from unmask.errors import CheckpointError, OutputError, PromptError
from unmask.files.tensors import read_tensors, weights_fingerprint
from unmask.models.chat import ChatModel
from unmask.network.adapted import TailConfig
from unmask.process.blocks import LeftToRight
from unmask.samplers.common import masked_state
from unmask.samplers.wrappers.early_stop import EarlyStop

GREEDY = unmask.Filter(temperature=0.0)
MASK, EOS = CONFIG.vocab_size, CONFIG.eos_token_id


@pytest.fixture(scope="module", params=["llada", "Dream"])
def model(request, tmp_path_factory) -> ChatModel:
    folder = tmp_path_factory.mktemp("model")
    model = unmask.load(str(write_large_model(folder, num_files=2, family=request.param)))
    assert isinstance(model, ChatModel)
    return model


def test_a_question_becomes_a_chat_with_room_for_its_answer(model) -> None:
    given = model.given_ids(chat="12 apples?", max_new_tokens=20)
    text = model.tokenizer.decode(given[:-20], with_special=True)
    assert text.startswith("<|startoftext|><|start_header_id|>user") and "12 apples?" in text
    assert text.endswith("assistant<|end_header_id|>\n\n")
    assert given[-20:].tolist() == [MASK] * 20
    messages = [{"role": "user", "content": "12 apples?"}]
    assert torch.equal(model.given_ids(chat=messages, max_new_tokens=20), given)


def test_a_prompt_is_taken_as_it_stands(model) -> None:
    given = model.given_ids(prompt="12 pears", max_new_tokens=3)
    assert model.tokenizer.decode(given[:-3]) == "12 pears"
    assert len(model.given_ids(prompt="12 pears", length=30)) == 30
    # 128 would be too many; as many whole blocks of 32 as there is room for.
    assert (model.given_ids(prompt="12 pears") == MASK).sum() == 64


def test_answers_end_where_they_end_and_say_what_they_cost(model) -> None:
    answers = model.generate(chat="12 and 30?", max_new_tokens=24, num_samples=2)
    again = model.generate(chat="12 and 30?", max_new_tokens=24, batch_size=1, num_samples=2)
    for answer, same in zip(answers, again, strict=True):
        assert answer.token_ids == same.token_ids
        assert len(answer.token_ids) == len(model.given_ids(chat="12 and 30?", max_new_tokens=24))
        assert MASK not in answer.token_ids
        assert answer.trunk_passes >= 1
        assert answer.cost.trunk.tokens == answer.trunk_passes * len(answer.token_ids)
        assert answer.cost.trunk.pairs == answer.cost.trunk.tokens * len(answer.token_ids)


def test_text_is_cut_at_the_first_end_of_any_kind(model) -> None:
    turn_ends = model.tokenizer.encode("<|eot_id|>").item()
    assert model.end_ids == (EOS, turn_ends)
    text = model.tokenizer.encode("30 pears")
    for end in model.end_ids:
        assert model.text_of(torch.cat([text, torch.tensor([end]), text])) == "30 pears"
    assert model.text_of(text) == "30 pears"


def test_a_text_that_has_ended_takes_no_more_passes(model) -> None:
    """Whatever the network says, its seventh token is made an end of text."""
    one_by_one = unmask.Threshold(threshold=2.0, blocks=LeftToRight(1), filter=GREEDY)

    class Ending:
        vocab_size, device = model.network.vocab_size, model.network.device

        def draft(self, token_ids, positions):
            made = model.network.draft(token_ids, positions)
            log_probs = made.log_probs.clone()
            is_seventh = positions == len(given) - 20 + 6
            log_probs[is_seventh] = -50.0
            log_probs[..., EOS] = torch.where(is_seventh, 0.0, -torch.inf)
            log_probs[..., model.end_ids[1]] = -torch.inf
            return type(made)(log_probs, made.context)

    given = model.given_ids(prompt="12 apples", max_new_tokens=20)
    for sampler, num_passes in (
        (one_by_one, 20),
        (EarlyStop(sampler=one_by_one, end_ids=model.end_ids), 7),
    ):
        request = unmask.Request(given_ids=given, sampler=sampler, seed=0)
        (result,) = unmask.Engine(Ending()).run([request])
        assert result.trunk_passes == num_passes
        assert result.accepted == 20
        stopped = result.token_ids
    assert stopped[-14:].tolist() == [EOS] * 14
    assert model.num_before_end(stopped[-20:]) == 6


def test_an_end_in_the_prompt_ends_nothing(model) -> None:
    sampler = EarlyStop(
        sampler=unmask.Threshold(threshold=2.0, filter=GREEDY), end_ids=model.end_ids
    )
    given = torch.tensor([EOS, 5, model.end_ids[1], MASK, MASK, MASK])
    request = unmask.Request(given_ids=given, sampler=sampler, seed=0)
    (result,) = unmask.Engine(model.network).run([request])
    plain = unmask.Request(given_ids=given, sampler=sampler.sampler, seed=0)
    (expected,) = unmask.Engine(model.network).run([plain])
    assert expected.trunk_passes == 3
    assert result.token_ids.tolist() == expected.token_ids.tolist()


class FromTheEnd:
    """Reveals one token per step from the right: an end of text, then others."""

    def init(self, given_ids, *, mask_id, draws):
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(self, state, predictor, draws):
        last = int(state.is_masked[0].nonzero().max())
        token_ids = state.token_ids.clone()
        token_ids[0, last] = EOS if last == 4 else 7
        one = torch.ones_like(state.num_wanted)
        info = Cost.of_passes(one, token_ids, one)
        return state.advanced(token_ids, token_ids == MASK), info


def test_a_text_is_not_over_while_something_before_its_end_is_masked(model) -> None:
    sampler = EarlyStop(sampler=FromTheEnd(), end_ids=(EOS,))
    request = unmask.Request(given_ids=torch.tensor([5] + [MASK] * 5), sampler=sampler, seed=0)
    (result,) = unmask.Engine(model.network).run([request])
    assert result.token_ids.tolist() == [5, 7, 7, 7, EOS, 7]
    assert result.trunk_passes == 5


def test_a_cache_saves_work_for_an_answer(model) -> None:
    rule = unmask.Threshold(blocks=LeftToRight(8), filter=GREEDY)
    cached = model.with_cache(rule, Dual(8))
    plain, saving = (
        model.generate(sampler=sampler, chat="12 and 30?", max_new_tokens=24, num_samples=1)[0]
        for sampler in (rule, cached)
    )
    assert saving.cost.trunk.tokens < plain.cost.trunk.tokens / 2


def test_a_smaller_model_drafts_and_counts_as_its_share(model, tmp_path) -> None:
    family = model.network.config.family
    small = unmask.load(
        str(write_large_model(tmp_path / "s", family=family, num_blocks=1, length=80))
    )
    team = model.drafted_by(small)
    assert team.length == 80 and model.length == 96
    sampler = unmask.DraftVerify(drafter=unmask.Threshold(threshold=0.02), view="in-place")
    sampler = team.with_cache(sampler, Dual(32))
    (answer,) = team.generate(sampler=sampler, chat="12 and 30?", max_new_tokens=12, num_samples=1)
    weights = [sum(p.numel() for p in m.network.parameters()) for m in (small, model)]
    assert answer.nfe == pytest.approx(
        answer.trunk_passes + weights[0] / weights[1] * answer.cost.drafter.passes
    )
    assert team.roles.drafter_pair_share == 0.5 and answer.cost.drafter.passes > 0
    (plain,) = team.generate(chat="12 and 30?", max_new_tokens=12, num_samples=1)
    (same,) = model.generate(chat="12 and 30?", max_new_tokens=12, num_samples=1)
    assert plain.token_ids == same.token_ids and plain.nfe == same.nfe


def test_tokens_are_counted_up_to_the_end(model) -> None:
    (answer,) = model.generate(chat="12 and 30?", max_new_tokens=24, num_samples=1)
    ends = [n for n, token in enumerate(answer.token_ids[-24:]) if token in model.end_ids]
    assert answer.num_tokens == (ends or [24])[0]
    assert answer.tokens_per_second == answer.num_tokens / answer.seconds


def test_drafts_are_verified_through_the_same_door(model) -> None:
    view = "shadow" if model.network.config.family == "llada" else "in-place"
    sampler = unmask.DraftVerify(
        drafter=model.with_cache(unmask.Threshold(threshold=0.02), Dual(32)), view=view
    )
    (answer,) = model.generate(
        sampler=sampler, chat="12 and 30?", max_new_tokens=24, num_samples=1
    )
    assert MASK not in answer.token_ids


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "give a prompt or a chat"),
        ({"prompt": "a", "chat": "b"}, "give a prompt or a chat"),
        ({"template": "a_"}, "a template has a blank for every token"),
        ({"prompt": "12 " * 60}, "there is room for 0 new ones, 128 were asked for"),
        ({"prompt": "12", "max_new_tokens": 95}, r"room for 94 new ones, 95 were asked for"),
        ({"prompt": "12", "max_new_tokens": -1}, "-1 were asked for"),
        ({"prompt": "12", "length": 2}, "0 were asked for"),
    ],
)
def test_what_does_not_fit_is_refused(values, message, model) -> None:
    with pytest.raises(PromptError, match=message):
        model.given_ids(**values)


def test_a_model_of_text_has_no_chats() -> None:
    with pytest.raises(PromptError, match="not a model for chats"):
        unmask.load("text8s").given_ids(chat="hello")


def test_a_folder_without_its_tokenizer_is_refused(tmp_path) -> None:
    (write_large_model(tmp_path) / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="has neither tokenizer.json nor vocab.json"):
        unmask.load(str(tmp_path))


def test_what_is_saved_is_loaded_again_with_its_tail(model, tmp_path) -> None:
    folder = tmp_path / "saved"
    adapted = ChatModel(
        AdaptedDllm(model.trunk, TailConfig(), seed=1).eval(), model.tokenizer, model.name
    )
    adapted.save(folder)
    again = unmask.load(str(folder))
    assert again.has_tail and again.network.casts_shadows == model.network.casts_shadows
    assert again.generate(chat="12?", max_new_tokens=8)[0].text == (
        model.generate(chat="12?", max_new_tokens=8)[0].text
    )
    assert_close(again.network.state_dict(), adapted.network.state_dict(), rtol=0, atol=0)
    unmask.load(str(folder), dtype=torch.bfloat16).save(tmp_path / "half")
    half = read_tensors(tmp_path / "half" / "model.safetensors")
    assert {value.dtype for value in half.values()} == {torch.bfloat16}
    assert unmask.load(str(tmp_path / "half")).tokenizer.chat([]) == model.tokenizer.chat([])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        model.save(tmp_path / "file")


def test_in_fp16_a_model_is_the_same_model() -> None:
    usual, half = unmask.load("arithmetic"), unmask.load("arithmetic", dtype="float16")
    assert half.has_tail and half.network.trunk.embedding.weight.dtype == torch.float16
    assert weights_fingerprint(half.trunk) == weights_fingerprint(usual.trunk)
    question = "Tom has 3 apples and buys 4 more. How many apples does he have?"
    assert half.chat(question).text == usual.chat(question).text
    text, text_half = unmask.load("text8s"), unmask.load("text8s", dtype="float16")
    assert weights_fingerprint(text.network) == weights_fingerprint(text_half.network)
