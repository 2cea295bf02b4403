"""Text and chats as token ids: the tokenizer.json and the chat template of a published model.

The template is the Jinja text that transformers runs, from tokenizer_config.json or
chat_template.jinja (chat_template.py).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.dllm.chat_template import render
from unmask.dllm.config import DllmConfig
from unmask.errors import CheckpointError, ConfigError, PromptError
from unmask.files.reading import read_text
from unmask.files.tensors import read_json
from unmask.vocabularies.bpe_files import (
    ADDED_FILE,
    MERGES_FILE,
    TOKENIZER_FILE,
    VOCAB_FILE,
    read_bpe,
    tokenizer_from,
    tokenizers_library,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_FILES = (
    TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, TEMPLATE_FILE, VOCAB_FILE, MERGES_FILE, ADDED_FILE
)  # fmt: skip

_HERE = "\u27e6unmask goes on here\u27e7"
Message = dict[str, str]
"""{"role": "user", "content": ...}"""


@dataclass(frozen=True)
class ChatTokenizer:
    """A tokenizer, and how a chat becomes one text."""

    tokenizer: "Tokenizer"
    template: str
    special: dict[str, str]
    """Texts of the special tokens that the template may name: bos_token and the like."""
    adds_bos: bool = False
    """Whether a plain prompt begins with the token that begins a text."""

    def encode(self, text: str, *, as_prompt: bool = False) -> Int[Tensor, " L"]:
        """Token ids of a text; special tokens in it are recognised.

        None is added, but to a plain prompt the one it begins with, where the model wants it.
        """
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        if as_prompt and self.adds_bos:
            bos = self.tokenizer.token_to_id(self.special.get("bos_token", ""))
            ids = ids if bos is None or ids[:1] == [bos] else [bos, *ids]
        return torch.tensor(ids, dtype=torch.int64)

    def decode(self, token_ids: Int[Tensor, " L"], *, with_special: bool = False) -> str:
        """The text of token ids."""
        text: str = self.tokenizer.decode(token_ids.tolist(), skip_special_tokens=not with_special)
        return text

    def ids_without_token(self, vocab_size: int) -> tuple[int, ...]:
        """Rows of an embedding that stand for nothing: networks are padded to round sizes."""
        known = self.tokenizer.get_vocab().values()
        return tuple(sorted(set(range(vocab_size)) - set(known)))

    def chat(self, messages: list[Message]) -> str:
        """The prompt of a chat, up to where the assistant's answer begins.

        Raises `PromptError` if the template refuses the messages.
        """
        return self._rendered(messages, is_answer_next=True)

    def continue_final_message(self, messages: list[Message]) -> str:
        """The prompt of a chat up to the end of its last message, which is to be gone on with.

        Where it ends is marked before it is rendered, as transformers does it. Raises
        `PromptError` if the template refuses the messages or leaves the last of them out.
        """
        *before, last = messages
        content = last["content"].rstrip()
        marked = [*before, {**last, "content": content + _HERE}]
        begun, found, _ = self._rendered(marked, is_answer_next=False).rpartition(_HERE.strip())
        if not found:
            raise PromptError(
                f"the model's chat template does not repeat {content!r:.60}, so it cannot be gone "
                "on with. Ask without a beginning of the answer."
            )
        return begun

    def _rendered(self, messages: list[Message], *, is_answer_next: bool) -> str:
        if not self.template:
            raise PromptError(
                "this model has no chat template, so it is not one for chats. Give the prompt as "
                "plain text."
            )
        return render(
            self.template,
            {"messages": messages, "add_generation_prompt": is_answer_next, **self.special},
        )


def read_tokenizer(folder: Path, config: DllmConfig) -> ChatTokenizer:
    """The tokenizer of a model folder.

    Raises:
        CheckpointError: a file is missing or damaged, or the ids of mask and end are no tokens.
        MissingExtraError: tokenizers is not installed.
    """
    tokenizers_library()
    settings = {}
    if (folder / TOKENIZER_CONFIG_FILE).exists():
        settings = read_json(folder / TOKENIZER_CONFIG_FILE)
    file = folder / TOKENIZER_FILE
    if not file.exists() and (folder / VOCAB_FILE).exists():
        file = folder / VOCAB_FILE
        tokenizer = read_bpe(folder, settings)
    elif not file.exists():
        raise CheckpointError(
            f"{folder} has neither {TOKENIZER_FILE} nor {VOCAB_FILE} with merges.txt. Fetch them "
            "from where the weights came from."
        )
    else:
        tokenizer = tokenizer_from(read_text(file), file)
    for name in ("mask_token_id", "eos_token_id"):
        if tokenizer.id_to_token(getattr(config, name)) is None:
            raise CheckpointError(
                f"{file} has no token {getattr(config, name)}, which config.json names as its "
                f"{name}: it is the tokenizer of another model. Fetch the one of these weights."
            )
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise CheckpointError(
            f"{file} has {tokenizer.get_vocab_size():,} tokens, the model only "
            f"{config.vocab_size:,}: it is the tokenizer of another model."
        )
    file = folder / TEMPLATE_FILE
    own = read_text(file) if file.exists() else ""
    return ChatTokenizer(
        tokenizer,
        own or _template(settings),
        _special(settings),
        adds_bos=settings.get("add_bos_token") is True,
    )


def check_same_tokens(
    drafter: ChatTokenizer, verifier: ChatTokenizer, drafter_name: str, verifier_name: str
) -> None:
    """Raise `ConfigError`, with the first token that differs, unless all ids mean the same."""
    by_id = [
        {token_id: token for token, token_id in each.tokenizer.get_vocab().items()}
        for each in (drafter, verifier)
    ]
    for token_id in sorted(by_id[0].keys() | by_id[1].keys()):
        ours, theirs = (tokens.get(token_id) for tokens in by_id)
        if ours != theirs:
            raise ConfigError(
                f"token {token_id} is {_shown(ours)} to the drafter {drafter_name} and "
                f"{_shown(theirs)} to {verifier_name}: what one drafts the other cannot read. "
                "Choose a drafter with the same tokenizer, or let `unmask generate` verify by "
                "text (--by-text)."
            )


def _shown(token: str | None) -> str:
    return "nothing" if token is None else repr(token)


def tokenizer_of(files: dict[str, str]) -> ChatTokenizer:
    """The tokenizer of files that are not written yet."""
    from tokenizers import Tokenizer

    settings = json.loads(files[TOKENIZER_CONFIG_FILE])
    tokenizer = Tokenizer.from_str(files[TOKENIZER_FILE])
    return ChatTokenizer(tokenizer, _template(settings), _special(settings))


def _template(settings: dict[str, Any]) -> str:
    template = settings.get("chat_template") or ""
    if isinstance(template, list):  # several, by name
        entries = [entry for entry in template if isinstance(entry, dict)]
        named = {entry.get("name"): entry.get("template") for entry in entries}
        template = named.get("default") or ""
    if not isinstance(template, str):
        raise CheckpointError(
            f"{TOKENIZER_CONFIG_FILE}: chat_template must be a text, got {template!r:.60}."
        )
    return template


_SPECIAL = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"
)  # fmt: skip


def _special(settings: dict[str, Any]) -> dict[str, str]:
    special = {}
    for name in _SPECIAL:
        value = settings.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            special[name] = value
    return special
