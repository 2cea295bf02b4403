"""What every model of text does, whatever its tokens are: generate, and say what it cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unmask.errors import ConfigError
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.sampler import Sampler, StepInfo
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
        sampler: Sampler | None = None,
        *,
        num_samples: int = 4,
        seed: int = 0,
        batch_size: int = 16,
        prompt: str = "",
        template: str = "",
        length: int = 0,
        chat: str | Sequence[Mapping[str, str]] = "",
        max_new_tokens: int = 0,
    ) -> list[Sample]:
        """Samples with the seeds seed, seed + 1, ...; `sampler` None is `default_sampler`.

        See `given_ids` for prompt, template and length. The batch size changes the speed only.
        """
        given = self.given_ids(
            prompt=prompt,
            template=template,
            length=length,
            chat=chat,
            max_new_tokens=max_new_tokens,
        )
        stream = self.stream(
            sampler, given, num_samples=num_samples, seed=seed, batch_size=batch_size
        )
        return sorted(stream, key=lambda sample: sample.seed)

    def stream(
        self,
        sampler: Sampler | None,
        given: Tensor,
        *,
        num_samples: int,
        seed: int = 0,
        batch_size: int = 16,
        observe: Callable[[int], None] = _ignore,
    ) -> Iterator[Sample]:
        """`generate`, handing out each sample as soon as it is finished.

        At most `batch_size` are under way at once; where one is finished the next begins.
        `observe` is told after each step how many tokens it settled.
        """
        self.check_generates()
        for name, value in (("num_samples", num_samples), ("batch_size", batch_size)):
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        chosen = self.default_sampler if sampler is None else sampler
        self._check_fits(chosen, int((given == self.vocab_size).sum()))
        chosen = along_stream(chosen, self.predictor, given)

        def tell(state: Any, info: StepInfo, numbers: Tensor) -> None:
            observe(int(info.num_revealed.sum()))

        engine = Engine(self.predictor, num_slots=batch_size, observe=tell)
        requests = (
            Request(given_ids=given, sampler=chosen, seed=seed + n) for n in range(num_samples)
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
