"""What every model of text does, whatever its tokens are: generate, and say what it cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from unmask.cost import Cost, Costed
from unmask.draws import SeededDraws, check_seed
from unmask.errors import ConfigError, PromptError
from unmask.evaluation import trace
from unmask.models.asked import checked_stops, checked_text
from unmask.models.lengths import Length
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.sampler import Sampler, layers
from unmask.samplers.spec import read_sampler
from unmask.samplers.streamed import along_stream
from unmask.samplers.wrappers.stop_strings import StopStrings, settled
from unmask.shapes import Counts


@dataclass(frozen=True, kw_only=True)
class Sample(Costed):
    """One generated sequence, and what it cost."""

    text: str
    token_ids: list[int]
    seed: int
    """Generates this very sample again, alone or in any batch."""
    cost: Cost[int]
    """Passes, tokens and pairs of the trunk, its tail and a drafter; what was accepted."""
    nfe: float
    """Passes through as many blocks as the network has: (11 trunk + 1 tail) / 12, say; those of a
    smaller model that drafts count as the share that its weights are of the model's."""
    seconds: float
    """From when it began until it was finished, beside others of its batch."""
    num_tokens: int = 0
    """Generated, up to where the text ends, the prompt not counted."""

    @property
    def acceptance_rate(self) -> float:
        """Share of the generated tokens that are accepted drafts."""
        rate: float = self.accepted / max(1, self.cost.num_revealed)
        return rate

    @property
    def tokens_per_second(self) -> float:
        """`num_tokens` over `seconds`."""
        return self.num_tokens / self.seconds

    @property
    def tokens_per_pass(self) -> float:
        """`num_tokens` over the passes of the trunk."""
        return self.num_tokens / max(1, self.cost.trunk.passes)

    def to_json(self) -> dict[str, Any]:
        """Flat: the fields, with those of the cost among them, and the two rates."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "cost"}
        rates = {name: getattr(self, name) for name in ("tokens_per_pass", "tokens_per_second")}
        return own | self.cost.to_json() | rates


@dataclass(frozen=True, kw_only=True)
class Revealed(Costed):
    """What one step of a generation did, and where it stands."""

    positions: tuple[int, ...]
    """Where tokens were written, counted from the beginning of the sequence; a sampler that takes
    tokens back may write to one twice."""
    pieces: tuple[str, ...]
    """The text of each."""
    masked_again: tuple[int, ...]
    """Where tokens were taken back."""
    text: str
    """What the sample's text is by now, with a blank for each token that is not there yet."""
    cost: Cost[int]
    """Of all steps by now."""
    sample: Sample | None = None
    """With the last step, all of it."""


def _ignore(num_revealed: int) -> None:
    pass


def _check_counts(**counts: object) -> None:
    for name, value in counts.items():
        if type(value) is not int or value < 1:
            raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}.")


