"""Continuous batching: sequences enter and leave between steps, each at its own place.

The engine has a fixed number of slots. A request takes a free one, and its sequence joins the
others that are sampled in the same way (a *lane*); `step` moves every lane on by one step of its
sampler. A sequence that is finished frees its slot for the next request, so a batch stays full
while there is anything to do.

In a lane, shorter sequences are padded to the longest. Where a predictor pays for padding (ours
does on a GPU), lanes are told apart by length as well: `bucket` is how much the lengths in a
lane may differ. What comes out is what `sample` makes of the sequence alone with the same seed,
but for rounding: `sampler.py` is the slow twin of this.

A step of a lane happens wholly or not at all: states are values, and the draws are a copy until it
is done. If it raises, each of its sequences takes the step alone, unless the sampler that they
share is at fault. One that fails alone as well is over, with the error in its result; the others
go on as if nothing had been. A request is looked at before it is admitted, `cancel` frees its
slot, and no result is lost to an error elsewhere.

Continuous batching: Yu et al. (2022), "Orca: a distributed serving system for Transformer-based
generative models".
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import count, islice

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.batches import Rows, join
from unmask.cost import Cost, Costed
from unmask.draws import SeededDraws, check_seed
from unmask.errors import ConfigError, PromptError
from unmask.predictors.protocol import Predictor, longest
from unmask.samplers.sampler import Observer, Sampler, check_given_ids, ignore_step
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True, kw_only=True)
class Request:
    """One sequence that is wanted."""

    given_ids: Int[Tensor, " L"]
    """MASK where tokens are wanted."""
    sampler: Sampler
    seed: int

    def check(self, predictor: Predictor) -> None:
        """Raise if it cannot be fulfilled.

        Raises:
            PromptError: `given_ids` is no sequence of the predictor's ids, or too long for it.
            ConfigError: the sampler is none, or the seed no whole number of 64 bits.
        """
        _check_is_sequence(self.given_ids, predictor)
        if isinstance(self.sampler, type) or not isinstance(self.sampler, Sampler):
            raise ConfigError(
                "a request has a sampler as an object, such as unmask.Ancestral(num_steps=16); "
                f"got {self.sampler!r:.60}."
            )
        check_seed(self.seed)


def _check_is_sequence(given_ids: object, predictor: Predictor) -> None:
    if not isinstance(given_ids, Tensor) or given_ids.ndim != 1 or given_ids.dtype != torch.int64:
        kind = repr(given_ids)
        if isinstance(given_ids, Tensor):
            kind = f"{list(given_ids.shape)} of {given_ids.dtype}"
        raise PromptError(
            f"given_ids is one sequence of token ids, a tensor [L] of int64; got {kind:.60}. "
            "Make it with given_ids of the model."
        )
    most = longest(predictor)
    if not 1 <= len(given_ids) <= most:
        raise PromptError(
            f"a sequence has 1 to {most:,} tokens, the longest that the model can take; got "
            f"{len(given_ids):,}."
        )
    check_given_ids(given_ids[None], mask_id=predictor.vocab_size)


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
    error: Exception | None = None
    """Why it is over before it was finished; `token_ids` are then what was there by that time."""


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
        self._ready: list[Result] = []

    @property
    def num_free(self) -> int:
        """Slots that a request can take."""
        return self.num_slots - sum(lane.num_sequences for lane in self._lanes.values())

    def run(self, requests: Iterable[Request]) -> Iterator[Result]:
        """Results as they finish; requests are taken when there is room for them.

        Raises as `admit`; and the error of the first request that failed, behind the results
        that are there by then.
        """
        waiting = iter(requests)
        while True:
            self.admit(list(islice(waiting, min(self.num_free, sys.maxsize))))
            if not self._lanes:
                return
            results = self.step()
            yield from (result for result in results if result.error is None)
            for result in results:
                if result.error is not None:
                    raise result.error

    def admit(self, requests: Sequence[Request]) -> list[int]:
        """Give each request a slot; their numbers, in the order of the requests.

        Raises, before any is admitted:
            ConfigError: there are not as many free slots, a sampler is none, or a seed no number.
            PromptError: what is given does not consist of the model's ids, or is too long.
        """
        if len(requests) > self.num_free:
            raise ConfigError(
                f"{len(requests)} requests for {self.num_free} free slots of {self.num_slots}: "
                "step until there is room, or make an engine with more slots."
            )
        alike: dict[tuple[_Key, int], list[_Slot]] = {}
        sizes = Counter({key: lane.num_sequences for key, lane in self._lanes.items()})
        for number, request in enumerate(requests, start=self._num_admitted):
            request.check(self.predictor)
            length = len(request.given_ids)
            most = self._most_together(length)
            keys = ((request.sampler, -(-length // self.bucket), part) for part in count())
            key = next(key for key in keys if sizes[key] < most)
            sizes[key] += 1
            alike.setdefault((key, length), []).append(_Slot(number, request))
        lanes = [(key, _Lane(slots, self.predictor)) for (key, _), slots in alike.items()]
        for key, lane in lanes:
            if key in self._lanes:
                self._lanes[key].take_in(lane)
            else:
                self._lanes[key] = lane
        first, self._num_admitted = self._num_admitted, self._num_admitted + len(requests)
        return list(range(first, self._num_admitted))

    def _most_together(self, length: int) -> int:
        """Sequences of this length in one lane: a table of them all must have room on a CPU."""
        if self.predictor.device.type != "cpu":
            return self.num_slots
        return max(1, _MOST_NUMBERS // max(1, length * self.predictor.vocab_size))

    def cancel(self, number: int) -> bool:
        """End a request before it is finished, without a result; whether it was under way."""
        for key, lane in self._lanes.items():
            if lane.drop(number):
                if not lane.num_sequences:
                    del self._lanes[key]
                return True
        return False

    def step(self) -> list[Result]:
        """One step of every lane; the sequences that are over after it.

        Raises what an observer raises. Results that are there by then come with the next call.
        """
        for key, lane in list(self._lanes.items()):
            try:
                # What is given may leave nothing to do.
                self._ready += lane.let_out()
                if lane.num_sequences:
                    self._ready += lane.step(self.predictor)
                    if lane.num_sequences:
                        lane.tell(self._observe)
                        self._ready += lane.let_out()
            finally:
                if not lane.num_sequences:
                    self._lanes.pop(key, None)
        finished, self._ready = self._ready, []
        return finished


_ANY_LENGTH = 2**62
_MOST_NUMBERS = 2**30
"""Probabilities of every token at every place of the sequences that step together on a CPU, if all
were there at once: with 50,257 tokens and a length of 1,024 those of 20 sequences. A step holds a
window of them, twice, and no pass over more is faster."""
_Key = tuple[Sampler, int, int]
"""Sampler, bucket of lengths, and which lane of these."""


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

    cost: Cost[Counts]
    """Of the last step."""

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

    def step(self, predictor: Predictor) -> list[Result]:
        """One step of the sampler, for all of them; those that failed are over.

        Nothing has changed if it raises what is no `Exception`, such as an interrupt.
        """
        before, stream = time.perf_counter(), self.draws.copy()
        try:
            self.state, self.cost = self.sampler.step(self.state, predictor, stream)
        except Exception as error:
            # A choice that cannot work is their sampler's, which they share.
            if self.num_sequences > 1 and not isinstance(error, ConfigError):
                return self._step_one_by_one(predictor)
            return self._over(torch.arange(self.num_sequences, device=predictor.device), error)
        self.draws = stream
        self._charge(time.perf_counter() - before)
        return []

    def _step_one_by_one(self, predictor: Predictor) -> list[Result]:
        """The same step, each sequence alone."""
        stepped, failed = [], []
        for place in range(self.num_sequences):
            one = self._some(torch.tensor([place], device=self.account.number.device))
            failed += one.step(predictor)
            if one.num_sequences:
                stepped.append(one)
        if stepped:
            cost = join([one.cost for one in stepped])
            first, *others = stepped
            for other in others:
                first.take_in(other)
            vars(self).update(vars(first), cost=cost)
        self.slots = {number: slot for one in stepped for number, slot in one.slots.items()}
        return failed

    def _charge(self, seconds: float) -> None:
        account = self.account
        busy = account.busy + seconds / self.num_sequences
        self.account = replace(account, busy=busy, cost=account.cost + self.cost)

    def tell(self, observe: Observer) -> None:
        """Tell of the step that was taken last."""
        observe(self.state, self.cost, self.account.number)

    def _some(self, rows: Int[Tensor, " N"]) -> "_Lane":
        """Some of its sequences, as a lane of their own."""
        some = copy(self)
        some.state, some.account = self.state.select(rows), self.account.select(rows)
        some.draws = SeededDraws.join([self.draws.rows(rows)])
        some.slots = {number: self.slots[number] for number in some.account.number.tolist()}
        return some

    def drop(self, number: int) -> bool:
        """Let a sequence go without a result; whether it was here."""
        if number not in self.slots:
            return False
        staying = (self.account.number != number).nonzero().squeeze(1)
        vars(self).update(vars(self._some(staying)))
        return True

    def let_out(self) -> list[Result]:
        """Results of those that are finished; they are gone from the lane."""
        is_done = self.state.is_done
        if not is_done.any():
            return []
        return self._over(is_done.nonzero().squeeze(1))

    def _over(self, rows: Int[Tensor, " N"], error: Exception | None = None) -> list[Result]:
        """Results of some sequences, which are gone from the lane."""
        results = self._results(self.state.token_ids[rows], self.account.select(rows), error)
        is_over = torch.zeros_like(self.account.number, dtype=torch.bool).index_fill(0, rows, True)
        vars(self).update(vars(self._some((~is_over).nonzero().squeeze(1))))
        return results

    def _results(
        self, token_ids: TokenIds, account: _Account, error: Exception | None
    ) -> list[Result]:
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
                    error=error,
                )
            )
        return results
