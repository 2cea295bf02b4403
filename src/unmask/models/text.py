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
from unmask.evaluation.bits import Score, score, score_of_stream
from unmask.files.model_folder import ERROR_HEAD_FOLDER, POLICY_FOLDER, find_folder
from unmask.models.asked import (
    checked_count,
    checked_ids,
    checked_path,
    checked_text,
    checked_texts,
)
from unmask.models.base import GenerativeModel, Revealed
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.network.error_head import LearnedErrorPredictor, read_error_head
from unmask.network.hybrid import HybridTransformer
from unmask.network.new_hybrid import HybridNetwork
from unmask.network.policy import PolicyNetwork, read_policy
from unmask.predictors.shadows import check_casts_shadows
from unmask.predictors.stream import StreamPredictor
from unmask.process.orders import left_to_right
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.engine import Result
from unmask.samplers.likelihood import TractableSampler, law_of, order_for, pass_tables
from unmask.samplers.lossless import Lossless
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.stream_likelihood import StreamLaw, stream_nats
from unmask.samplers.streamed import along_stream
from unmask.shapes import TokenIds
from unmask.speculation.bounds import tightened_bound
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import log_likelihood
from unmask.vocabularies.vocabulary import Vocabulary


def _dtype(network: Any) -> str:
    return str(next(network.parameters()).dtype).removeprefix("torch.")


