"""Continuous batching: sequences enter and leave between steps, each at its own place.

The engine has a fixed number of slots. A request takes a free one, and its sequence joins the
others that are sampled in the same way (a *lane*); `step` moves every lane on by one step of its
sampler. A sequence that is finished frees its slot for the next request, so a batch stays full
while there is anything to do.

In a lane, shorter sequences are padded to the longest. Where a predictor pays for padding (ours
does on a GPU), lanes are told apart by length as well: `bucket` is how much the lengths in a
lane may differ. What comes out is what `sample` makes of the sequence alone with the same seed,
but for rounding: `sampler.py` is the slow twin of this.

Continuous batching: Yu et al. (2022), "Orca: a distributed serving system for Transformer-based
generative models".
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.batches import Rows, join
from unmask.cost import Cost, Costed
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.samplers.sampler import Observer, Sampler, check_given_ids, ignore_step
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True, kw_only=True)
class Request:
    """One sequence that is wanted."""

    given_ids: Int[Tensor, " L"]
    """MASK where tokens are wanted."""
    sampler: Sampler
    seed: int


@dataclass(frozen=True, kw_only=True)
class Result(Costed):
    """A finished sequence, and what it cost."""

    number: int
    """Requests are numbered from 0 in the order in which they were admitted."""
    request: Request
    token_ids: Int[Tensor, " L"]
    cost: Cost[int]
    seconds: float
    """Wall-clock time from its admission until it was finished."""
    busy_seconds: float
    """Its share of the time of its steps; those of all results add up to the time of all."""


class Engine:
    """Sequences under way, at most `num_slots` at once.

    `bucket` None: any lengths together on a CPU, 128 on a GPU.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        num_slots: int = 16,
        bucket: int | None = None,
        observe: Observer = ignore_step,
    ) -> None:
        if num_slots < 1:
            raise ConfigError(f"Engine.num_slots must be at least 1, got {num_slots}.")
        if bucket is not None and bucket < 1:
            raise ConfigError(f"Engine.bucket must be at least 1, got {bucket}.")
        self.predictor = predictor
        self.num_slots = num_slots
        usual = _ANY_LENGTH if predictor.device.type == "cpu" else 128
        self.bucket = usual if bucket is None else bucket
        self._observe = observe
        self._lanes: dict[_Key, _Lane] = {}
        self._num_admitted = 0

    @property
    def num_free(self) -> int:
        """Slots that a request can take."""
        return self.num_slots - sum(lane.num_sequences for lane in self._lanes.values())

    def run(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Results as they finish; requests are taken when there is room for them."""
        waiting = iter(requests)
        while True:
            self.admit(list(islice(waiting, self.num_free)))
            if not self._lanes:
                return
            yield from self.step()

    def admit(self, requests: Sequence[Request]) -> list[int]:
        """Give each request a slot; their numbers.

        Raises:
            ConfigError: there are not as many free slots.
            PromptError: what is given does not consist of the model's ids. None is admitted.
        """
        if len(requests) > self.num_free:
            raise ConfigError(
                f"{len(requests)} requests for {self.num_free} free slots of {self.num_slots}: "
                "step until there is room, or make an engine with more slots."
            )
        alike: dict[tuple[_Key, int], list[_Slot]] = {}
        for number, request in enumerate(requests, start=self._num_admitted):
            check_given_ids(request.given_ids[None], mask_id=self.predictor.vocab_size)
            length = len(request.given_ids)
            key = (request.sampler, -(-length // self.bucket))
            alike.setdefault((key, length), []).append(_Slot(number, request))
        self._num_admitted += len(requests)
        for (key, _), slots in alike.items():
            lane = _Lane(slots, self.predictor)
            if key in self._lanes:
                self._lanes[key].take_in(lane)
            else:
                self._lanes[key] = lane
        return [slot.number for slots in alike.values() for slot in slots]

    def step(self) -> list[Result]:
        """One step of every lane; the sequences that are finished after it."""
        finished: list[Result] = []
        for key, lane in list(self._lanes.items()):
            # What is given may leave nothing to do.
            finished += lane.let_out()
            if lane.num_sequences:
                lane.step(self.predictor, self._observe)
                finished += lane.let_out()
            if not lane.num_sequences:
                del self._lanes[key]
        return finished


_ANY_LENGTH = 2**62
_Key = tuple[Sampler, int]


@dataclass(frozen=True)
class _Slot:
    number: int
    request: Request


@dataclass(frozen=True)
class _Account(Rows):
    """What the sequences of a lane have cost so far."""

    number: Counts
    cost: Cost[Counts]
    start: Float[Tensor, " B"]
    busy: Float[Tensor, " B"]


class _Lane:
    """Sequences that step together."""

    def __init__(self, slots: list[_Slot], predictor: Predictor) -> None:
        """Of sequences of one length, at their start."""
        requests, device = [slot.request for slot in slots], predictor.device
        self.sampler = requests[0].sampler
        self.draws = SeededDraws([request.seed for request in requests], device)
        given_ids = torch.stack([request.given_ids for request in requests]).to(device)
        mask_id = predictor.vocab_size
        self.state = self.sampler.init(given_ids, mask_id=mask_id, draws=self.draws)
        self.slots = {slot.number: slot for slot in slots}
        number = torch.tensor(list(self.slots), device=device)
        start = torch.full_like(number, time.perf_counter(), dtype=torch.float64)
        cost, busy = Cost.nothing_yet(number), torch.zeros_like(start)
        self.account = _Account(number=number, cost=cost, start=start, busy=busy)

    @property
    def num_sequences(self) -> int:
        return len(self.slots)

    def take_in(self, other: "_Lane") -> None:
        """The sequences of another lane join this one."""
        self.state = join([self.state, other.state])
        self.draws = SeededDraws.join([self.draws, other.draws])
        self.account = join([self.account, other.account])
        self.slots |= other.slots

    def step(self, predictor: Predictor, observe: Observer) -> None:
        """One step of the sampler, for all of them."""
        before = time.perf_counter()
        self.state, cost = self.sampler.step(self.state, predictor, self.draws)
        share = (time.perf_counter() - before) / self.num_sequences
        account = self.account
        self.account = replace(account, busy=account.busy + share, cost=account.cost + cost)
        observe(self.state, cost, account.number)

    def let_out(self) -> list[Result]:
        """Results of those that are finished; they are gone from the lane."""
        is_done = self.state.is_done
        if not is_done.any():
            return []
        finished, staying = is_done.nonzero().squeeze(1), (~is_done).nonzero().squeeze(1)
        results = self._results(self.state.token_ids[finished], self.account.select(finished))
        self.state, self.account = self.state.select(staying), self.account.select(staying)
        self.draws = SeededDraws.join([self.draws.rows(staying)])
        for result in results:
            del self.slots[result.number]
        return results

    def _results(self, token_ids: TokenIds, account: _Account) -> list[Result]:
        now = time.perf_counter()
        numbers, starts = account.number.tolist(), account.start.tolist()
        spent = zip(numbers, starts, account.busy.tolist(), account.cost.each(), strict=True)
        results = []
        for row, (number, start, busy, cost) in enumerate(spent):
            request = self.slots[number].request
            results.append(
                Result(
                    number=number,
                    request=request,
                    token_ids=token_ids[row, : len(request.given_ids)],
                    cost=cost,
                    seconds=now - start,
                    busy_seconds=busy,
                )
            )
        return results
