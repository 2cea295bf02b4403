"""A model as users meet it: a network with the vocabulary between its token ids and text.

model = unmask.load("text8s")
for sample in model.generate("the history of ", num_samples=2, seed=7):
    print(sample.text, sample.nfe)
print(model.infill("the ____ of the ____").text, model.score("the history of").likelihood)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from unmask.draws import check_seed
from unmask.errors import CheckpointError, ConfigError, PromptError
from unmask.evaluation.bits import Score, Scored, score, score_of_stream
from unmask.files.model_folder import (
    ERROR_HEAD_FOLDER,
    POLICY_FOLDER,
    TAIL_FOLDER,
    find_folder,
)
from unmask.models.asked import (
    checked_ids,
    checked_path,
    checked_text,
    checked_texts,
)
from unmask.models.base import GenerativeModel, Revealed
from unmask.models.lengths import Length, Lengths, is_drawn, length_of
from unmask.models.text_folder import TextNetwork, read_tail_for, write_text_network
from unmask.network.config import HybridConfig
from unmask.network.error_head import LearnedErrorPredictor, read_error_head
from unmask.network.hybrid import HybridTransformer
from unmask.network.policy import PolicyNetwork, read_policy
from unmask.predictors.shadows import check_casts_shadows
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.engine import Result
from unmask.samplers.likelihood import TractableSampler, law_of
from unmask.samplers.lossless import Lossless
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.stream_likelihood import StreamLaw
from unmask.samplers.streamed import along_stream
from unmask.shapes import TokenIds
from unmask.speculation.bounds import tightened_bound
from unmask.speculation.filters import Filter
from unmask.vocabularies.vocabulary import Vocabulary


def _dtype(network: Any) -> str:
    return str(next(network.parameters()).dtype).removeprefix("torch.")


def usual_sampler(config: HybridConfig, filter: Filter) -> Sampler:
    """What generates with such a network where nothing else is asked for."""
    if not config.is_causal:
        return SelfSpeculative(filter=filter) if config.has_tail else Ancestral(filter=filter)
    if config.has_tail:
        return Lossless(num_tokens=min(8, config.max_window), filter=filter)
    return Autoregressive(filter=filter)


def check_orders(num_orders: object, seed: object) -> None:
    """Raise `ConfigError` unless there are random orders that can be drawn."""
    check_seed(seed)
    if type(num_orders) is not int or num_orders < 1:
        raise ConfigError(f"num_orders must be at least 1, got {num_orders!r:.60}.")


class TextModel(GenerativeModel):
    """A trained network and its vocabulary."""

    lengths: Lengths | None
    """How long the sequences were that it learnt from; None: parts of long texts."""

    def __init__(
        self,
        network: TextNetwork,
        vocabulary: Vocabulary,
        name: str,
        lengths: Lengths | None = None,
    ) -> None:
        if network.vocab_size != vocabulary.vocab_size:
            raise CheckpointError(
                f"{name}: the network has {network.vocab_size} tokens and its vocabulary "
                f"{vocabulary.vocab_size}. Restore the config.json that was saved with them."
            )
        self.network, self.vocabulary, self.name = network, vocabulary, name
        self.lengths = lengths
        network.never_predicted_ids = vocabulary.silent_ids

    def __repr__(self) -> str:
        config, network = self.network.config, self.network
        weights = sum(parameter.numel() for parameter in network.parameters())
        order = "writes from left to right" if config.is_causal else "reads any order"
        return (
            f"TextModel({self.name!r}: {weights / 1e6:.1f}M weights, {config.num_trunk_blocks} "
            f"blocks and {config.num_tail_blocks} that verify, {order}; "
            f"{self.vocabulary.describe()}, up to {self.length} of them; {_dtype(network)} on "
            f"{network.device})"
        )

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return self.vocabulary.vocab_size

    @property
    def default_sampler(self) -> Sampler:
        """What generates where nothing else is asked for."""
        return self.default_sampler_with(Filter())

    def default_sampler_with(self, filter: Filter) -> Sampler:
        """The same with a temperature or top-p."""
        return usual_sampler(self.network.config, filter)

    def check_generates(self) -> None:
        """Raise `ConfigError` for a judge: without trunk blocks there is nothing to draft with."""
        if self.network.config.num_trunk_blocks == 0:
            raise ConfigError(
                f"{self.name} has no trunk blocks: it judges text from left to right, and can "
                "neither generate nor score by the law of a sampler. Use it as "
                f"`unmask evaluate MODEL --judge {self.name}`, and generate with another model."
            )

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
        """One sequence of token ids with MASK where tokens are to be generated.

        A template shows what is wanted as "_" and fixes the length; a prompt comes first and
        the rest, up to `length` tokens (models/lengths.py), is generated.

        Raises:
            PromptError: it does not fit the model, or nothing is left to generate.
        """
        if chat is not None or max_new_tokens is not None:
            raise PromptError(
                f"{self.name} continues text, it is not a model for chats. Give a prompt, and the "
                "length of prompt and text together."
            )
        if prompt and template is not None:
            raise PromptError(
                "a prompt and a template were given; choose one. A template can begin with text."
            )
        if template is None:
            begun = self.vocabulary.num_tokens(checked_text(prompt)) if prompt else 0
            drawn = length_of(length, seed, usual=self.lengths, least=begun + 1, most=self.length)
            return self.vocabulary.encode_prompt(checked_text(prompt), drawn)
        given = self.vocabulary.encode_template(checked_text(template))
        num_tokens = len(given) - self.vocabulary.num_ends
        if num_tokens > self.length:
            raise PromptError(
                f"the template has {num_tokens} {self.vocabulary.unit}, {self.name} takes at most "
                f"{self.length}. Shorten it."
            )
        return given

    def draws_lengths(
        self, *, length: Length = None, template: str | None = None, **asked: Any
    ) -> bool:
        """Whether samples of what is asked for may differ in length."""
        return template is None and is_drawn(length, self.lengths)

    @property
    def length(self) -> int:
        """The longest sequence the model can generate, in tokens, ends not counted."""
        return super().length - self.vocabulary.num_ends

    def _check_fits(self, sampler: Sampler, num_wanted: int) -> None:
        pass  # a text is as long as the model takes, whatever the prompt: a last block is shorter

    def text_of(self, token_ids: Tensor) -> str:
        """The text of tokens, [n]."""
        return self.vocabulary.decode(token_ids.cpu())

    def _text_of(self, result: Result) -> str:
        return self.text_of(result.token_ids)

    def _so_far(self, token_ids: Tensor, is_wanted: Tensor) -> str:
        return self.text_of(token_ids)

    def _begun(self, result: Result, kept: str) -> str:
        given = result.request.given_ids.cpu()
        return self.text_of(given[given != self.vocab_size]) + kept

    def chat(self, *questions: object, **choices: object) -> NoReturn:
        """Raises `PromptError`: a model of text answers no questions."""
        raise PromptError(
            f"{self.name} continues and fills in texts, and answers no questions. Use "
            "generate(prompt), or a large model: unmask.load('arithmetic').chat(question)."
        )

    def stream(
        self,
        prompt: str = "",
        *,
        sampler: Sampler | str | None = None,
        seed: int = 0,
        template: str | None = None,
        length: Length = None,
        stop: str | Sequence[str] = (),
    ) -> Iterator[Revealed]:
        """`generate` of one sequence, step by step: what each revealed; the last has the sample.

        Raises as `generate`, before the first step.
        """
        given = self.given_ids(
            prompt=checked_text(prompt), template=template, length=length, seed=seed
        )
        return self._watched(given, sampler, seed, stop)

    def _piece(self, token_id: int) -> str:
        return self.vocabulary.piece(token_id)

    def encode(self, text: str) -> TokenIds:
        """One text as a batch of one sequence, [1, L]."""
        return self.vocabulary.encode(checked_text(text))[None].to(self.network.device)

    def decode(self, token_ids: Tensor) -> str:
        """The text of one sequence, [L] or [1, L]; see `Vocabulary.decode` for MASK."""
        return self.vocabulary.decode(checked_ids(token_ids, num_axes=(1, 2)).flatten())

    def _check_works(self, sampler: Any) -> None:
        config = self.network.config
        if getattr(sampler, "needs_tail", False) and not (config.has_tail or config.is_causal):
            raise ConfigError(
                f"{self.name} drafts and has no causal blocks to verify with. Train some with "
                f"`unmask train adapt --trunk {self.name}` and name them with --tail "
                "(`with_tail`), or choose a sampler that only drafts, such as ancestral."
            )
        if getattr(sampler, "needs_shadows", False):
            check_casts_shadows(self.network)

    def log_likelihood(
        self,
        token_ids: TokenIds,
        sampler: TractableSampler | StreamLaw | None = None,
        *,
        num_orders: int = 1,
        seed: int = 0,
        same_orders: bool = False,
        observe: Callable[[int], None] = lambda num_passes: None,
    ) -> Tensor:
        """Nats of each sequence under the sampler's likelihood, [B]: a bound over random orders.

        The log of the mean over `num_orders` orders; in expectation it is at most the log of
        the probability that the sampler emits the sequence, and closer the more orders.
        Exact for the order "left-to-right". With `same_orders` all sequences are read along the
        same ones, so that what differs is the sequences alone. `observe` is told of passes.
        """
        token_ids = self._checked_ids(token_ids)
        check_orders(num_orders, seed)
        sampler = self._with_law(sampler, token_ids)
        rows = [0] * len(token_ids) if same_orders else None
        how: dict[str, Any] = {"num_orders": num_orders, "seed": seed, "observe": observe}
        found = self._scored(token_ids, sampler, rows=rows, **how)
        return tightened_bound(found.log_probs)

    def _scored(
        self,
        token_ids: TokenIds,
        sampler: TractableSampler | StreamLaw,
        *,
        rows: Sequence[int] | None = None,
        num_orders: int = 1,
        seed: int = 0,
        **how: Any,
    ) -> Scored:
        """Sequences of one length; what is never generated is given."""
        silent = torch.tensor(self.vocabulary.silent_ids, device=token_ids.device)
        is_given = torch.isin(token_ids, silent.long())
        if isinstance(sampler, StreamLaw):
            return score_of_stream(
                self._stream, sampler, token_ids, is_given=is_given, rows=rows, **how
            )
        return score(
            self.network,
            sampler,
            token_ids,
            is_given=is_given,
            rows=rows,
            num_orders=num_orders,
            seed=seed,
            **how,
        )

    def _with_law(
        self, sampler: TractableSampler | StreamLaw | None, token_ids: TokenIds
    ) -> TractableSampler | StreamLaw:
        """The sampler, or the default one, if its likelihood can be computed here."""
        self.check_generates()
        chosen: Any = self.default_sampler if sampler is None else sampler
        if not isinstance(chosen, StreamLaw):
            law_of(chosen, token_ids.shape[1])
        along_stream(chosen, self.network, torch.full_like(token_ids[0], self.vocab_size))
        found: TractableSampler | StreamLaw = chosen
        return found

    @property
    def _stream(self) -> StreamPredictor:
        assert isinstance(self.network, StreamPredictor), "checked by `_with_law`"
        return self.network

    def score(
        self,
        text: str | Sequence[str] | TokenIds,
        sampler: TractableSampler | StreamLaw | str | None = None,
        *,
        num_orders: int = 1,
        seed: int = 0,
        batch_size: int = 64,
        observe: Callable[[int], None] = lambda num_passes: None,
    ) -> Score:
        """Bits per token of a text, of texts, or of token ids [B, L].

        Ends, and other tokens that the model never generates, are given and not scored.
        `num_orders` random orders of each, from `seed`, where the law has any; `batch_size`
        changes the speed only. `observe` is told how many passes were finished.

        Raises:
            PromptError: a text is too long, empty, or has a letter that the model does not know.
            ConfigError: the sampler's likelihood cannot be computed, or not on this model.
        """
        groups = self._by_length(text)
        check_orders(num_orders, seed)
        if type(batch_size) is not int or batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r:.60}.")
        if not callable(observe):
            raise ConfigError(f"observe is a function of a number, got {observe!r:.60}.")
        chosen: Any = self.sampler(sampler) if isinstance(sampler, str) else sampler
        laws = [self._with_law(chosen, token_ids) for _, token_ids in groups]
        how = {"num_orders": num_orders, "seed": seed, "batch_size": batch_size}
        parts = [
            self._scored(token_ids, law, rows=rows, observe=observe, **how)
            for (rows, token_ids), law in zip(groups, laws, strict=True)
        ]
        return Scored.joined(parts).summary()

    def _by_length(self, text: str | Sequence[str] | TokenIds) -> list[tuple[list[int], TokenIds]]:
        """Sequences to be scored, those of one length together; and which of all they are."""
        if isinstance(text, Tensor):
            token_ids = self._checked_ids(text)
            return [(list(range(len(token_ids))), token_ids)]
        rows = [self.vocabulary.encode(each) for each in checked_texts(text)]
        alike: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            alike.setdefault(len(row), []).append(number)
        if not alike:
            raise PromptError("there is no text to score, but an empty list. Give one or more.")
        found = []
        for numbers in alike.values():
            token_ids = torch.stack([rows[n] for n in numbers])
            found.append((numbers, self._checked_ids(token_ids)))
        return found

    def _checked_ids(self, token_ids: object) -> TokenIds:
        """Sequences that can be scored."""
        found = checked_ids(token_ids, num_axes=(2,))
        longest = self.length
        num_tokens = found.shape[1] - self.vocabulary.num_ends
        if not len(found) or not 0 < num_tokens <= longest:
            raise PromptError(
                f"sequences that are scored have 1 to {longest} {self.vocabulary.unit}, and there "
                f"is one or more; got {len(found)} of {num_tokens}."
            )
        if found.min() < 0 or found.max() >= self.vocab_size:
            raise PromptError(
                f"token ids that are scored lie in 0..{self.vocab_size - 1}; got "
                f"{int(found.min())} to {int(found.max())}."
            )
        return found.to(self.network.device)

    def _any_order(self, part: str) -> HybridTransformer:
        """The network, for parts that are trained on trunks that look at whole sequences."""
        if not isinstance(self.network, HybridTransformer):
            own = "writes from left to right" if self.network.config.is_causal else "is published"
            raise ConfigError(
                f"a {part} is for models that read any order and were trained here, and "
                f"{self.name} {own}. Choose another sampler, or another model, such as text8s-any."
            )
        return self.network

    def policy(self, folder: Path | str | None = None) -> PolicyNetwork:
        """The unmasking policy of a folder; None: the one that lies with the model.

        Raises:
            CheckpointError: there is none, or its files are damaged.
        """
        network = self._any_order(POLICY_FOLDER)
        return read_policy(self._trained(POLICY_FOLDER, folder)).to(network.device)

    def error_head(self, folder: Path | str | None = None) -> LearnedErrorPredictor:
        """The predictor of errors of a folder; None: the one that lies with the model.

        Raises:
            CheckpointError: there is none, its files are damaged, or it is of another model.
        """
        network = self._any_order(ERROR_HEAD_FOLDER)
        head = read_error_head(self._trained(ERROR_HEAD_FOLDER, folder), network)
        return LearnedErrorPredictor(network, head)

    def _trained(self, part: str, folder: Path | str | None) -> Path:
        """Where a part lies that was trained for this model, apart from its network."""
        if folder is not None:
            return checked_path(f"a {part}", folder)
        own = find_folder(self.name) / part
        if not own.is_dir():
            raise CheckpointError(
                f"{self.name} has no {part} of its own: there is no folder {own}. Name the "
                "folder of one that was trained for it, or choose another sampler."
            )
        return own

    def save(self, folder: Path | str, *, eight_bits: bool = False) -> None:
        """Write a model folder that `load` reads.

        With `eight_bits` matrices are rounded to eight bits (files/tensors.py), which makes it a
        quarter as large; they are read as float32 again.
        """
        write_text_network(
            Path(folder), self.network, self.vocabulary, self.lengths, eight_bits=eight_bits
        )

    def with_tail(self, folder: Path | str | None = None) -> "TextModel":
        """The same model with the causal tail of a folder; None: the one that lies with it.

        Raises:
            CheckpointError: there is none, its files are damaged, or it is of another model.
            ConfigError: the model has blocks of its own that verify.
        """
        if folder is None:
            chosen = find_folder(self.name) / TAIL_FOLDER
        else:
            chosen = checked_path("a tail", folder)
        network, lengths = read_tail_for(self.network, chosen, self.name)
        return TextModel(network, self.vocabulary, self.name, lengths or self.lengths)
