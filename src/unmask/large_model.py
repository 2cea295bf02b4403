"""A large masked diffusion model as users meet it: questions in, answers out.

model = unmask.load("path/to/LLaDA-8B-Instruct", dtype=torch.bfloat16, device="cuda")
for answer in model.generate(chat="What is 12 times 12?", max_new_tokens=64):
    print(answer.text, answer.trunk_passes)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.dllm.adapted import AdaptedNetwork
from unmask.dllm.folder import read_config, read_network
from unmask.dllm.network import DllmNetwork
from unmask.dllm.tail_folder import read_tail
from unmask.dllm.tokenizer import ChatTokenizer, read_tokenizer
from unmask.errors import PromptError
from unmask.generative_model import GenerativeModel
from unmask.model_folder import TAIL_FOLDER, find_folder
from unmask.process.blocks import LeftToRight
from unmask.samplers.cached import Cached
from unmask.samplers.early_stop import EarlyStop
from unmask.samplers.engine import Result
from unmask.samplers.sampler import Sampler
from unmask.samplers.threshold import Threshold
from unmask.speculation.filters import Filter

_OTHER_ENDS = ("<|eot_id|>", "<|im_end|>")
"""Tokens that end a turn of a chat, where a tokenizer has them."""


class LargeModel(GenerativeModel):
    """A network of the LLaDA or Dream family, and its tokenizer."""

    def __init__(
        self, network: DllmNetwork | AdaptedNetwork, tokenizer: ChatTokenizer, name: str
    ) -> None:
        self.network: DllmNetwork | AdaptedNetwork = network
        self.tokenizer, self.name = tokenizer, name

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return self.network.vocab_size

    @property
    def trunk(self) -> DllmNetwork:
        """The network without a tail."""
        return self.network.trunk if isinstance(self.network, AdaptedNetwork) else self.network

    def with_tail(self, folder: Path | str = "") -> "LargeModel":
        """The same model with the causal tail of a folder; "" is the one that lies with it.

        Raises:
            CheckpointError: there is none, its files are damaged, or it is of another model.
        """
        tail = Path(folder) if folder else find_folder(self.name) / TAIL_FOLDER
        return LargeModel(read_tail(tail, self.trunk), self.tokenizer, self.name)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """What ends an answer: end of text first, then end of turn."""
        ids = [self.tokenizer.tokenizer.token_to_id(token) for token in _OTHER_ENDS]
        return (self.trunk.config.eos_token_id, *(n for n in ids if n is not None))

    @property
    def default_sampler(self) -> Sampler:
        """Greedy, in blocks, every token of a confidence of 0.9 at once."""
        rule = Threshold(blocks=LeftToRight(32), filter=Filter(temperature=0.0))
        return EarlyStop(sampler=rule, end_ids=self.end_ids)

    def check_generates(self) -> None:
        """Every such model does."""

    def given_ids(
        self,
        *,
        prompt: str = "",
        template: str = "",
        length: int = 0,
        chat: str | Sequence[Mapping[str, str]] = "",
        max_new_tokens: int = 0,
    ) -> Tensor:
        """A prompt, plain or as a chat, and MASK where its continuation is to stand.

        `max_new_tokens` is the room for the answer (0: 128, or what the model has left);
        `length` would be that of both together.

        Raises:
            PromptError: the prompt leaves no such room in the model's context.
        """
        if template:
            raise PromptError(
                "a template has a blank for every token, which nobody can write for a vocabulary "
                "of pieces of words. Give a prompt or a chat."
            )
        if bool(prompt) == bool(chat):
            raise PromptError("give a prompt or a chat, one of the two.")
        messages = (
            [{"role": "user", "content": chat}]
            if isinstance(chat, str)
            else [dict(m) for m in chat]
        )
        prompt_ids = self.tokenizer.encode(prompt or self.tokenizer.chat(messages))
        room = self.length - len(prompt_ids)
        wanted = length - len(prompt_ids) if length else max_new_tokens or min(128, room)
        if not 1 <= wanted <= room:
            raise PromptError(
                f"the prompt has {len(prompt_ids)} tokens and {self.name} takes {self.length}: "
                f"there is room for {max(room, 0)} new ones, {wanted} were asked for. Shorten the "
                "prompt, or ask for fewer."
            )
        masks = torch.full((wanted,), self.network.vocab_size)
        return torch.cat([prompt_ids, masks]).to(self.network.device)

    def cached(self, sampler: Sampler, cache: Any) -> Sampler:
        """A sampler whose passes remember, by a policy of `unmask.caching`."""
        return Cached(sampler=sampler, cache=cache, shape=self.network.memory_shape)

    def _text_of(self, result: Result) -> str:
        given = result.request.given_ids
        first = int((given == self.vocab_size).long().argmax())
        return self.text_of(result.token_ids[first:].cpu())

    def text_of(self, token_ids: Tensor) -> str:
        """The text of an answer, up to where it ends."""
        return self.tokenizer.decode(token_ids[: self.num_before_end(token_ids)])

    def num_before_end(self, token_ids: Tensor) -> int:
        """Tokens of an answer before the first that ends it."""
        is_end = torch.isin(token_ids, torch.tensor(self.end_ids))
        return int(is_end.long().argmax()) if is_end.any() else len(token_ids)


def load_large(folder: Path, name: str, *, dtype: torch.dtype, device: str = "cpu") -> LargeModel:
    """The model of a folder as LLaDA and Dream are published, with its tail if it has one."""
    config = read_config(folder)
    tokenizer = read_tokenizer(folder, config)
    model = LargeModel(read_network(folder, dtype, device), tokenizer, name)
    own = folder / TAIL_FOLDER
    return model.with_tail(own) if own.is_dir() else model
