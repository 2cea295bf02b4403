"""What every model of text does, whatever its tokens are: generate, and say what it cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unmask.errors import ConfigError, PromptError
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import Sampler, StepInfo
from unmask.samplers.spec import read_sampler
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.streamed import along_stream


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One generated sequence, and what it cost."""

    text: str
    token_ids: list[int]
    seed: int
    """Generates this very sample again, alone or in any batch."""
    trunk_passes: int
    tail_passes: int
    nfe: float
    """Passes through as many blocks as the network has: (11 trunk + 1 tail) / 12, say."""
    accepted: int
    """Drafted tokens that stayed."""
    rejected: int
    """Drafted tokens that were replaced."""
    seconds: float
    """From when it began until it was finished, beside others of its batch."""
    tail_tokens: int = 0
    """Tokens that were verified, summed over the tail passes."""
    query_tokens: int = 0
    """Tokens that went through the trunk, over all passes."""
    query_keys: int = 0
    """Pairs of such a token and one that it attended to."""
    drafter_passes: int = 0
    """Passes of a smaller model that drafts, if there is one. None of them is counted above, but
    in `nfe`, as the share that its weights are of the model's."""
    drafter_tokens: int = 0
    drafter_keys: int = 0
    num_tokens: int = 0
    """Generated, up to where the text ends, the prompt not counted."""

    @property
    def acceptance_rate(self) -> float:
        """Share of the generated tokens that are accepted drafts."""
        return self.accepted / max(1, self.accepted + self.rejected)

    @property
    def tokens_per_second(self) -> float:
        """`num_tokens` over `seconds`."""
        return self.num_tokens / self.seconds


def _ignore(num_revealed: int) -> None:
    pass


def _checked_text(text: object) -> str:
    if not isinstance(text, str):
        raise PromptError(
            f"a prompt is a text, or a list of texts; got {type(text).__name__}: {text!r:.60}."
        )
    return text


def check_ends(sampler: object) -> None:
    """Raise `ConfigError` if a sampler cannot stop where a text ends."""
    if isinstance(sampler, ReMDM | StarShaped):
        raise ConfigError(
            f"{type(sampler).__name__} cannot stop where an answer ends: how many passes it takes "
            "is fixed beforehand. Let it fill its canvas (--whole-canvas), or choose another."
        )


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
        template: str = "",
        length: int = 0,
        chat: str | Sequence[Mapping[str, str]] = "",
        max_new_tokens: int = 0,
    ) -> Tensor:
        """One sequence of token ids, [L], with MASK where tokens are to be generated.

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
        within: Any = sampler
        while within is not None:
            self._check_works(within)
            within = getattr(within, "sampler", None)

    @abstractmethod
    def _check_works(self, sampler: Any) -> None:
        """Of a sampler, those within it apart."""

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
        template: str = "",
        length: int = 0,
        chat: str | Sequence[Mapping[str, str]] = "",
        max_new_tokens: int = 0,
    ) -> list[Sample]:
        """What continues a prompt, or each of a list of them: `num_samples` of one, then the next.

        The seeds are seed, seed + 1, ... in the order of what is returned. `sampler` is an object
        or a spec such as "ancestral(num_steps=16)"; None is `default_sampler`. See `given_ids` for
        the template, the length, the chat and the room. The batch size changes the speed only.

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
        given = [
            self.given_ids(
                prompt=_checked_text(each),
                template=template,
                length=length,
                chat=chat,
                max_new_tokens=max_new_tokens,
            )
            for each in prompts
        ]
        stream = self.stream(
            sampler, given, num_samples=num_samples, seed=seed, batch_size=batch_size
        )
        return sorted(stream, key=lambda sample: sample.seed)

    def infill(
        self, template: str, *, sampler: Sampler | str | None = None, seed: int = 0
    ) -> Sample:
        """A template with its blanks, "_" each, filled in; see `generate`."""
        (filled,) = self.generate(template=_checked_text(template), sampler=sampler, seed=seed)
        return filled

    def stream(
        self,
        sampler: Sampler | str | None,
        given: Tensor | Sequence[Tensor],
        *,
        num_samples: int,
        seed: int = 0,
        batch_size: int = 16,
        observe: Callable[[int], None] = _ignore,
    ) -> Iterator[Sample]:
        """`generate`, handing out each sample as soon as it is finished.

        `given` is what `given_ids` makes, of one sequence or of several. At most `batch_size` are
        under way at once; where one is finished the next begins.
        `observe` is told after each step how many tokens it settled.
        """
        self.check_generates()
        for name, value in (("num_samples", num_samples), ("batch_size", batch_size)):
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1, got {value!r}.")
        every = [given] if isinstance(given, Tensor) else list(given)
        last = len(every) * num_samples - 1
        if type(seed) is not int or not -(2**63) <= seed <= 2**63 - 1 - max(last, 0):
            raise ConfigError(
                "seed must be a whole number of at most 64 bits, with those of "
                f"{last + 1} samples counted on from it; got {seed!r:.40}."
            )
        asked = self.sampler(sampler)
        chosen = []
        for one in every:
            self._check_fits(asked, int((one == self.vocab_size).sum()))
            chosen.append(along_stream(asked, self.predictor, one))

        def tell(state: Any, info: StepInfo, numbers: Tensor) -> None:
            observe(int(info.num_revealed.sum()))

        engine = Engine(self.predictor, num_slots=batch_size, observe=tell)
        requests = (
            Request(given_ids=one, sampler=chosen[place], seed=seed + place * num_samples + n)
            for place, one in enumerate(every)
            for n in range(num_samples)
        )
        return map(self._sample_of, engine.run(requests))

    def nfe(self, result: Result) -> float:
        """What a sequence took, in passes of the whole network over the whole sequence."""
        config = self.network.config
        if isinstance(self.predictor, StreamPredictor):
            work: float = config.work(
                result.query_tokens, result.tail_tokens, len(result.token_ids)
            )
            return work
        passes: float = config.nfe(
            result.trunk_passes + self.drafter_share * result.drafter_passes, result.tail_passes
        )
        return passes

    def _sample_of(self, result: Result) -> Sample:
        return Sample(
            text=self._text_of(result),
            token_ids=result.token_ids.tolist(),
            seed=result.request.seed,
            trunk_passes=result.trunk_passes,
            tail_passes=result.tail_passes,
            nfe=self.nfe(result),
            accepted=result.accepted,
            rejected=result.rejected,
            seconds=result.seconds,
            tail_tokens=result.tail_tokens,
            query_tokens=result.query_tokens,
            query_keys=result.query_keys,
            drafter_passes=result.drafter_passes,
            drafter_tokens=result.drafter_tokens,
            drafter_keys=result.drafter_keys,
            num_tokens=self._num_tokens(result),
        )
