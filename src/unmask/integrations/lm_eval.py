"""Large models in lm-evaluation-harness, where they are the model `unmask`.

    generate_until           a decoder by name (questions/decoders.py), with continuous batching
    loglikelihood            the bound of masked diffusion (evaluation/continuation.py); exact for
                             one token, and one pass for all candidates of a question
    loglikelihood_rolling    the same, summed over windows (evaluation/rolling.py)

The harness knows the models of files that were imported, and looks for no others, so `launch`
runs its command line from here.

Source: lm-evaluation-harness 0.4.13, lm_eval/api/model.py.
"""

import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from lm_eval.__main__ import cli_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import normalize_gen_kwargs
from torch import Tensor
from tqdm import tqdm

from unmask.errors import ConfigError, PromptError
from unmask.evaluation.continuation import Continuation, Scores, score
from unmask.evaluation.rolling import windows
from unmask.integrations.lm_eval_arguments import ModelArguments, model_arguments
from unmask.models.chat import ChatModel
from unmask.models.load import load
from unmask.questions.decoders import decoder
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.sampler import Sampler

_LOG = logging.getLogger(__name__)
_COMMANDS = ("run", "ls", "validate")


def launch(arguments: Sequence[str]) -> None:
    """The harness's own command line with `unmask` among its models, and its choice if no other.

    Raises `UnmaskError` for what the model refuses, `SystemExit` for what the harness does.
    """
    given = list(arguments)
    command = given.pop(0) if given and given[0] in _COMMANDS else "run"
    if command == "run":
        names = {argument.partition("=")[0] for argument in given}
        if not names & {"--model", "-M"}:
            given = ["--model", "unmask", *given]
        if "--device" not in names and not torch.cuda.is_available():
            given = ["--device", "cpu", *given]  # the harness would ask for cuda:0
    sys.argv = ["lm-eval", command, *given]
    cli_evaluate()


@dataclass(frozen=True)
class _Asked:
    """What a task asks for: a canvas, and where its text ends."""

    given_ids: Tensor
    num_new: int
    until: tuple[str, ...]


