"""Whether a sampler keeps the rules that all of ours keep: law, batches, accounts.

For a sampler of another package as for our own. On a predictor small enough that every path can
be taken, and on random prompts:

    spec      it is a frozen dataclass, and str of it reads as it
    law       all paths enumerated: their probabilities sum to 1, every path ends with all tokens
              revealed and what was given in its place, and the same choices give the same tokens,
              so that nothing is drawn but through `Draws`
    batch     a sequence is the same alone and beside others of any length
    account   the tokens that it says went through the network did, and those accepted and
              rejected are all that were masked

How far its law is from the predictor's own is said, and is no fault: most rules give up some.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.errors import UnmaskError
from unmask.evaluation.enumeration import NotEnumerable, ScriptedDraws, every_outcome
from unmask.named import Named
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.engine import Engine, Request
from unmask.samplers.sampler import Sampler, sample
from unmask.samplers.spec import read_sampler
from unmask.samplers.streamed import along_stream

_LENGTHS = (5, 8, 1, 7, 3, 8, 6)
_MOST_PATHS = 5000
_MAX_STEPS = 2000
"""A sampler that takes more is taken for one that does not end."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    problem: str
    """Empty if the rule is kept."""
    said: str


def check_sampler(sampler: Sampler, predictor: Any, *, length: int = 4) -> list[Finding]:
    """The findings of all checks, in the order of the module's docstring.

    Args:
        sampler: any.
        predictor: one that the sampler works with; a path is enumerated over `length` tokens of
            it, so its vocabulary should be 2 or 3 tokens.
    """
    checks: dict[str, Callable[[], str]] = {
        "spec": lambda: _spec(sampler),
        "law": lambda: _law(sampler, predictor, length),
        "batch": lambda: _batch(sampler, predictor),
        "account": lambda: _account(sampler, predictor),
    }
    return [_found(name, check) for name, check in checks.items()]


class _Broken(Exception):
    """A rule that is not kept, in words."""


def _found(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "", check())
    except _Broken as broken:
        return Finding(name, str(broken), "")
    except UnmaskError as error:
        return Finding(name, str(error), "")
    except Exception as error:
        return Finding(name, f"{type(error).__name__}: {error!s:.300}", "")


@dataclass(frozen=True)
class _Ending:
    """A sampler that is stopped if it takes too many steps. Equal ones share a batch."""

    sampler: Sampler
    steps_left: list[int] = field(default_factory=lambda: [_MAX_STEPS], compare=False)

    def init(self, given_ids: Tensor, *, mask_id: int, draws: Any) -> Any:
        return self.sampler.init(given_ids, mask_id=mask_id, draws=draws)

    def step(self, state: Any, predictor: Any, draws: Any) -> Any:
        self.steps_left[0] -= 1
        if self.steps_left[0] < 0:
            raise _Broken(
                f"after {_MAX_STEPS} steps some tokens are still masked: is_done never holds for "
                "all sequences"
            )
        return self.sampler.step(state, predictor, draws)


def _spec(sampler: Sampler) -> str:
    if not is_dataclass(sampler):
        raise _Broken("it is no dataclass, so that its choices have no names")
    try:
        for each in fields(sampler)[:1]:
            setattr(sampler, each.name, getattr(sampler, each.name))
            raise _Broken("it is not frozen: write @dataclass(frozen=True)")
    except AttributeError:
        pass
    if not isinstance(sampler, Named):
        raise _Broken(
            "it has no name for its spec: give the class the base unmask.named.Named, and the "
            "attribute `name` that its entry point has"
        )
    written = str(sampler)
    if read_sampler(written) != sampler:
        raise _Broken(f"{written!r}, its spec, is read as another sampler")
    return written


def _law(sampler: Sampler, predictor: Any, length: int) -> str:
    mask_id = predictor.vocab_size
    given = torch.full((length,), mask_id)
    given[1] = 1
    along = _along(sampler, predictor, given)

    def program(draws: ScriptedDraws) -> list[Hashable]:
        given_ids = given.expand(len(draws), -1)
        drawn = sample(predictor, along, given_ids, draws)
        rows: list[Hashable] = [tuple(row) for row in drawn.token_ids.tolist()]
        return rows

    try:
        outcomes, again = (every_outcome(program, most_paths=_MOST_PATHS) for _ in range(2))
    except NotEnumerable as error:
        return f"not enumerated: {error} Fewer steps, or other choices in the spec, may help."
    if outcomes != again:
        raise _Broken(
            "the same choices gave other tokens: something is drawn that does not come from Draws"
        )
    for tokens in outcomes:
        assert isinstance(tokens, tuple)
        if mask_id in tokens:
            raise _Broken(f"it ends with {tokens}, where {mask_id} is still masked")
        if tokens[1] != 1 or not all(0 <= token < mask_id for token in tokens):
            raise _Broken(f"it makes {tokens} of {tuple(given.tolist())}: what is given must stay")
    if isinstance(predictor, StreamPredictor):
        along = _along(Autoregressive(), predictor, given)
        own, way = every_outcome(program), "left to right"
    else:
        own, way = _one_by_one(predictor, given), "in random order"
    far = sum(
        abs(outcomes.get(tokens, 0.0) - own.get(tokens, 0.0)) for tokens in {*outcomes, *own}
    )
    return (
        f"{len(outcomes)} sequences, probabilities sum to {sum(outcomes.values()):.10f}; "
        f"{far / 2:.4f} (total variation) from one token per pass {way}"
    )


