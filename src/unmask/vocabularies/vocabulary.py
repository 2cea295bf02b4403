"""What a vocabulary is: the two-way table between something written and token ids.

Ids are 0 .. V-1, and MASK has the id V. MASK is written as the vocabulary's `blank`, in templates
and in what is shown, so that what is shown half done is a template again.

Some kinds of sequences have ends: tokens before the first and behind the last, which are always
given, and tell a model how long the sequence is. They are no part of what is written, nor of a
length that is asked for.
"""

import re
from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int, Integer
from torch import Tensor

from unmask.errors import PromptError


class Vocabulary(ABC):
    """The tokens of a model, and how they are written. Two that are equal write the same."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """V, MASK not counted; MASK has the id V."""

    @property
    def blank(self) -> str:
        """How MASK is written, in templates and in what is shown."""
        return "<mask>"

    @property
    @abstractmethod
    def unit(self) -> str:
        """What its tokens are called, in the plural: characters, bytes, tokens."""

    @property
    def separator_id(self) -> int | None:
        """The token that stands behind each document of a file; None: there is none."""
        return None

    @property
    def domain(self) -> Literal["text", "sequences"]:
        """What is written with it: parts of texts, or sequences that are whole."""
        return "sequences" if self.num_ends else "text"

    @property
    def ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens that stand before and behind every sequence."""
        return (), ()

    @property
    def num_ends(self) -> int:
        """How many tokens the ends of a sequence are."""
        return sum(map(len, self.ends))

    @property
    def silent_ids(self) -> tuple[int, ...]:
        """Tokens that are never generated: where they stand they are given, and not scored."""
        return ()

    @abstractmethod
    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The ids of a text in UTF-8, without ends, in the smallest unsigned type for them.

        Raises `DataError` for what it has no token for; `source` names the text in it.
        """

    @abstractmethod
    def decode_known(self, token_ids: list[int]) -> str:
        """The text of ids, all below V; ends are not written."""

    def is_foreign(self, data: bytes) -> np.ndarray:
        """Which bytes of a text in UTF-8 it has no token for, [n]."""
        return np.zeros(len(data), dtype=bool)

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What a model's config.json keeps of it, its "kind" first."""

    def files(self) -> dict[str, str]:
        """What lies beside config.json, by name."""
        return {}

    def describe(self) -> str:
        """In a few words: "27 characters"."""
        return f"{self.vocab_size:,} {self.unit}"

    @property
    def id_type(self) -> type[np.unsignedinteger[Any]]:
        """The smallest type that holds its ids; MASK stands in no text."""
        return next(
            t for t in (np.uint8, np.uint16, np.uint32) if self.vocab_size - 1 <= np.iinfo(t).max
        )

    def encode(self, text: str, *, source: str = "text") -> Int[Tensor, " L"]:
        """The ids of a text between its ends, int64. Raises as `encode_bytes`."""
        return self.between_ends(self._plain(text, source))

    def between_ends(self, token_ids: Integer[Tensor, " n"]) -> Int[Tensor, " L"]:
        """A sequence with its ends."""
        first, last = (torch.tensor(ids, dtype=torch.int64) for ids in self.ends)
        return torch.cat([first, token_ids.long(), last])

    def _plain(self, text: str, source: str) -> Int[Tensor, " n"]:
        token_ids = self.encode_bytes(text.encode(errors="surrogatepass"), source=source)
        return torch.from_numpy(token_ids.astype(np.int64))

    def decode(self, token_ids: Integer[Tensor, " L"]) -> str:
        """The text of one sequence of ids, with `blank` for each MASK."""
        ids: list[int] = token_ids.tolist()
        outside = [n for n in ids if not 0 <= n <= self.vocab_size]
        if outside:
            raise PromptError(
                f"token ids must lie in 0..{self.vocab_size}, where the last is MASK; got "
                f"{outside[0]}."
            )
        parts, known = [], list[int]()
        for n in ids:
            if n < self.vocab_size:
                known.append(n)
                continue
            parts += [self.decode_known(known), self.blank]
            known = []
        return "".join([*parts, self.decode_known(known)])

    def piece(self, token_id: int) -> str:
        """The text of one token alone."""
        return self.blank if token_id == self.vocab_size else self.decode_known([token_id])

    def num_tokens(self, prompt: str) -> int:
        """How many tokens a prompt is, ends not counted. Raises `PromptError`."""
        return len(self._known(prompt, "prompt"))

    def encode_prompt(self, prompt: str, length: int) -> Int[Tensor, " L"]:
        """The ids of a prompt, then MASK up to `length`, ends not counted.

        Raises `PromptError`.
        """
        token_ids = self._known(prompt, "prompt")
        if len(token_ids) >= length:
            trouble = (
                "leaves nothing to generate"
                if len(token_ids) == length
                else "does not fit into that"
            )
            raise PromptError(
                f"the prompt has {len(token_ids)} {self.unit}; a sequence has {length}, so the "
                f"prompt {trouble}. Shorten it, or ask for more with --length."
            )
        room = length - len(token_ids)
        return self.between_ends(F.pad(token_ids, (0, room), value=self.vocab_size))

    def encode_template(self, template: str) -> Int[Tensor, " L"]:
        """The ids of a text with holes: MASK, one token, wherever `blank` stands.

        What stands between two blanks is encoded by itself. Raises `PromptError`.
        """
        if self.blank not in template:
            raise PromptError(
                f"template {template!r:.60} has no blank, so there is nothing to generate. Write "
                f"{self.blank!r} for each of the {self.unit} to be filled in, or use --prompt to "
                "continue a text."
            )
        data = template.encode(errors="surrogatepass")
        is_foreign = self.is_foreign(data)
        blank = self.blank.encode()
        for found in re.finditer(re.escape(blank), data):
            is_foreign[found.start() : found.end()] = False
        self._check_known(data, is_foreign, "template")
        mask = torch.tensor([self.vocab_size])
        first, *others = (
            self._plain(part, source="template") for part in template.split(self.blank)
        )
        parts = [first, *(part for other in others for part in (mask, other))]
        return self.between_ends(torch.cat(parts))

    def _known(self, text: str, source: str) -> Int[Tensor, " L"]:
        data = text.encode(errors="surrogatepass")
        self._check_known(data, self.is_foreign(data), source)
        return self._plain(text, source)

    def _check_known(self, data: bytes, is_foreign: np.ndarray, source: str) -> None:
        if is_foreign.any():
            raise PromptError(
                f"{source}: {self.first_foreign(data, is_foreign)}. {self.advice_for_prompts}"
            )

    def first_foreign(self, data: bytes, is_foreign: np.ndarray) -> str:
        """What is the first of them, where, and how many there are."""
        codes = np.frombuffer(data, dtype=np.uint8)
        offset = int(is_foreign.argmax())
        character = data[offset : offset + 4].decode(errors="replace")[0]
        num_before = data.count(b"\n", 0, offset)
        line = f" (line {num_before + 1})" if b"\n" in data else ""
        # UTF-8 spends several bytes on a character; all but its first are 10xxxxxx.
        num_foreign = max(1, int((is_foreign & (codes & 0xC0 != 0x80)).sum()))
        more = f"; {num_foreign:,} such in all" if num_foreign > 1 else ""
        return (
            f"{character!r} at offset {offset}{line} is none of the model's "
            f"{self.describe()}{more}"
        )

    @property
    def advice_for_prompts(self) -> str:
        """What to do about a prompt with something foreign in it."""
        return "Write it with these alone."