def usual_sampler(config: HybridConfig, filter: Filter) -> Sampler:
    """What generates with such a network where nothing else is asked for."""
    if not config.is_causal:
        return SelfSpeculative(filter=filter)
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

    def __init__(self, network: HybridNetwork, vocabulary: Vocabulary, name: str) -> None:
        if network.vocab_size != vocabulary.vocab_size:
            raise CheckpointError(
                f"{name}: the network has {network.vocab_size} tokens and its vocabulary "
                f"{vocabulary.vocab_size}. Restore the config.json that was saved with them."
            )
        self.network, self.vocabulary, self.name = network, vocabulary, name

    def __repr__(self) -> str:
        config, network = self.network.config, self.network
        weights = sum(parameter.numel() for parameter in network.parameters())
        order = "writes from left to right" if config.is_causal else "reads any order"
        return (
            f"TextModel({self.name!r}: {weights / 1e6:.1f}M weights, {config.num_trunk_blocks} "
            f"blocks and {config.num_tail_blocks} that verify, {order}; "
            f"{self.vocabulary.describe()}, up to {config.length} of them; {_dtype(network)} on "
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
        length: int | None = None,
        chat: str | Sequence[Mapping[str, str]] | None = None,
        max_new_tokens: int | None = None,
    ) -> Tensor:
        """One sequence of token ids with MASK where tokens are to be generated.

        A template shows what is wanted as "_" and fixes the length; a prompt comes first and
        the rest, up to `length` tokens (None: as many as the model takes), is generated.

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
        length = checked_count("length", length)
        length = self.length if length is None else length
        if not 1 <= length <= self.length:
            raise PromptError(
                f"the length must be 1 to {self.length} tokens, the longest that {self.name} can "
                f"take; got {length}."
            )
        if template is None:
            return self.vocabulary.encode_prompt(checked_text(prompt), length)
        given = self.vocabulary.encode_template(checked_text(template))
        if len(given) > self.length:
            raise PromptError(
                f"the template has {len(given)} {self.vocabulary.unit}, {self.name} takes at most "
                f"{self.length}. Shorten it."
            )
        return given

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
        length: int | None = None,
        stop: str | Sequence[str] = (),
    ) -> Iterator[Revealed]:
        """`generate` of one sequence, step by step: what each revealed; the last has the sample.

        Raises as `generate`, before the first step.
        """
        given = self.given_ids(prompt=checked_text(prompt), template=template, length=length)
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
        if getattr(sampler, "needs_shadows", False):
            check_casts_shadows(self.network)

    def log_likelihood(
        self,
        token_ids: TokenIds,
        sampler: TractableSampler | StreamLaw | None = None,
        *,
        num_orders: int = 1,
        seed: int = 0,
    ) -> Tensor:
        """Nats of each sequence under the sampler's likelihood, [B]: a bound over random orders.

        The log of the mean over `num_orders` orders; in expectation it is at most the log of
        the probability that the sampler emits the sequence, and closer the more orders.
        Exact for the order "left-to-right".
        """
        token_ids = self._checked_ids(token_ids)
        check_orders(num_orders, seed)
        sampler = self._with_law(sampler, token_ids)
        length = token_ids.shape[1]
        num_given = torch.zeros_like(token_ids[:, 0])
        if isinstance(sampler, StreamLaw):
            order = left_to_right(len(token_ids), length, token_ids.device)
            return -stream_nats(self._stream, sampler, token_ids, order, num_given).sum(dim=1)
        law = law_of(sampler, length)
        totals = []
        for number in range(num_orders):
            order = order_for(sampler, token_ids, seed=seed, number=number)
            tables = pass_tables(self.network, law, token_ids, order, num_given)
            totals.append(log_likelihood(tables, law.verify_rounds, num_given))
        return tightened_bound(torch.stack(totals, dim=1))

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
        """Bits per token of a text, of texts or of token ids [B, L], all of one length.

        `num_orders` random orders of each, from `seed`, where the law has any; `batch_size`
        changes the speed only. `observe` is told how many passes were finished.

        Raises:
            PromptError: texts of several lengths, or a letter that the model does not know.
            ConfigError: the sampler's likelihood cannot be computed, or not on this model.
        """
        token_ids = self._checked_ids(text) if isinstance(text, Tensor) else self._encoded(text)
        check_orders(num_orders, seed)
        if type(batch_size) is not int or batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size!r:.60}.")
        if not callable(observe):
            raise ConfigError(f"observe is a function of a number, got {observe!r:.60}.")
        chosen: Any = self.sampler(sampler) if isinstance(sampler, str) else sampler
        law = self._with_law(chosen, token_ids)
        if isinstance(law, StreamLaw):
            return score_of_stream(
                self._stream, law, token_ids, batch_size=batch_size, observe=observe
            )
        return score(
            self.network,
            law,
            token_ids,
            num_orders=num_orders,
            seed=seed,
            batch_size=batch_size,
            observe=observe,
        )

    def _checked_ids(self, token_ids: object) -> TokenIds:
        """Sequences that can be scored."""
        found = checked_ids(token_ids, num_axes=(2,))
        longest = self.length
        if not len(found) or not 0 < found.shape[1] <= longest:
            raise PromptError(
                f"sequences have 1 to {longest} {self.vocabulary.unit}, and there is one or more; "
                f"got {list(found.shape)}."
            )
        if found.min() < 0 or found.max() >= self.vocab_size:
            raise PromptError(
                f"token ids that are scored lie in 0..{self.vocab_size - 1}; got "
                f"{int(found.min())} to {int(found.max())}."
            )
        return found.to(self.network.device)

    def _encoded(self, texts: str | Sequence[str]) -> TokenIds:
        rows = [self.vocabulary.encode(each) for each in checked_texts(texts)]
        lengths = sorted({len(row) for row in rows})
        if len(lengths) != 1 or not 0 < lengths[0] <= self.length:
            raise PromptError(
                f"texts are scored together if they have one length, of 1 to {self.length} "
                f"{self.vocabulary.unit}; these: {lengths or 'none'}. Score them one at a time."
            )
        return torch.stack(rows).to(self.network.device)

    def _any_order(self, part: str) -> HybridTransformer:
        """The network, for parts that are trained on trunks that look at whole sequences."""
        if not isinstance(self.network, HybridTransformer):
            raise ConfigError(
                f"a {part} is for models that read any order, and {self.name} writes from left to "
                "right. Choose another sampler, or another model, such as text8s-any."
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

    def save(self, folder: Path | str) -> None:
        """Write a model folder that `load` reads."""
        weights = self.network.state_dict()
        fields, files = self.vocabulary.to_json(), self.vocabulary.files()
        checkpoint.write_model(Path(folder), self.network.config, weights, fields, files)
