"""One generation, pass by pass: what was drafted, kept, resampled and masked again.

The sequence before and after a step tells what became of each position:

    before   after
    MASK     token           settled: "accepted", or "rejected" if another token was drafted there
    MASK     MASK            "masked-again" if a token was drafted there, else no event
    token    MASK            "masked-again": taken back
    token    another token   "revealed" once more

What was drafted is what the predictor is asked to verify: a candidate at a masked position. A
rejected draft is never replaced by itself, since the residual has no mass there
(speculation/accept_reject.py), so the tokens alone tell which drafts were rejected. Where no
draft is ever verified, what is settled is "revealed".

Replaying the events in order rebuilds the sequence. `page` shows that in a browser.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft, Predictor
from unmask.predictors.stream import Branched, Extended, StreamPredictor
from unmask.samplers.sampler import Sampler, layers, sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.streamed import along_stream
from unmask.samplers.target_only import TargetOnly
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs

EventKind = Literal["accepted", "rejected", "revealed", "masked-again"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a step did at one position."""

    position: int
    kind: EventKind
    drafted_id: int
    """The token that was drafted there; where one is taken back, that one."""
    token_id: int
    """What stands there afterwards: the draft, its replacement, or MASK."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step of a sampler did, by position, and what it cost."""

    events: tuple[Event, ...]
    trunk_passes: int
    tail_passes: int
    nfe: float
    """Network function evaluations so far, this step's included."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """How one sequence came about; steps without a pass or an event are left out."""

    mask_id: int
    given_ids: tuple[int, ...]
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what `page` shows."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))  # tuples become lists
        return plain


def record(
    predictor: Predictor,
    sampler: Sampler,
    given_ids: TokenIds,
    draws: Draws,
    *,
    nfe: Callable[[float, float], float],
) -> Trace:
    """Reveal every MASK of one sequence, as `sample` does, and note how.

    `nfe(trunk_passes, tail_passes)` is what passes cost: a network's `config.nfe`.
    """
    if len(given_ids) != 1:
        raise ConfigError(
            f"a trace shows one sequence, got given_ids with {len(given_ids)}. Record them one by "
            "one; each comes out as it does in a batch."
        )
    asked: Any = predictor
    witness: _Witness | None = None
    if isinstance(predictor, StreamPredictor):
        asked = witness = _StreamWitness(predictor)
    elif any(isinstance(within, SelfSpeculative | TargetOnly) for within in layers(sampler)):
        asked = witness = _Witness(predictor)
    sampler = along_stream(sampler, predictor, given_ids[0])
    seen: list[_SeenStep] = []
    before = given_ids[0].tolist()

    def observe(state: Any, cost: Cost[Counts], rows: Tensor) -> None:
        nonlocal before
        after = state.token_ids[0].tolist()
        seen.append(_SeenStep(before, after, witness.drafted if witness else {}, cost))
        before = after
        if witness:
            witness.drafted = {}

    sample(asked, sampler, given_ids, draws, observe)
    return Trace(
        mask_id=predictor.vocab_size,
        given_ids=tuple(given_ids[0].tolist()),
        steps=_steps(seen, predictor.vocab_size, nfe),
    )


def page(trace_json: dict[str, Any], decode: Callable[[Tensor], str], title: str) -> str:
    """One HTML file that shows a trace and needs nothing else.

    `decode` makes text of token ids [n]; it is asked about one token at a time.
    """
    token_ids = set(trace_json["given_ids"])
    for step in trace_json["steps"]:
        for event in step["events"]:
            token_ids |= {event["drafted_id"], event["token_id"]}
    token_ids.discard(trace_json["mask_id"])
    texts = {token_id: decode(torch.tensor([token_id])) for token_id in sorted(token_ids)}
    shown = json.dumps({"title": title, "texts": texts, "trace": trace_json})
    template = resources.files("unmask.evaluation").joinpath("trace.html").read_text("utf-8")
    # Without a "<" no text can end the script element that it stands in.
    return template.replace(_PLACEHOLDER, shown.replace("<", "\\u003c"))


_PLACEHOLDER = "{{trace}}"


class _Witness:
    """Answers as a predictor does, and notes the drafts that it is asked to verify."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor
        self.drafted: dict[int, int] = {}
        """Drafted token by position, since this was last emptied."""

    @property
    def vocab_size(self) -> int:
        found: int = self._predictor.vocab_size
        return found

    @property
    def device(self) -> torch.device:
        found: torch.device = self._predictor.device
        return found

    @property
    def first_target_is_draft(self) -> bool:
        found: bool = self._predictor.first_target_is_draft
        return found

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        found: Draft = self._predictor.draft(token_ids, positions)
        return found

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        start = int(first[0])
        for position in order[0, start : start + num_columns].tolist():
            token_id = int(filled_ids[0, position])
            if token_id != self.vocab_size:
                # A later round of the same pass is shown the same drafts.
                self.drafted[position] = token_id
        found: WindowLogProbs = self._predictor.verify(
            draft, filled_ids=filled_ids, order=order, first=first, num_columns=num_columns
        )
        return found

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        found: Draft = self._predictor.select(draft, rows)
        return found


