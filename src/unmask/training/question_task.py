"""Learning to answer questions: the prompt is always there, the answer is hidden in part.

    chat prompt | answer, then end of text up to the canvas's length
    revealed    | hidden where the order has not come

The canvas of an answer is the next multiple of `canvas` tokens, and in a quarter of the examples
one more, so that a model learns to end its answers whatever room they are given.

Source: Nie et al. (2025), arXiv:2502.09992, section 2.3 (supervised fine-tuning).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

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


@runtime_checkable
class Questions(Protocol):
    """An endless supply of questions with their answers, a function of the seed."""

    def training(self, seed: int) -> tuple[str, str]: ...

    def validation(self, seed: int) -> tuple[str, str]:
        """One that is not trained on."""
        ...


@dataclass(frozen=True)
class QuestionTask:
    """Questions put as chats to a large masked diffusion model."""

    questions: Questions
    tokenizer: ChatTokenizer
    config: DllmConfig
    tokenizer_files: dict[str, str]
    """What is written beside the weights, by name."""
    canvas: int = 32
    orders: Orders = "random"
    """In which order answers are revealed."""

    def batch(self, seed: int, step: int, size: int) -> tuple[TokenIds, Corruption]:
        """The examples of a step."""
        seeds = [stream_seed(seed, step, _EXAMPLES, row) for row in range(size)]
        examples = [(self.questions.training(number), number) for number in seeds]
        return self._corrupted(examples, stream_seed(seed, step, _MASKS))

    def validation(self, size: int) -> tuple[TokenIds, Corruption]:
        """Examples that are not trained on."""
        seeds = [stream_seed(0, _VALIDATION, row) for row in range(size)]
        return self._corrupted([(self.questions.validation(n), n) for n in seeds], seed=0)

    def write(self, folder: Path, config: DllmConfig, weights: dict[str, Tensor]) -> None:
        """A folder as LLaDA is published."""
        make_folder(folder)
        for name, text in self.tokenizer_files.items():
            with replacing(folder / name) as draft:
                draft.write_text(text)
        write_network(folder, config, weights)

    def _corrupted(
        self, examples: list[tuple[tuple[str, str], int]], seed: int
    ) -> tuple[TokenIds, Corruption]:
        rows, num_given = [], []
        for (question, answer), number in examples:
            prompt = self.tokenizer.chat([{"role": "user", "content": question}])
            prompt_ids, answer_ids = self.tokenizer.encode(prompt), self.tokenizer.encode(answer)
            num_canvases = len(answer_ids) // self.canvas + 1 + (number % 4 == 0)
            room = num_canvases * self.canvas - len(answer_ids)
            end = torch.full((room,), self.config.eos_token_id)
            rows.append(torch.cat([prompt_ids, answer_ids, end]))
            num_given.append(len(prompt_ids))
        longest = max(map(len, rows))
        if longest > self.config.length:
            raise ConfigError(
                f"a question with its answer has {longest} tokens, the model takes "
                f"{self.config.length}. Set --model.length to {longest} or more."
            )
        token_ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
        lengths = torch.tensor([len(row) for row in rows])
        return token_ids, corrupt_answers(
            seed, torch.tensor(num_given), lengths, longest, self.orders
        )
