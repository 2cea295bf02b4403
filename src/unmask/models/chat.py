"""A large masked diffusion model as users meet it: questions in, answers out.

model = unmask.load("path/to/LLaDA-8B-Instruct", dtype="bfloat16", device="cuda")
print(model.chat("What is 12 times 12?", max_new_tokens=64).text)
for answer in model.chat(["What is 12 times 12?", "And 7 times 8?"]):
    print(answer.text, answer.trunk_passes)
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.caching.policies import CachePolicy
from unmask.dllm.adapted import AdaptedDllm
from unmask.dllm.folder import read_config, read_network, write_network
from unmask.dllm.generation_config import (
    GENERATION_DEFAULTS,
    GENERATION_FILE,
    GenerationDefaults,
    read_generation_defaults,
)
from unmask.dllm.network import DllmNetwork
from unmask.dllm.tokenizer import (
    TOKENIZER_FILES,
    ChatTokenizer,
    check_same_tokens,
    read_tokenizer,
)
from unmask.errors import ConfigError, PromptError
from unmask.files.atomic import make_folder, replacing
from unmask.files.model_folder import TAIL_FOLDER, find_folder
from unmask.models.asked import (
    checked_chat,
    checked_count,
    checked_ids,
    checked_path,
    checked_text,
)
from unmask.models.base import GenerativeModel, Revealed
from unmask.models.lengths import Length
from unmask.models.roles import ChatNetwork, Roles, trunk_of
from unmask.network.tail_folder import read_tail, write_tail
from unmask.predictors.shadows import check_casts_shadows
from unmask.process.blocks import LeftToRight, check_divides
from unmask.samplers.engine import Result
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.spec import read_cached, read_sampler
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.wrappers.cached import with_cache
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.speculation.filters import Filter

_OTHER_ENDS = ("<|eot_id|>", "<|im_end|>")
"""Tokens that end a turn of a chat, where a tokenizer has them."""


class ChatModel(GenerativeModel):
    """A network of the LLaDA or Dream family, and its tokenizer."""

    def __init__(
        self,
        network: ChatNetwork,
        tokenizer: ChatTokenizer,
        name: str,
        defaults: GenerationDefaults = GENERATION_DEFAULTS,
    ) -> None:
        self.network: ChatNetwork = network
        self.tokenizer, self.name, self.defaults = tokenizer, name, defaults
        self.roles = Roles(network, network)
        """Who drafts and who verifies: this network, unless another was called in."""
        self.read_by: ChatModel | None = None
        """The model of other tokens that verifies what this one drafts."""

    def __repr__(self) -> str:
        config, weight = self.trunk.config, self.trunk.embedding.weight
        tail = ", a causal tail" if self.has_tail else ""
        return (
            f"ChatModel({self.name!r}: {config.family}, {config.num_weights / 1e6:,.1f}M "
            f"weights, {config.num_blocks} blocks{tail}, {config.vocab_size:,} tokens, up to "
            f"{self.length:,} of them; {str(weight.dtype).removeprefix('torch.')} on "
            f"{weight.device})"
        )

    def drafted_by(self, drafter: "ChatModel") -> "ChatModel":
        """The same model, for which a smaller one drafts where a sampler verifies.

        Raises:
            ConfigError: the two do not have the same tokens; names the first that differs.
        """
        check_same_tokens(drafter.tokenizer, self.tokenizer, drafter.name, self.name)
        if drafter.vocab_size != self.vocab_size:
            raise ConfigError(
                f"the drafter {drafter.name} has {drafter.vocab_size:,} token ids and "
                f"{self.name} {self.vocab_size:,}, though their tokenizers agree. Choose models "
                "whose networks have as many."
            )
        helped = self.alone
        helped.roles = Roles(drafter.network, self.network)
        return helped

    @property
    def alone(self) -> "ChatModel":
        """The same model, for which no other drafts or verifies."""
        return self._of(self.network)

    @property
    def drafter_alone(self) -> "ChatModel":
        """What drafts for this model, as a model of its own."""
        return self._of(trunk_of(self.roles.drafter))

    def verified_by(self, verifier: "ChatModel") -> "ChatModel":
        """The same model, whose drafts a larger one of any tokenizer verifies as text.

        For `DraftVerifyAcross`; costs are then counted in passes of the verifier.
        """
        helped = self.alone
        helped.roles = Roles(self.network, verifier.network, by_text=True)
        helped.read_by = verifier
        return helped

    def _of(self, network: ChatNetwork) -> "ChatModel":
        return ChatModel(network, self.tokenizer, self.name, self.defaults)

    @property
    def predictor(self) -> Any:
        """What samplers ask: the network, or a pair where another drafts or verifies."""
        return self.roles.predictor

    @property
    def drafter_share(self) -> float:
        """What a pass of the drafter counts as: the share of its weights."""
        return self.roles.drafter_share

    @property
    def length(self) -> int:
        """The longest sequence that the model can take, and what drafts or verifies for it."""
        return self.roles.length

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return self.network.vocab_size

    @property
    def trunk(self) -> DllmNetwork:
        """The network without a tail."""
        return trunk_of(self.network)

    @property
    def has_tail(self) -> bool:
        """Whether the network can verify by causal blocks."""
        return isinstance(self.network, AdaptedDllm)

    @property
    def tail_share(self) -> float:
        """Causal blocks over those of the trunk: what a tail pass counts as, in trunk passes."""
        if not isinstance(self.network, AdaptedDllm):
            return 0.0
        return self.network.config.num_tail_blocks / self.network.config.num_trunk_blocks

    def with_tail(self, folder: Path | str | None = None) -> "ChatModel":
        """The same model with the causal tail of a folder; None: the one that lies with it.

        Raises:
            CheckpointError: there is none, its files are damaged, or it is of another model.
        """
        own = find_folder(self.name) / TAIL_FOLDER
        chosen = own if folder is None else checked_path("a tail", folder)
        return self._of(read_tail(chosen, self.trunk, AdaptedDllm))

    def save(self, folder: Path | str) -> None:
        """Write a folder as such models are published, in the type the weights have now.

        Raises:
            OutputError: it cannot be written to.
        """
        folder, own = Path(folder), find_folder(self.name)
        make_folder(folder)
        for file in (*TOKENIZER_FILES, GENERATION_FILE):
            if (own / file).exists():
                with replacing(folder / file) as draft:
                    draft.write_bytes((own / file).read_bytes())
        write_network(folder, self.trunk.config, self.trunk.state_dict())
        if isinstance(self.network, AdaptedDllm):
            tail, config = self.network.state_dict(), self.network.tail_config
            write_tail(folder / TAIL_FOLDER, config, tail, self.trunk)

    @property
    def end_ids(self) -> tuple[int, ...]:
        """What ends an answer: end of text first, then end of turn."""
        config = self.trunk.config
        named = [self.tokenizer.tokenizer.token_to_id(token) for token in _OTHER_ENDS]
        others = [*config.other_end_ids, *self.defaults.end_ids, *named]
        return tuple(dict.fromkeys([config.eos_token_id, *(n for n in others if n is not None)]))

    @property
    def threshold_rule(self) -> Threshold:
        """Greedy, in blocks, every token of a confidence of 0.9 at once; caches go with it."""
        return Threshold(
            blocks=LeftToRight(self.defaults.block_length), filter=Filter(temperature=0.0)
        )

    @property
    def default_rule(self) -> Sampler:
        """The sampler that generation_config.json names; `threshold_rule` where it names none, or
        one for a tail that this model was opened without."""
        if not self.defaults.sampler:
            return self.threshold_rule
        named = read_sampler(self.defaults.sampler)
        is_by_tail = isinstance(named, SelfSpeculative | TargetOnly)
        return self.threshold_rule if is_by_tail and not self.has_tail else named

    @property
    def default_sampler(self) -> Sampler:
        """The default rule, up to where the answer ends."""
        return self.stop_at_end(self.default_rule)

    def check_generates(self) -> None:
        """Every such model does."""

    def given_ids(
        self,
        *,
        prompt: str = "",
        template: str | None = None,
        length: Length = None,
        chat: str | Sequence[Mapping[str, str]] | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
    ) -> Tensor:
        """A prompt, plain or as a chat, and MASK where its continuation is to stand.

        `max_new_tokens` is the room for the answer (None: what the model's folder says, else
        128, or as many whole blocks as the model has left); `length` would be that of both
        together.

        Raises:
            PromptError: the prompt leaves no such room in the model's context.
        """
        if template is not None:
            raise PromptError(
                "a template has a blank for every token, which nobody can write for a vocabulary "
                "of pieces of words. Give a prompt or a chat."
            )
        length = checked_count("length", length)
        max_new_tokens = checked_count("max_new_tokens", max_new_tokens)
        checked_text(prompt)
        if chat is not None:
            chat = checked_chat(chat)
        if bool(prompt) == bool(chat):
            raise PromptError("give a prompt or a chat, one of the two.")
        if isinstance(chat, str):
            chat = [{"role": "user", "content": chat}]
        for each in [prompt, *(message.get("content", "") for message in chat or ())]:
            checked_text(each)
        asked = prompt or self.tokenizer.chat([dict(message) for message in chat or ()])
        prompt_ids = self.tokenizer.encode(asked, as_prompt=bool(prompt))
        room = self.length - len(prompt_ids)
        if length is not None:
            wanted = length - len(prompt_ids)
        else:
            wanted = self._room(room) if max_new_tokens is None else max_new_tokens
        if not 1 <= wanted <= room:
            raise PromptError(
                f"the prompt has {len(prompt_ids)} tokens and {self.name} takes {self.length}: "
                f"there is room for {max(room, 0)} new ones, {wanted} were asked for. Shorten the "
                "prompt, or ask for fewer."
            )
        masks = torch.full((wanted,), self.network.vocab_size)
        return torch.cat([prompt_ids, masks]).to(self.network.device)

    def chat(
        self,
        question: str | Sequence[Any],
        *,
        sampler: Sampler | str | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
        batch_size: int = 16,
        stop: str | Sequence[str] = (),
    ) -> Any:
        """The answer to a question, or to a chat: messages with "role" and "content".

        Of a list of questions and chats, a list of answers in their order, worked out together. An
        answer ends before the first of the strings in `stop`.

        Raises:
            PromptError: it is none of these, or leaves no room for an answer.
            ConfigError: there is no such sampler, or it cannot work on this model.
        """
        is_several = isinstance(question, list | tuple) and not (
            question and isinstance(question[0], Mapping)
        )
        is_one = not is_several or not question
        asked = [question] if is_one else question
        given = [
            self.given_ids(chat=checked_chat(each), max_new_tokens=max_new_tokens)
            for each in asked
        ]
        finished = self.samples(
            sampler, given, num_samples=1, seed=seed, batch_size=batch_size, stop=stop
        )
        answers = sorted(finished, key=lambda sample: sample.seed)
        return answers[0] if is_one else answers

    def stream(
        self,
        question: str | Sequence[Any],
        *,
        sampler: Sampler | str | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
        stop: str | Sequence[str] = (),
    ) -> Iterator[Revealed]:
        """`chat` of one question, step by step: what each revealed; the last has the answer.

        Raises as `chat`, before the first step.
        """
        given = self.given_ids(chat=checked_chat(question), max_new_tokens=max_new_tokens)
        return self._watched(given, sampler, seed, stop)

    def encode(self, text: str) -> Tensor:
        """One text as a batch of one sequence, [1, L]."""
        return self.tokenizer.encode(checked_text(text))[None].to(self.network.device)

    def decode(self, token_ids: Tensor) -> str:
        """The text of one sequence, [L] or [1, L]."""
        ids = checked_ids(token_ids, num_axes=(1, 2)).flatten()
        return self.tokenizer.decode(ids.cpu())

    def _named(self, spec: str) -> Sampler:
        """By its spec, perhaps with a cache; it ends with the answer."""
        sampler, cache = read_cached(spec)
        return self.stop_at_end(sampler if cache is None else self.with_cache(sampler, cache))

    def _check_works(self, sampler: Any) -> None:
        if getattr(sampler, "needs_tail", False) and not self.has_tail:
            raise ConfigError(
                f"{type(sampler).__name__} verifies by causal blocks, and {self.name} has none of "
                "them. Train some with `unmask train adapt` and name them with --tail "
                "(`with_tail`), or choose another sampler, draft-verify say."
            )
        if getattr(sampler, "needs_shadows", False):
            check_casts_shadows(self.roles.verifier)

    def with_cache(self, sampler: Sampler, cache: CachePolicy) -> Sampler:
        """A sampler whose passes remember, by a policy of `unmask.caches`.

        Of draft and verify the drafter's passes do: to verify is to look at everything.

        Raises:
            ConfigError: the sampler's passes cannot remember.
        """
        remembers = self.roles.drafter if hasattr(sampler, "drafter") else self.network
        return with_cache(sampler, cache, remembers.kv_cache_shape)

    def stop_at_end(self, sampler: Sampler) -> Sampler:
        """A sampler that ends with the answer: what is behind its end takes no passes.

        Raises `ConfigError` for one that cannot end before its last pass.
        """
        return EarlyStop(sampler=sampler, end_ids=self.end_ids)

    def _room(self, room: int) -> int:
        """As many whole blocks of new tokens as are usual, or as there is room for."""
        block = self.defaults.block_length
        usual = -(-self.defaults.max_new_tokens // block) * block
        return min(usual, room // block * block or room) if room > 0 else usual

    def _check_fits(self, sampler: Sampler, num_wanted: int) -> None:
        check_divides(sampler, num_wanted)

    def _text_of(self, result: Result) -> str:
        return self.text_of(self._new_ids(result))

    def _num_tokens(self, result: Result) -> int:
        return self.num_before_end(self._new_ids(result))

    def _new_ids(self, result: Result) -> Tensor:
        given = result.request.given_ids
        first = int((given == self.vocab_size).long().argmax())
        return result.token_ids[first:].cpu()

    def _piece(self, token_id: int) -> str:
        return self.tokenizer.decode(torch.tensor([token_id]))

    def text_of(self, token_ids: Tensor) -> str:
        """The text of an answer, up to where it ends."""
        return self.tokenizer.decode(token_ids[: self.num_before_end(token_ids)])

    def num_before_end(self, token_ids: Tensor) -> int:
        """Tokens of an answer before the first that ends it."""
        is_end = torch.isin(token_ids, torch.tensor(self.end_ids))
        return int(is_end.long().argmax()) if is_end.any() else len(token_ids)


def load_chat_model(
    folder: Path, name: str, *, dtype: torch.dtype, device: str = "cpu"
) -> ChatModel:
    """The model of a folder as LLaDA and Dream are published, with its tail if it has one."""
    config = read_config(folder)
    tokenizer = read_tokenizer(folder, config)
    network = read_network(folder, dtype, device)
    unused = tokenizer.ids_without_token(config.vocab_size)
    network.never_predicted_ids = unused
    model = ChatModel(network, tokenizer, name, read_generation_defaults(folder))
    own = folder / TAIL_FOLDER
    return model.with_tail(own) if own.is_dir() else model