class _StreamWitness(_Witness):
    """The same of a causal trunk, which verifies candidates by passes of its own."""

    def __init__(self, predictor: StreamPredictor) -> None:
        super().__init__(predictor)
        self.stream_shape, self.max_window = predictor.stream_shape, predictor.max_window
        self.fills_in = predictor.fills_in
        self._window: list[int] = []

    def _note(self, token_ids: TokenIds, positions: list[int]) -> None:
        ids = token_ids[0].tolist()
        self.drafted |= {p: ids[p] for p in positions if ids[p] != self.vocab_size}

    def extend(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        window: Counts,
        num_columns: int,
        **others: Any,
    ) -> Extended:
        if num_columns:
            start = int(first[0])
            self._window = order[0, start : start + int(window[0])].tolist()
        else:
            self._note(token_ids, self._window)
            self._window = []
        found: Extended = self._predictor.extend(
            token_ids, order, first=first, window=window, num_columns=num_columns, **others
        )
        return found

    def branch(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        num_candidates: Counts,
        **others: Any,
    ) -> Branched:
        start = int(first[0])
        self._note(token_ids, order[0, start : start + int(num_candidates[0])].tolist())
        found: Branched = self._predictor.branch(
            token_ids, order, first=first, num_candidates=num_candidates, **others
        )
        return found


@dataclass(frozen=True)
class _SeenStep:
    """What can be seen of a step from outside."""

    before: list[int]
    after: list[int]
    drafted: dict[int, int]
    cost: Cost[Counts]

    def events(self, mask_id: int, unverified: EventKind) -> tuple[Event, ...]:
        """`unverified` is what to call a token that was settled without being verified."""
        found = []
        for position, (old, new) in enumerate(zip(self.before, self.after, strict=True)):
            is_drafted = position in self.drafted
            if old == new and not is_drafted:
                continue
            drafted_id = self.drafted.get(position, old if new == mask_id else new)
            if new == mask_id:
                kind: EventKind = "masked-again"
            elif is_drafted:
                kind = "accepted" if new == drafted_id else "rejected"
            else:
                kind = unverified if old == mask_id else "revealed"
            found.append(Event(position=position, kind=kind, drafted_id=drafted_id, token_id=new))
        return tuple(found)


def _steps(
    seen: list[_SeenStep], mask_id: int, nfe: Callable[[float, float], float]
) -> tuple[Step, ...]:
    # In a window of one token the draft is the target and goes unverified, yet is accepted.
    is_verified = any(step.drafted for step in seen)
    unverified: EventKind = "accepted" if is_verified else "revealed"
    steps, trunk_passes, tail_passes = [], 0, 0
    for step in seen:
        events = step.events(mask_id, unverified)
        trunk, tail = int(step.cost.trunk.passes), int(step.cost.tail.passes)
        trunk_passes, tail_passes = trunk_passes + trunk, tail_passes + tail
        if events or trunk or tail:
            so_far = nfe(trunk_passes, tail_passes)
            steps.append(Step(events=events, trunk_passes=trunk, tail_passes=tail, nfe=so_far))
    return tuple(steps)
