"""Learning to answer questions: the prompt is always there, the answer is hidden in part.

    chat prompt | answer, then end of text up to the canvas's length
    revealed    | hidden where the order has not come, unless it is shown

The canvas of an answer is the next multiple of `canvas` tokens, and in a quarter of the examples
one more, so that a model learns to end its answers whatever room they are given.

Source: Nie et al. (2025), arXiv:2502.09992, section 2.3 (supervised fine-tuning).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unmask.atomic import make_folder, replacing
from unmask.dllm.config import DllmConfig
from unmask.dllm.folder import write_network
from unmask.dllm.tokenizer import ChatTokenizer
from unmask.draws import stream_seed
from unmask.errors import ConfigError
from unmask.shapes import PAD, TokenIds
from unmask.training.config import Orders
from unmask.training.objective import Corruption, corrupt_answers

_EXAMPLES, _MASKS, _VALIDATION = range(3)


@dataclass(frozen=True)
class Lesson:
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

    def training(self, seed: int, num_seen: int) -> Lesson:
        """One for a batch before which so many examples were seen: they may become harder."""
        ...

    def validation(self, seed: int) -> Lesson:
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
    orders: Orders = "random"
    """In which order answers are revealed."""

    def batch(self, seed: int, step: int, size: int) -> tuple[TokenIds, Corruption]:
        """The examples of a step."""
        seeds = [stream_seed(seed, step, _EXAMPLES, row) for row in range(size)]
        examples = [(self.lessons.training(number, step * size), number) for number in seeds]
        return self._corrupted(examples, stream_seed(seed, step, _MASKS))

    def validation(self, size: int) -> tuple[TokenIds, Corruption]:
        """Examples that are not trained on."""
        seeds = [stream_seed(0, _VALIDATION, row) for row in range(size)]
        return self._corrupted([(self.lessons.validation(n), n) for n in seeds], seed=0)

    def write(self, folder: Path, config: DllmConfig, weights: dict[str, Tensor]) -> None:
        """A folder as LLaDA is published."""
        make_folder(folder)
        for name, text in self.other_files.items():
            with replacing(folder / name) as draft:
                draft.write_text(text)
        write_network(folder, config, weights)

    def _corrupted(
        self, examples: list[tuple[Lesson, int]], seed: int
    ) -> tuple[TokenIds, Corruption]:
        rows, given, num_learnt = [], [], []
        for lesson, number in examples:
            prompt = self.tokenizer.chat([{"role": "user", "content": lesson.question}])
            prompt_ids = self.tokenizer.encode(prompt)
            pieces = [self.tokenizer.encode(piece) for piece in lesson.pieces]
            behind = self.tokenizer.encode(lesson.behind)
            num_tokens = sum(map(len, pieces)) + len(behind)
            num_canvases = num_tokens // self.canvas + 1 + (number % 4 == 0)
            room = num_canvases * self.canvas - num_tokens
            end = torch.full((room,), self.config.eos_token_id)
            parts = [prompt_ids, *pieces, behind, end]
            rows.append(torch.cat(parts))
            # The prompt is given, then every other piece; the end of text comes last.
            is_shown = [True, *(n % 2 == 1 for n in range(len(pieces))), False, False]
            num_learnt.append(sum(map(len, parts[:-2] if lesson.behind else parts)))
            lengths = torch.tensor([len(part) for part in parts])
            given.append(torch.tensor(is_shown).repeat_interleave(lengths))
        longest = max(map(len, rows))
        if longest > self.config.length:
            raise ConfigError(
                f"a question with its answer has {longest} tokens, the model takes "
                f"{self.config.length}. Set --model.length to {longest} or more."
            )
        token_ids = pad_sequence(rows, batch_first=True, padding_value=PAD)
        is_given = pad_sequence(given, batch_first=True, padding_value=False)
        # What is behind those places stays hidden, and no loss is about it.
        length = torch.tensor(num_learnt)
        return token_ids, corrupt_answers(seed, is_given, length, self.orders)
