"""The network passes of a generation, without the sampler: what generating cannot be faster than.

A `Recorder` stands between sampler and network and notes every call. `Recording.play` makes the
same calls again, on the same tensors, and adds up the time inside them. What a generation takes
beyond that is the sampler: drawing, judging, bookkeeping, and the selection of rows.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.predictors.protocol import Draft
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class _Call:
    name: str
    source: int
    """Of `select` and `verify`: the call that made the draft they are about."""
    arguments: dict[str, Any]


@dataclass(frozen=True)
class PassSeconds:
    """Time inside the network."""

    trunk: float
    tail: float

    @property
    def total(self) -> float:
        return self.trunk + self.tail


@dataclass
class Recording:
    """The calls of a generation, in their order."""

    calls: list[_Call] = field(default_factory=list)

    def count(self, name: str) -> int:
        """How many calls of "draft", "verify" or "select"."""
        return sum(call.name == name for call in self.calls)

    def play(self, network: Any) -> PassSeconds:
        """Make the calls again."""
        drafts: dict[int, Draft] = {}
        seconds = {"draft": 0.0, "verify": 0.0, "select": 0.0}
        for number, call in enumerate(self.calls):
            source = [drafts[call.source]] if call.source >= 0 else []
            _finish(network.device)
            start = time.perf_counter()
            made = getattr(network, call.name)(*source, **call.arguments)
            _finish(network.device)
            seconds[call.name] += time.perf_counter() - start
            if isinstance(made, Draft):
                if call.name == "draft":
                    drafts.clear()  # a step is over: what it drafted is not asked about again
                drafts[number] = made
        return PassSeconds(trunk=seconds["draft"], tail=seconds["verify"])


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class _Numbered:
    """A context that knows which call it is from."""

    number: int
    context: Any


class Recorder:
    """A hybrid predictor that answers as `network` does, and notes what it is asked."""

    def __init__(self, network: Any) -> None:
        self.network, self.recording = network, Recording()
        self.vocab_size, self.device = network.vocab_size, network.device
        self.first_target_is_draft = network.first_target_is_draft

    def _note(self, name: str, source: int, arguments: dict[str, Any]) -> int:
        copies = {
            key: value.clone() if isinstance(value, Tensor) else value
            for key, value in arguments.items()
        }
        self.recording.calls.append(_Call(name, source, copies))
        return len(self.recording.calls) - 1

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        number = self._note("draft", -1, {"token_ids": token_ids, "positions": positions})
        made = self.network.draft(token_ids, positions)
        return Draft(made.log_probs, _Numbered(number, made.context))

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        number = self._note("select", draft.context.number, {"rows": rows})
        made = self.network.select(Draft(draft.log_probs, draft.context.context), rows)
        return Draft(made.log_probs, _Numbered(number, made.context))

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        arguments = {
            "filled_ids": filled_ids,
            "order": order,
            "first": first,
            "num_columns": num_columns,
        }
        self._note("verify", draft.context.number, arguments)
        its_own = Draft(draft.log_probs, draft.context.context)
        log_probs: WindowLogProbs = self.network.verify(its_own, **arguments)
        return log_probs
