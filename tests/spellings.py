"""Small tokenizers of different kinds: a table, byte-level, behind NFC, with byte fallback."""

import json
from dataclasses import dataclass
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from unmask.dllm.new_tokenizer import new_tokenizer
from unmask.dllm.spelling import TokenizerSpelling


@dataclass(frozen=True)
class Letters:
    """A spelling by a table: the longest piece that fits, from the left."""

    pieces: tuple[str, ...]
    end_ids: tuple[int, ...] = (0,)
    special_ids: frozenset[int] = frozenset({0})

    @property
    def mask_id(self) -> int:
        return len(self.pieces)

    def text(self, token_ids) -> str:
        return "".join(self.pieces[n] for n in token_ids)

    def token_ids(self, text: str) -> list[int]:
        found = []
        while text:
            fitting = [n for n, p in enumerate(self.pieces) if p and text.startswith(p)]
            if not fitting:
                return []
            found.append(max(fitting, key=lambda n: len(self.pieces[n])))
            text = text[len(self.pieces[found[-1]]) :]
        return found


TEXTS = [
    "user assistant 12 apples and 30 pears, h\u00e9llo \u20ac5 \u65e5\u672c \u00e9t\u00e9"
] * 4


@cache
def byte_level() -> TokenizerSpelling:
    """As LLaDA's: a token may be half a character."""
    tokenizer = Tokenizer.from_str(new_tokenizer(TEXTS, 300)["tokenizer.json"])
    return TokenizerSpelling(tokenizer, 300, (1,))


@cache
def composing() -> TokenizerSpelling:
    """Byte-level behind NFC, as Qwen's: decomposed letters do not come back."""
    content = json.loads(new_tokenizer(TEXTS, 280)["tokenizer.json"])
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.normalizer = normalizers.NFC()
    return TokenizerSpelling(tokenizer, 280, (1, 5))


@cache
def with_fallback() -> TokenizerSpelling:
    """As Llama's: words begin with a bar, other characters are spelt in bytes."""
    vocab = {"<unk>": 0, "</s>": 1, **{f"<0x{n:02X}>": 2 + n for n in range(256)}}
    for piece in ["\u2581", *"abdelnprs", "ap", "app", "\u2581app", "\u2581and", "an", "and"]:
        vocab.setdefault(piece, len(vocab))
    pairs = [
        ("a", "p"),
        ("ap", "p"),
        ("\u2581", "app"),
        ("a", "n"),
        ("an", "d"),
        ("\u2581", "and"),
    ]
    tokenizer = Tokenizer(
        models.BPE(vocab, pairs, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    return TokenizerSpelling(tokenizer, len(vocab), (1,))