def _one_by_one(predictor: Any, given: Tensor) -> dict[Hashable, float]:
    """The law of one token per pass, a position drawn evenly each time."""
    law: dict[Hashable, float] = {}
    paths: dict[tuple[int, ...], float] = {tuple(given.tolist()): 1.0}
    mask_id = predictor.vocab_size
    while paths:
        grown: dict[tuple[int, ...], float] = defaultdict(float)
        for tokens, probability in paths.items():
            masked = [place for place, token in enumerate(tokens) if token == mask_id]
            if not masked:
                law[tokens] = law.get(tokens, 0.0) + probability
                continue
            positions = torch.tensor([masked])
            draft = predictor.draft(torch.tensor([tokens]), positions)
            for place, row in zip(masked, draft.log_probs[0].double().exp().tolist(), strict=True):
                for token, one in enumerate(row):
                    after = (*tokens[:place], token, *tokens[place + 1 :])
                    grown[after] += probability * one / len(masked)
        paths = grown
    return law


def _batch(sampler: Sampler, predictor: Any) -> str:
    wanted = list(_requests(sampler, predictor))
    results = Engine(predictor, num_slots=3).run(wanted)
    for result in results:
        given_ids, seed = result.request.given_ids, result.request.seed
        alone = sample(predictor, result.request.sampler, given_ids[None], SeededDraws([seed]))
        if result.token_ids.tolist() != alone.token_ids[0].tolist():
            raise _Broken(
                f"seed {seed}, {len(given_ids)} tokens: {result.token_ids.tolist()} beside "
                f"others, {alone.token_ids[0].tolist()} alone"
            )
        beside = result.cost.to_json()
        for name, value in alone.cost.each()[0].to_json().items():
            if beside[name] != value:
                raise _Broken(f"seed {seed}: {beside[name]} {name} beside others, {value} alone")
    return (
        f"{len(wanted)} sequences of {min(_LENGTHS)} to {max(_LENGTHS)} tokens, as each is alone"
    )


def _account(sampler: Sampler, predictor: Any) -> str:
    told, num_tokens = 0, 0
    for wanted in _requests(sampler, predictor):
        counting = _Counting(predictor)
        given_ids = wanted.given_ids[None]

        found = sample(counting, wanted.sampler, given_ids, SeededDraws([wanted.seed]))
        spent, settled = int(found.cost.trunk.tokens), int(found.cost.num_revealed)
        num_masked = int((given_ids == predictor.vocab_size).sum())
        most = counting.num_tokens + counting.num_shadows
        is_whole = not isinstance(predictor, StreamPredictor)
        if is_whole and not counting.num_tokens <= spent <= most:
            raise _Broken(
                f"it tells of {spent} tokens that went through the network, and ran "
                f"{counting.num_tokens}"
            )
        if settled != num_masked:
            raise _Broken(f"of {num_masked} tokens it tells of {settled}, accepted and rejected")
        told, num_tokens = told + spent, num_tokens + num_masked
    return f"{num_tokens} tokens by {told} through the network, as it tells"


class _Counting:
    """A predictor that counts the tokens of its passes, and shadows, of which some are padding."""

    def __init__(self, predictor: Any) -> None:
        self._predictor, self.num_tokens, self.num_shadows = predictor, 0, 0

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._predictor, name)
        if name not in ("draft", "shadowed"):
            return asked

        def counted(token_ids: Tensor, *others: Any, **named: Any) -> Any:
            self.num_tokens += token_ids.numel()
            if name == "shadowed":
                self.num_shadows += (named["shadows"] if "shadows" in named else others[1]).numel()
            return asked(token_ids, *others, **named)

        return counted


def _requests(sampler: Sampler, predictor: Any) -> Iterator[Request]:
    for number, length in enumerate(_LENGTHS):
        given_ids = torch.full((length,), predictor.vocab_size)
        if length > 2:
            given_ids[number % length] = number % predictor.vocab_size
        along = _along(sampler, predictor, given_ids)
        yield Request(given_ids=given_ids, sampler=along, seed=number)


def _along(sampler: Sampler, predictor: Any, given_ids: Tensor) -> "_Ending":
    """The sampler, with its memory where the predictor is a causal trunk; stopped if need be."""
    return _Ending(along_stream(sampler, predictor, given_ids))
