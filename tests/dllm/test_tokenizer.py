"""Tokenizers and chat templates; the template against transformers' own."""

import json

import pytest
import torch

from unmask.dllm.config import DllmConfig
from unmask.dllm.new_tokenizer import END, MASK, new_tokenizer
from unmask.dllm.tokenizer import ChatTokenizer, read_tokenizer, tokenizer_of
from unmask.errors import CheckpointError, ConfigError, PromptError

TEXTS = ["How many apples are 12 and 30?", "12 and 30 are 42 apples."] * 20
CONFIG = DllmConfig(vocab_size=300, mask_token_id=2, eos_token_id=1)
FILES = new_tokenizer(TEXTS, 300)
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " How many? "},
]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "text", ["12 apples", "", "naïve 🙂 e\u0301", "\n\n tabs\t", "x" * 500, "１２ ²", "\u200d"]
)
def test_any_text_survives(text: str) -> None:
    tokenizer = tokenizer_of(FILES)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_digit_is_a_token() -> None:
    tokenizer = tokenizer_of(FILES)
    pieces = [tokenizer.decode(token_id[None]) for token_id in tokenizer.encode("x1230")]
    assert pieces == ["x", "1", "2", "3", "0"]


def test_special_tokens_are_known_in_text_and_left_out_of_it() -> None:
    tokenizer = tokenizer_of(FILES)
    token_ids = tokenizer.encode(f"12{MASK}{END}{END}")
    assert token_ids.tolist()[2:] == [2, 1, 1]
    assert tokenizer.decode(token_ids) == "12"
    assert tokenizer.decode(token_ids, with_special=True) == f"12{MASK}{END}{END}"


def test_the_same_texts_make_the_same_tokenizer() -> None:
    assert new_tokenizer(TEXTS, 300) == FILES


def test_a_vocabulary_too_small_for_the_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 262 entries, got 100"):
        new_tokenizer(TEXTS, 100)


def test_a_chat_is_put_as_llada_puts_it(folder) -> None:
    text = read_tokenizer(folder, CONFIG).chat(CHAT)
    assert text == (
        "<|startoftext|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHow many?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_templates_say_what_they_say_in_transformers(folder) -> None:
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(str(folder))
    template = (
        "{%- for m in messages %}\n    {%- if not loop.first %}--{% endif %}\n"
        "    {{- m.role | upper + ': ' + m.content + eos_token }}\n{%- endfor %}\n"
        "{% if add_generation_prompt %}\n  ASSISTANT:\n{% endif %}"
    )
    for each in (json.loads(FILES["tokenizer_config.json"])["chat_template"], template):
        expected = theirs.apply_chat_template(
            CHAT, chat_template=each, tokenize=False, add_generation_prompt=True
        )
        ours = read_tokenizer(folder, CONFIG)
        assert ChatTokenizer(ours.tokenizer, each, ours.special).chat(CHAT) == expected


def test_a_template_of_its_own_file_comes_first(folder) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    assert read_tokenizer(folder, CONFIG).chat(CHAT) == "Be brief.!"


def test_of_several_templates_the_default_is_taken(folder) -> None:
    named = [{"name": "tool", "template": "T"}, {"name": "default", "template": "D"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert read_tokenizer(folder, CONFIG).chat(CHAT) == "D"


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("", "has no chat template"),
        ("{{ raise_exception('users only') }}", "refuses this chat: users only"),
        ("{{ ''.__class__.__mro__ }}", "refuses this chat: access to attribute '__class__'"),
        ("{% if %}", "refuses this chat"),
        ("{{ messages.append(1) }}", "refuses this chat"),
    ],
)
def test_what_a_template_may_not_do(template: str, complaint: str) -> None:
    tokenizer = ChatTokenizer(tokenizer_of(FILES).tokenizer, template, {})
    with pytest.raises(PromptError, match=complaint):
        tokenizer.chat(CHAT)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (DllmConfig(vocab_size=2000, mask_token_id=1999, eos_token_id=1), "no token 1999.*mask"),
        (DllmConfig(vocab_size=200, mask_token_id=2, eos_token_id=1), "the model only 200"),
    ],
)
def test_the_tokenizer_of_another_model_is_refused(config, complaint, folder) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        read_tokenizer(folder, config)


def test_a_tokenizer_that_is_not_there_or_damaged(folder) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match="is not a tokenizer"):
        read_tokenizer(folder, CONFIG)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"has neither tokenizer.json nor vocab.json"):
        read_tokenizer(folder, CONFIG)


def test_ids_are_integers(folder) -> None:
    assert read_tokenizer(folder, CONFIG).encode("").dtype == torch.int64


def test_a_chat_can_be_gone_on_with(folder) -> None:
    tokenizer = read_tokenizer(folder, CONFIG)
    asked = [{"role": "user", "content": "12 apples?"}]
    begun = [*asked, {"role": "assistant", "content": "12 "}]
    assert tokenizer.continue_final_message(begun) == tokenizer.chat(asked) + "12"
    mute = ChatTokenizer(tokenizer.tokenizer, "hello", {})
    with pytest.raises(PromptError, match="does not repeat '12 apples?"):
        mute.continue_final_message(asked)
