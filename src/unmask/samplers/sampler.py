"""What every sampler is: `init`, `step`, and an account of each step.

A sampler is a frozen choice. `init` makes a state of what is given, `step` turns a state into
the next with the help of a predictor and random draws, and says what happened. The state holds
what the next step needs; the info what observers want. `sample` repeats steps until nothing is
masked; each sequence goes at its own pace, and leaves the batch when it is finished.

The division into state and info is that of blackjax.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import PromptError
from unmask.predictors.protocol import Predictor
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True)
class StepInfo:
    """What one step did, per sequence of the batch."""

    trunk_passes: Counts
    """Passes of the trunk; 0 or 1, or more where a sampler looks ahead or judges its guess."""
    tail_passes: Counts
    """Causal passes."""
    accepted: Int[Tensor, " B"]
    """Drafted tokens that stayed, less those of earlier steps that were masked again."""
    rejected: Counts
    """Drafted tokens that were replaced."""
    query_tokens: Counts | None = None
    """Tokens that went through the trunk; None: all, in every pass."""
    query_keys: Counts | None = None
    """Pairs of such a token and one it attended to; None: all, in every pass."""
    tail_tokens: Counts | int = 0
    """Tokens that were verified, summed over the tail passes; 0 where nobody counts them."""
    drafter_passes: Counts | int = 0
    """Passes of a smaller model that drafts (`Team`). None of them is counted above."""
    drafter_tokens: Counts | int = 0
    """Tokens that went through it."""
    drafter_keys: Counts | int = 0
    """Pairs of such a token and one it attended to."""

    @property
    def num_revealed(self) -> Counts:
        """Tokens settled by this step."""
        return self.accepted + self.rejected

    def work(self, length: Counts) -> tuple[Counts, Counts]:
        """`query_tokens` and `query_keys`, of sequences of so many positions."""
        tokens, keys = self.query_tokens, self.query_keys
        return (
            self.trunk_passes * length if tokens is None else tokens,
            self.trunk_passes * length**2 if keys is None else keys,
        )


@runtime_checkable
class State(Protocol):
    """Sequences on their way from masked to revealed."""

    @property
    def token_ids(self) -> TokenIds: ...

    @property
    def is_done(self) -> Bool[Tensor, " B"]: ...

    def select(self, rows: Int[Tensor, " N"]) -> Any:
        """The state of some sequences of the batch."""
        ...


@runtime_checkable
class RewritableState(State, Protocol):
    """A state whose tokens can be changed from outside: what can end early, or draft."""

    @property
    def origin(self) -> Counts:
        """Tokens given at the front, behind which the text begins."""
        ...

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> Any:
        """The state with other tokens; masked is what is MASK."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """A way from masked to revealed."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> Any:
        """The state before the first step. `given_ids` holds MASK where tokens are wanted."""
        ...

    def step(self, state: Any, predictor: Any, draws: Draws) -> tuple[Any, StepInfo]:
        """One trunk pass, as a rule, and what follows from it."""
        ...


def layers(sampler: Any) -> Iterator[Any]:
    """A sampler, and those that it is put around, to the innermost."""
    while sampler is not None:
        yield sampler
        sampler = getattr(sampler, "sampler", None)


@dataclass(frozen=True)
class Samples:
    """Finished sequences, and what each of them cost."""

    token_ids: TokenIds
    trunk_passes: Counts
    tail_passes: Counts
    accepted: Counts
    rejected: Counts
    seconds: Float[Tensor, " B"]
    """Wall-clock time from the start of its batch until the sequence was finished."""
    tail_tokens: Counts
    """Tokens that were verified, summed over the tail passes."""
    drafter_passes: Counts
    """Passes of a smaller model that drafts, if there is one."""


Observer = Callable[[Any, StepInfo, Tensor], None]
"""Told, after each step, the state, the info, and which rows of the batch they are about."""


def _ignore(state: Any, info: StepInfo, rows: Tensor) -> None:
    pass


def sample(
    predictor: Predictor,
    sampler: Sampler,
    given_ids: TokenIds,
    draws: Draws,
    observe: Observer = _ignore,
) -> Samples:
    """Reveal every MASK of `given_ids`; row b uses stream b of `draws` and no other."""
    mask_id = predictor.vocab_size
    check_given_ids(given_ids, mask_id=mask_id)
    start = time.perf_counter()
    state = sampler.init(given_ids, mask_id=mask_id, draws=draws)
    rows = torch.arange(len(given_ids), device=given_ids.device)
    token_ids = given_ids.clone()
    counts = {name: torch.zeros_like(rows) for name in COUNTED}
    seconds = torch.zeros(len(rows), dtype=torch.float64)
    while True:
        is_done = state.is_done
        if is_done.any():
            finished, staying = is_done.nonzero().squeeze(1), (~is_done).nonzero().squeeze(1)
            token_ids[rows[finished]] = state.token_ids[finished]
            seconds[rows[finished].cpu()] = time.perf_counter() - start
            state, draws, rows = state.select(staying), draws.rows(staying), rows[staying]
        if not len(rows):
            return Samples(token_ids, seconds=seconds, **counts)
        state, info = sampler.step(state, predictor, draws)
        for name, total in counts.items():
            total[rows] += getattr(info, name)
        observe(state, info, rows)


COUNTED = (
    "trunk_passes", "tail_passes", "accepted", "rejected", "tail_tokens", "drafter_passes"
)  # fmt: skip
"""What of a step's info is added up over a sequence."""


def check_given_ids(given_ids: TokenIds, *, mask_id: int) -> None:
    """Raise `PromptError` unless all of them are tokens or MASK."""
    is_wrong = (given_ids < 0) | (given_ids > mask_id)
    if is_wrong.any():
        row, position = is_wrong.nonzero()[0].tolist()
        raise PromptError(
            f"token ids must lie in 0..{mask_id}, where {mask_id} is MASK; sequence {row} holds "
            f"{int(given_ids[row, position])} at position {position}. Encode the text with the "
            "model's codec."
        )