@register_model("unmask")
class UnmaskLM(TemplateLM):  # type: ignore[misc]
    """A `ChatModel` that answers the harness. What it may be told: `ModelArguments`."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.arguments: ModelArguments = model_arguments(arguments)
        self.model = _opened(self.arguments)
        self._decoder = cache(self._new_decoder)
        self._decoder(min(self.arguments.max_gen_toks, self.max_length))  # a wrong name: now
        self._generated: Counter[str] = Counter()
        self._scored: Counter[str] = Counter()

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None
    ) -> "UnmaskLM":
        """A model by --model_args, which have the last word, and the harness's own options."""
        options = {n: value for n, value in (additional_config or {}).items() if value is not None}
        return cls(**{**options, **arg_dict})

    # What the harness asks.

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """An answer to each request, in their order, up to the first of its ends."""
        asked = [self._asked(*request.args) for request in requests]
        longest_first = sorted(range(len(asked)), key=lambda n: -len(asked[n].given_ids))
        wanted = (
            Request(
                given_ids=asked[n].given_ids,
                sampler=self._decoder(asked[n].num_new),
                seed=self.arguments.seed + n,
            )
            for n in longest_first
        )
        engine = Engine(self.model.network, num_slots=self.arguments.batch_size)
        texts = [""] * len(asked)
        with tqdm(total=len(asked), desc="answering", disable=disable_tqdm) as bar:
            for result in engine.run(wanted):
                n = longest_first[result.number]
                texts[n] = self._text(result, asked[n])
                self.cache_hook.add_partial("generate_until", requests[n].args, texts[n])
                bar.update()
        return texts

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[tuple[str, str], list[int], list[int]]],
        disable_tqdm: bool = False,
        **others: Any,
    ) -> list[tuple[float, bool]]:
        """What `loglikelihood` of the harness asks once it has made tokens of its requests."""
        wanted = [self._fitted(context, target) for _, context, target in requests]
        found = self._score(wanted, disable_tqdm)
        return list(zip(found.log_likelihoods, found.is_greedy, strict=True))

    def loglikelihood_rolling(
        self, requests: list[Any], disable_tqdm: bool = False
    ) -> list[float]:
        """The log-likelihood of each text, behind the token that begins a text."""
        cut = [
            windows(
                self.tok_encode(request.args[0], add_special_tokens=False),
                length=self.max_length,
                prefix_ids=[self.prefix_token_id],
            )
            for request in requests
        ]
        nats = iter(
            self._score([w for of_one in cut for w in of_one], disable_tqdm).log_likelihoods
        )
        return [sum((next(nats) for _ in of_one), 0.0) for of_one in cut]

    def get_model_info(self) -> dict[str, Any]:
        """What the harness writes into its results: the choices made, and what was spent."""
        info: dict[str, Any] = {
            "model_num_parameters": self.model.trunk.config.num_weights,
            "decoder": self.arguments.decoder,
            "num_samples": self.arguments.num_samples,
            "max_gen_toks": self.arguments.max_gen_toks,
            "seed": self.arguments.seed,
        }
        for name, spent in (("generated", self._generated), ("scored", self._scored)):
            info |= {name: dict(spent)} if spent else {}
        return info

    # Tokens and chats, as the harness names them.

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return self.model.trunk.config.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """What a text without a context stands behind: the token that begins one, or ends one."""
        tokenizer = self.model.tokenizer
        begin = tokenizer.tokenizer.token_to_id(tokenizer.special.get("bos_token", ""))
        return self.eot_token_id if begin is None else begin

    @property
    def max_length(self) -> int:
        """Tokens of the longest sequence, context included."""
        return self.model.length

    @property
    def tokenizer_name(self) -> str:
        """By which the harness tells its caches of requests apart."""
        return self.model.name.replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **others: Any
    ) -> list[int]:
        """Token ids; the token that begins a text before them, if that was asked for."""
        token_ids: list[int] = self.model.tokenizer.encode(string).tolist()
        wants_begin = self.arguments.add_bos_token and add_special_tokens is not False
        if wants_begin and token_ids[:1] != [self.prefix_token_id]:
            token_ids.insert(0, self.prefix_token_id)
        return token_ids

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The Jinja text of the model's chats."""
        return self.model.tokenizer.template if chat_template else None

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A chat as one prompt: up to the answer that is wanted, or that is begun already."""
        tokenizer = self.model.tokenizer
        if add_generation_prompt:
            return tokenizer.chat(chat_history)
        return tokenizer.continue_final_message(chat_history)

    # From the harness's words to ours and back.

    def _new_decoder(self, num_new: int) -> Sampler:
        return decoder(
            self.arguments.decoder, self.model, num_new, self.arguments.block_length or None
        )

    def _asked(self, context: str, gen_kwargs: Mapping[str, Any]) -> _Asked:
        wanted = normalize_gen_kwargs(dict(gen_kwargs), self.arguments.max_gen_toks)
        if wanted["do_sample"]:
            raise ConfigError(
                "the task asks for samples, and decoders take the most probable token. Ask for "
                "`--gen_kwargs do_sample=false`, and say so beside the result."
            )
        num_new = wanted["max_gen_toks"]
        if not 1 <= num_new < self.max_length:
            raise ConfigError(
                f"max_gen_toks must lie between 1 and {self.max_length - 1}, as the model takes "
                f"{self.max_length} tokens with the prompt, got {num_new}. Ask for `--gen_kwargs "
                "max_gen_toks=...`."
            )
        context_ids = _last(self.tok_encode(context), self.max_length - num_new)
        masks = [self.model.vocab_size] * num_new
        given_ids = torch.tensor([*context_ids, *masks], device=self.model.network.device)
        return _Asked(given_ids, num_new, tuple(term for term in wanted["until"] if term))

    def _text(self, result: Result, asked: _Asked) -> str:
        """What an answer says before it ends, by a token or by a text that the task names."""
        new_ids = result.token_ids[-asked.num_new :].cpu()
        new_ids = new_ids[: self.model.num_before_end(new_ids)]
        stops = [self.model.tokenizer.tokenizer.token_to_id(term) for term in asked.until]
        is_stop = torch.isin(new_ids, torch.tensor([n for n in stops if n is not None]).long())
        new_ids = new_ids[is_stop.cumsum(dim=0) == 0]  # special tokens leave no text to find
        self._generated.update(
            answers=1,
            tokens=len(new_ids),
            passes=result.trunk_passes,
            query_tokens=result.cost.trunk.tokens,
            query_keys=result.cost.trunk.pairs,
            seconds=result.busy_seconds,  # type: ignore[call-overload]
        )
        text = self.model.tokenizer.decode(new_ids)
        for term in asked.until:
            text = text.partition(term)[0]
        return text

    def _fitted(self, context_ids: list[int], target_ids: list[int]) -> Continuation:
        """A continuation that the model can take: of its context the end."""
        room = self.max_length - len(target_ids)
        if room < 0:
            raise PromptError(
                f"a continuation has {len(target_ids)} tokens and {self.model.name} takes "
                f"{self.max_length}. Leave the task out, or choose a model that takes more."
            )
        return Continuation(tuple(_last(context_ids, room)), tuple(target_ids))

    def _score(self, continuations: list[Continuation], disable_tqdm: bool) -> Scores:
        with tqdm(total=len(continuations), desc="scoring", disable=disable_tqdm) as bar:
            found = score(
                self.model.network,
                continuations,
                num_samples=self.arguments.num_samples,
                seed=self.arguments.seed,
                batch_size=self.arguments.batch_size,
                observe=lambda num_done: bar.update(num_done - bar.n),
            )
        self._scored.update(
            continuations=len(continuations),
            passes=found.passes,
            query_tokens=found.query_tokens,
        )
        return found


def _last(token_ids: list[int], room: int) -> list[int]:
    if len(token_ids) > room:
        _LOG.warning("a context of %d tokens is cut to its last %d", len(token_ids), room)
    return token_ids[max(0, len(token_ids) - room) :]


def _opened(arguments: ModelArguments) -> ChatModel:
    model = load(arguments.pretrained, dtype=arguments.torch_dtype, device=arguments.device)
    if not isinstance(model, ChatModel):
        raise ConfigError(
            f"{arguments.pretrained} continues text and answers no questions. Name the folder or "
            "hub id of a large model."
        )
    return model