class GenerativeModel(ABC):
    """A network, and how its token ids become text."""

    network: Any
    """A predictor with a `config`."""
    name: str

    @property
    def drafter_share(self) -> float:
        """What a pass of a smaller model that drafts counts as, in trunk passes."""
        return 0.0

    @property
    def predictor(self) -> Any:
        """What samplers ask: the network, unless it has help."""
        return self.network

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """V, MASK not counted."""

    @property
    @abstractmethod
    def default_sampler(self) -> Sampler:
        """What generates where nothing else is asked for."""

    @abstractmethod
    def check_generates(self) -> None:
        """Raise `ConfigError` if the network cannot."""

    @abstractmethod
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
        """One sequence of token ids, [L], with MASK where tokens are to be generated.

        `seed` is that of the sample, from which its length is drawn where that is left open.
        Raises `PromptError` if what is asked for does not fit the model.
        """

    @abstractmethod
    def _check_fits(self, sampler: Sampler, num_wanted: int) -> None:
        """Raise `ConfigError` if the sampler is not for so many tokens."""

    def sampler(self, asked: Sampler | str | None = None) -> Sampler:
        """A sampler for this model: one by its spec (samplers/spec.py), or as it is; None: the
        default.

        Raises `ConfigError` if there is none such, or if it cannot work on this model.
        """
        if asked is None:
            return self.default_sampler
        chosen = self._named(asked) if isinstance(asked, str) else asked
        if isinstance(chosen, type) or not isinstance(chosen, Sampler):
            raise ConfigError(
                'a sampler is asked for by name, as in "self-speculative(verify_rounds=2)", or as '
                "an object such as unmask.SelfSpeculative(verify_rounds=2); got "
                f"{repr(chosen)[:60]}."
            )
        self.check(chosen)
        return chosen

    def _named(self, spec: str) -> Sampler:
        return read_sampler(spec)

    def check(self, sampler: Sampler) -> None:
        """Raise `ConfigError` if a sampler cannot work on this model, whatever it is asked."""
        for within in layers(sampler):
            self._check_works(within)

    @abstractmethod
    def _check_works(self, sampler: Any) -> None:
        """Of a sampler, those within it apart."""

    @abstractmethod
    def text_of(self, token_ids: Tensor) -> str:
        """The text of generated tokens, [n], up to where it ends."""

    @abstractmethod
    def _text_of(self, result: Result) -> str:
        """What a finished sequence says."""

    def _num_tokens(self, result: Result) -> int:
        """Tokens that were generated, up to where the text ends."""
        return int((result.request.given_ids == self.vocab_size).sum())

    @property
    def length(self) -> int:
        """The longest sequence the model can generate, in tokens."""
        length: int = self.network.config.length
        return length

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        *,
        sampler: Sampler | str | None = None,
        num_samples: int = 1,
        seed: int = 0,
        batch_size: int = 16,
        template: str | None = None,
        length: Length = None,
        chat: str | Sequence[Mapping[str, str]] | None = None,
        max_new_tokens: int | None = None,
        stop: str | Sequence[str] = (),
    ) -> list[Sample]:
        """What continues a prompt, or each of a list of them: `num_samples` of one, then the next.

        The seeds are seed, seed + 1, ... in the order of what is returned. `sampler` is an object
        or a spec such as "ancestral(num_steps=16)"; None is `default_sampler`. See `given_ids` for
        the template, the length, the chat and the room. The batch size changes the speed only. A
        text ends before the first of the strings in `stop`, and takes no passes behind it.

        Raises:
            PromptError: what is asked for does not fit the model.
            ConfigError: there is no such sampler, or it cannot work on this model.
        """
        if isinstance(prompt, Sampler):
            raise PromptError(
                "the first argument is a prompt, and got a sampler. Name it: "
                "generate(prompt, sampler=...)."
            )
        prompts = prompt if isinstance(prompt, list | tuple) else [prompt]
        _check_counts(num_samples=num_samples, batch_size=batch_size)
        check_seed(seed, len(prompts) * num_samples)
        given = [
            one
            for place, each in enumerate(prompts)
            for one in self.given_for(
                num_samples,
                seed + place * num_samples,
                prompt=checked_text(each),
                template=template,
                length=length,
                chat=chat,
                max_new_tokens=max_new_tokens,
            )
        ]
        finished = self.samples(sampler, given, seed=seed, batch_size=batch_size, stop=stop)
        return sorted(finished, key=lambda sample: sample.seed)

    def given_for(self, num_samples: int, seed: int, **asked: Any) -> list[Tensor]:
        """`given_ids` of samples that begin with a seed; they differ where lengths are drawn."""
        _check_counts(num_samples=num_samples)
        check_seed(seed, num_samples)
        if not self.draws_lengths(**asked):
            return [self.given_ids(**asked)] * num_samples
        return [self.given_ids(**asked, seed=seed + n) for n in range(num_samples)]

    def draws_lengths(self, *, length: Length = None, **asked: Any) -> bool:
        """Whether samples of what is asked for may differ in length."""
        return False

    def infill(
        self, template: str, *, sampler: Sampler | str | None = None, seed: int = 0
    ) -> Sample:
        """A template with its blanks, "_" each, filled in; see `generate`."""
        if not isinstance(template, str):
            raise PromptError(
                f"infill takes one template, a text with _ for each blank; got "
                f"{type(template).__name__}: {template!r:.60}. Fill in several one by one."
            )
        (filled,) = self.generate(template=template, sampler=sampler, seed=seed)
        return filled

    def trace(
        self,
        prompt: str = "",
        *,
        sampler: Sampler | str | None = None,
        seed: int = 0,
        template: str | None = None,
        length: Length = None,
        chat: str | Sequence[Mapping[str, str]] | None = None,
        max_new_tokens: int | None = None,
        stop: str | Sequence[str] = (),
    ) -> str:
        """One HTML page, which needs nothing else, that shows a generation pass by pass.

        Arguments and errors are those of `generate`; it shows what that makes of the same seed.
        """
        given = self.given_ids(
            prompt=checked_text(prompt),
            template=template,
            length=length,
            chat=chat,
            max_new_tokens=max_new_tokens,
            seed=seed,
        )
        check_seed(seed, 1)
        (chosen,) = self.samplers_for([given], sampler, stop)
        draws = SeededDraws([seed], given.device)
        nfe = self.network.config.nfe
        seen = trace.record(self.predictor, chosen, given[None], draws, nfe=nfe)

        def decode(token_ids: Tensor) -> str:
            return "".join(map(self._piece, token_ids.tolist()))

        return trace.page(seen.to_json(), decode, f"{self.name}, {chosen}, seed {seed}")

    def _watched(
        self, given: Tensor, sampler: Sampler | str | None, seed: int, stop: str | Sequence[str]
    ) -> Iterator[Revealed]:
        """One sequence step by step; whatever is wrong is told before the first."""
        check_seed(seed, 1)
        (chosen,) = self.samplers_for([given], sampler, stop)
        return self._steps(Request(given_ids=given, sampler=chosen, seed=seed))

    def _steps(self, request: Request) -> Iterator[Revealed]:
        states: list[tuple[Tensor, Cost[Counts]]] = []
        engine = Engine(
            self.predictor,
            num_slots=1,
            observe=lambda state, cost, numbers: states.append((state.token_ids[0].cpu(), cost)),
        )
        engine.admit([request])
        before, spent = request.given_ids.cpu(), Cost[int].none()
        is_wanted = before == self.vocab_size
        finished: list[Result] = []
        while not finished:
            states.clear()
            finished = engine.step()
            for token_ids, cost in states:
                is_new = (token_ids != before) & (token_ids != self.vocab_size)
                is_gone = (token_ids != before) & (token_ids == self.vocab_size)
                spent += cost.each()[0]
                sample = self.sample_of(finished[0]) if finished else None
                yield Revealed(
                    positions=tuple(is_new.nonzero().flatten().tolist()),
                    pieces=tuple(self._piece(n) for n in token_ids[is_new].tolist()),
                    masked_again=tuple(is_gone.nonzero().flatten().tolist()),
                    text=sample.text if sample else self._so_far(token_ids, is_wanted),
                    cost=spent,
                    sample=sample,
                )
                before = token_ids

    @abstractmethod
    def _piece(self, token_id: int) -> str:
        """The text of one token."""

    def _so_far(self, token_ids: Tensor, is_wanted: Tensor) -> str:
        """What a sample's text will be, "_" where nothing is yet."""
        ids = token_ids[is_wanted].tolist()
        return "".join("_" if n == self.vocab_size else self._piece(n) for n in ids)

    def samples(
        self,
        sampler: Sampler | str | None,
        given: Tensor | Sequence[Tensor],
        *,
        num_samples: int = 1,
        seed: int = 0,
        batch_size: int = 16,
        stop: str | Sequence[str] = (),
        observe: Callable[[int], None] = _ignore,
    ) -> Iterator[Sample]:
        """`generate`, handing out each sample as soon as it is finished.

        `given` is what `given_ids` makes, of one sequence or of several, of each of which there
        are `num_samples`. At most `batch_size` are
        under way at once; where one is finished the next begins.
        `observe` is told after each step how many tokens it settled.
        """
        _check_counts(num_samples=num_samples, batch_size=batch_size)
        every = [given] if isinstance(given, Tensor) else list(given)
        check_seed(seed, len(every) * num_samples)
        chosen = self.samplers_for(every, sampler, stop)

        def tell(state: Any, cost: Cost[Counts], numbers: Tensor) -> None:
            observe(int(cost.num_revealed.sum()))

        engine = Engine(self.predictor, num_slots=batch_size, observe=tell)
        requests = (
            Request(given_ids=one, sampler=chosen[place], seed=seed + place * num_samples + n)
            for place, one in enumerate(every)
            for n in range(num_samples)
        )
        return map(self.sample_of, engine.run(requests))

    def samplers_for(
        self,
        given: Sequence[Tensor],
        sampler: Sampler | str | None,
        stop: str | Sequence[str] = (),
    ) -> list[Sampler]:
        """The sampler that was asked for, as it is for each of these sequences."""
        self.check_generates()
        asked = self.sampler(sampler)
        for one in given:
            self._check_fits(asked, int((one == self.vocab_size).sum()))
        chosen = [along_stream(asked, self.predictor, one) for one in given]
        stops = checked_stops(stop)
        if not stops:
            return chosen
        for one in given:
            self._check_is_continued(one)
        return [StopStrings(sampler=one, stops=stops, text_of=self.text_of) for one in chosen]

    def _check_is_continued(self, given: Tensor) -> None:
        """Raise `PromptError` if something given stands behind what is wanted."""
        is_wanted = given == self.vocab_size
        if is_wanted.any() and not is_wanted[int(is_wanted.long().argmax()) :].all():
            raise PromptError(
                "stop strings end a text, and this template has more behind its blanks. Leave "
                "them out, or give a prompt that is continued."
            )

    def nfe(self, result: Result) -> float:
        """What a sequence took, in passes of the whole network over the whole sequence."""
        config, cost = self.network.config, result.cost
        if isinstance(self.predictor, StreamPredictor):
            work: float = config.work(cost.trunk.tokens, cost.tail.tokens, len(result.token_ids))
            return work
        trunk_passes = cost.trunk.passes + self.drafter_share * cost.drafter.passes
        passes: float = config.nfe(trunk_passes, cost.tail.passes)
        return passes

    def sample_of(self, result: Result) -> Sample:
        """A finished sequence, as a sample."""
        text, num_tokens, ids = self._cut(result) or (
            self._text_of(result), self._num_tokens(result), result.token_ids.tolist()
        )  # fmt: skip
        return Sample(
            text=text,
            token_ids=ids,
            seed=result.request.seed,
            cost=result.cost,
            nfe=self.nfe(result),
            seconds=result.seconds,
            num_tokens=num_tokens,
        )

    def _cut(self, result: Result) -> tuple[str, int, list[int]] | None:
        """Text, number of new tokens, and all tokens, up to a stop string; None: it is whole."""
        sampler, is_wanted = result.request.sampler, result.request.given_ids == self.vocab_size
        if not isinstance(sampler, StopStrings) or not is_wanted.any():
            return None
        first = int(is_wanted.long().argmax())
        found = sampler.cut(settled(result.token_ids[first:].cpu(), self.vocab_size))
        if found is None:
            return None
        num_kept, kept = found
        return self._begun(result, kept), num_kept, result.token_ids[: first + num_kept].tolist()

    def _begun(self, result: Result, kept: str) -> str:
        """The text of a sample of which so much was kept of what is new."""
        return kept
