"""Learning to answer questions: the prompt is always there, the answer is hidden in part.

    chat prompt | answer, then end of text up to the canvas's length
    revealed    | hidden where the order has not come, unless it is shown

The room of an answer is a number of canvases drawn from 1 to `most_canvases`, the smaller of two
such, or as many as it needs. Room that went with the need would tell a model how long its answer
is to be, and a short question put with much room would be answered at length (docs/log.md).

Source: Nie et al. (2025), arXiv:2502.09992, section 2.3 (supervised fine-tuning).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unmask.dllm.config import DllmConfig
from unmask.dllm.folder import write_network
from unmask.dllm.tokenizer import ChatTokenizer
from unmask.draws import stream_seed
from unmask.errors import ConfigError
from unmask.files.atomic import make_folder, replacing
from unmask.shapes import PAD, TokenIds
from unmask.training.config import Orders
from unmask.training.objective import Corruption, corrupt_answers

_EXAMPLES, _MASKS, _VALIDATION = range(3)
_TRIES = 8

_Laid: TypeAlias = tuple[Tensor, Tensor, int]
"""A lesson in tokens, which of them are given, and how many are given or learnt."""


@dataclass(frozen=True)
class Example:
    """A question, and its answer in pieces."""

    question: str
    pieces: tuple[str, ...]
    """The first is to be learnt, the second shown, and so on in turn. Each is made tokens of by
    itself."""
    behind: str = ""
    """What follows, up to the end of the text, if it is hidden without being learnt; "" if there
    is no such thing."""

    @property
    def answer(self) -> str:
        """The pieces as one, and what follows."""
        return "".join([*self.pieces, self.behind])


@runtime_checkable
class Lessons(Protocol):
    """An endless supply of questions with their answers, a function of the seed."""

    def training(self, seed: int, num_seen: int) -> Example:
        """One for a batch before which so many examples were seen: they may become harder."""
        ...

    def validation(self, seed: int) -> Example:
        """One that is not trained on."""
        ...


@dataclass(frozen=True)
class QuestionTask:
    """Questions put as chats to a large masked diffusion model."""

    lessons: Lessons
    tokenizer: ChatTokenizer
    config: DllmConfig
    other_files: dict[str, str]
    """What is written beside the weights, by name."""
    canvas: int = 32
    most_canvases: int = 5
    orders: Orders = "random"
    """In which order answers are revealed."""

    @property
    def fingerprint(self) -> str:
        """Of the tokens, and of the kind of questions."""
        tokens = self.tokenizer.tokenizer.to_str().encode()
        kind = type(self.lessons).__name__.encode()
        return hashlib.sha256(kind + tokens).hexdigest()[:16]

    def batch(self, seed: int, step: int, size: int) -> tuple[TokenIds, Corruption]:
        """The examples of a step."""
        seeds = [stream_seed(seed, step, _EXAMPLES, row) for row in range(size)]
        laid = [self._fitting(n, lambda n: self.lessons.training(n, step * size)) for n in seeds]
        return self._corrupted(laid, stream_seed(seed, step, _MASKS))

    def validation(self, size: int) -> tuple[TokenIds, Corruption]:
        """Examples that are not trained on."""
        seeds = [stream_seed(0, _VALIDATION, row) for row in range(size)]
        laid = [self._fitting(n, self.lessons.validation) for n in seeds]
        return self._corrupted(laid, seed=0)

    def write(self, folder: Path, config: DllmConfig, weights: dict[str, Tensor]) -> None:
        """A folder as LLaDA is published."""
        make_folder(folder)
        for name, text in self.other_files.items():
            with replacing(folder / name) as draft:
                draft.write_text(text, encoding="utf-8")
        write_network(folder, config, weights)

    def _fitting(self, number: int, lesson: Callable[[int], Example]) -> _Laid:
        """The lesson of a number; of a number after it, where that is too long for the model."""
        for _ in range(_TRIES):
            laid = self._laid_out(lesson(number), number)
            if not isinstance(laid, int):
                return laid
            number = stream_seed(number)
        raise ConfigError(
            f"a question with its answer has {laid} tokens, the model takes "
            f"{self.config.length}. Set --model.length to {laid} or more."
        )

    def _corrupted(self, laid: list[_Laid], seed: int) -> tuple[TokenIds, Corruption]:
        rows, given, num_learnt = zip(*laid, strict=True)
        token_ids = pad_sequence(list(rows), batch_first=True, padding_value=PAD)
        is_given = pad_sequence(list(given), batch_first=True, padding_value=False)
        # What is behind those places stays hidden, and no loss is about it.
        length = torch.tensor(num_learnt)
        corruption = corrupt_answers(seed, is_given, length, self.orders)
        num_tokens = torch.tensor([len(row) for row in rows])
        return token_ids, replace(corruption, num_tokens=num_tokens)

    def _laid_out(self, lesson: Example, number: int) -> _Laid | int:
        """A lesson in tokens; how many it takes, if those are more than the model can read."""
        prompt = self.tokenizer.chat([{"role": "user", "content": lesson.question}])
        prompt_ids = self.tokenizer.encode(prompt)
        pieces = [self.tokenizer.encode(piece) for piece in lesson.pieces]
        behind = self.tokenizer.encode(lesson.behind)
        num_tokens = sum(map(len, pieces)) + len(behind)
        num_needed = num_tokens // self.canvas + 1
        num_fitting = (self.config.length - len(prompt_ids)) // self.canvas
        if num_needed > num_fitting:
            return len(prompt_ids) + num_needed * self.canvas
        drawn = 1 + min(number % self.most_canvases, (number >> 32) % self.most_canvases)
        room = min(max(num_needed, drawn), num_fitting) * self.canvas - num_tokens
        end = torch.full((room,), self.config.eos_token_id)
        parts = [prompt_ids, *pieces, behind, end]
        # The prompt is given, then every other piece; the end of text comes last.
        is_shown = [True, *(n % 2 == 1 for n in range(len(pieces))), False, False]
        num_learnt = sum(map(len, parts[:-2] if lesson.behind else parts))
        lengths = torch.tensor([len(part) for part in parts])
        return torch.cat(parts), torch.tensor(is_shown).repeat_interleave(lengths), num_learnt
