"""What every sampler is: `init`, `step`, and an account of each step.

A sampler is a frozen choice. `init` makes a state of what is given, `step` turns a state into
the next with the help of a predictor and random draws, and says what that cost. The state holds
what the next step needs; the cost (cost.py) what observers want. `sample` repeats steps until
nothing is masked; each sequence goes at its own pace, and leaves the batch when it is finished.

The division into a state and what is told beside it is that of blackjax.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from typing_extensions import TypeVar

from unmask.batches import join
from unmask.cost import Cost, Costed
from unmask.draws import Draws
from unmask.errors import PromptError
from unmask.named import Named
from unmask.predictors.protocol import Predictor
from unmask.shapes import Counts, TokenIds


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


AnyState = TypeVar("AnyState", bound=State, default=Any)


@runtime_checkable
class Sampler(Protocol[AnyState]):
    """A way from masked to revealed, over states of one kind."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> AnyState:
        """The state before the first step. `given_ids` holds MASK where tokens are wanted."""
        ...

    def step(self, state: AnyState, predictor: Any, draws: Draws) -> tuple[AnyState, Cost[Counts]]:
        """One trunk pass, as a rule, and what follows from it; and what that cost."""
        ...


class SamplerRule(Named):
    """A sampler of one rule: a frozen choice with a name, and what it needs of a model."""

    needs_tail: ClassVar[bool] = False
    """Whether it asks for causal blocks (`HybridPredictor.verify`)."""
    takes_back: ClassVar[bool] = False
    """Whether a token that stands may be masked or changed by a later step."""
    why_no_cache: ClassVar[str] = ""
    """Why none of its passes can remember; "" if they can."""

    @property
    def needs_shadows(self) -> bool:
        """Whether it asks about tokens that are there (`ShadowPredictor`)."""
        return False


def layers(sampler: Any) -> Iterator[Any]:
    """A sampler, and those that it is put around, to the innermost."""
    while sampler is not None:
        yield sampler
        sampler = getattr(sampler, "sampler", None)


@dataclass(frozen=True)
class Samples(Costed):
    """Finished sequences, and what each of them cost."""

    token_ids: TokenIds
    cost: Cost[Counts]
    seconds: Float[Tensor, " B"]
    """Wall-clock time from the start of its batch until the sequence was finished."""


Observer = Callable[[Any, Cost[Counts], Tensor], None]
"""Told, after each step, the state, its cost, and which sequences they are about: the rows of
the batch in `sample`, the numbers of the requests in an `Engine`."""


def ignore_step(state: Any, cost: Cost[Counts], numbers: Tensor) -> None:
    """The observer that looks away."""


def sample(
    predictor: Predictor,
    sampler: Sampler,
    given_ids: TokenIds,
    draws: Draws,
    observe: Observer = ignore_step,
) -> Samples:
    """Reveal every MASK of `given_ids`; row b uses stream b of `draws` and no other."""
    mask_id = predictor.vocab_size
    check_given_ids(given_ids, mask_id=mask_id)
    start = time.perf_counter()
    state = sampler.init(given_ids, mask_id=mask_id, draws=draws)
    rows = torch.arange(len(given_ids), device=given_ids.device)
    token_ids = given_ids.clone()
    cost = Cost.nothing_yet(rows)
    ended: list[tuple[Tensor, Cost[Counts]]] = [(rows[:0], cost.select(rows[:0]))]
    seconds = torch.zeros(len(rows), dtype=torch.float64)
    while True:
        is_done = state.is_done
        if is_done.any():
            finished, staying = is_done.nonzero().squeeze(1), (~is_done).nonzero().squeeze(1)
            token_ids[rows[finished]] = state.token_ids[finished]
            seconds[rows[finished].cpu()] = time.perf_counter() - start
            ended.append((rows[finished], cost.select(finished)))
            state, draws, rows = state.select(staying), draws.rows(staying), rows[staying]
            cost = cost.select(staying)
        if not len(rows):
            numbers, costs = zip(*ended, strict=True)
            in_order = torch.cat(numbers).argsort()
            return Samples(token_ids, join(costs).select(in_order), seconds)
        state, of_step = sampler.step(state, predictor, draws)
        cost = cost + of_step
        observe(state, of_step, rows)


def check_given_ids(given_ids: TokenIds, *, mask_id: int) -> None:
    """Raise `PromptError` unless all of them are tokens or MASK."""
    is_wrong = (given_ids < 0) | (given_ids > mask_id)
    if is_wrong.any():
        row, position = is_wrong.nonzero()[0].tolist()
        raise PromptError(
            f"token ids must lie in 0..{mask_id}, where {mask_id} is MASK; sequence {row} holds "
            f"{int(given_ids[row, position])} at position {position}. Encode the text with the "
            "model's vocabulary."
        )
