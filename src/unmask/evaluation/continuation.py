"""How likely a masked diffusion model finds a continuation of a context.

For a continuation x of n tokens behind a context c, with k uniform on 1..n and S a uniformly
random set of k of its positions,

    log p(x | c)  >=  E_k E_S  (n / k)  sum_{i in S}  log p(x_i | c, x outside S)

One token leaves no choice and makes it exact: one pass with its position masked says it of every
candidate. For more, the expectation is the mean over masked copies of x, whose counts k are spread
evenly over 1..n. It is the bound of masked diffusion, which is the mean over orders too.

A continuation is *greedy* if revealing the surest token of as many masks, one per pass, writes it.

Sources: Nie et al. (2025), arXiv:2502.09992, section 2.4 and their code; the equality with the
mean over orders: Ou et al. (2024), arXiv:2406.03736.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.draws import SeededDraws, stream_seed
from unmask.errors import ConfigError, DataError
from unmask.evaluation.passes import Canvas, Passes
from unmask.predictors.protocol import Predictor
from unmask.process.masking import is_revealed, stratified_counts
from unmask.samplers.common import scores
from unmask.samplers.common.masked_state import Prediction
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True)
class Continuation:
    """Tokens to be scored, and what stands before them."""

    context_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    """At least one."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a model says of continuations, in their order."""

    log_likelihoods: list[float]
    """Nats: exact for one token, else an estimate of a lower bound."""
    is_greedy: list[bool]
    passes: int
    """Of one sequence each."""
    query_tokens: int
    """Tokens that went through the network."""


def _ignore(num_done: int) -> None:
    pass


def score(
    predictor: Predictor,
    continuations: Sequence[Continuation],
    *,
    num_samples: int = 128,
    seed: int = 0,
    batch_size: int = 16,
    observe: Callable[[int], None] = _ignore,
) -> Scores:
    """Score continuations; those of one token behind the same context share a pass.

    `num_samples` is the number of masked copies of each longer one. Its random numbers come from
    a stream of its own, whatever it is scored beside. `observe` is told how many are done.

    Raises:
        ConfigError: a number is below 1.
        DataError: a continuation has no tokens, or some that are not the model's.
    """
    for name, value in (("num_samples", num_samples), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    _check_ids(continuations, predictor.vocab_size)
    passes = Passes(predictor, batch_size)
    single, several = (
        {n: each for n, each in enumerate(continuations) if (len(each.target_ids) == 1) is is_one}
        for is_one in (True, False)
    )
    log_likelihoods: dict[int, float] = {}
    greedy = set(_written_greedily(passes, several))
    for number, nats, is_best in _of_one_token(passes, single):
        log_likelihoods[number] = nats
        greedy |= {number} if is_best else set()
        observe(len(log_likelihoods))
    for number, nats in _estimates(passes, several, num_samples, seed):
        log_likelihoods[number] = nats
        observe(len(log_likelihoods))
    return Scores(
        log_likelihoods=[log_likelihoods[n] for n in range(len(continuations))],
        is_greedy=[n in greedy for n in range(len(continuations))],
        passes=passes.num_passes,
        query_tokens=passes.query_tokens,
    )


def random_masks(
    draws: SeededDraws, num_targets: int, num_samples: int
) -> Bool[Tensor, "{num_samples} {num_targets}"]:
    """S for each masked copy, from the one stream of `draws`; counts k fall from n to 1."""
    num_shown = stratified_counts(draws, num_samples, num_targets)
    where = torch.ones(1, num_samples * num_targets, dtype=torch.bool)
    order = draws.uniform(where).view(num_samples, num_targets).argsort(dim=1, stable=True)
    return ~is_revealed(order, num_shown)


def terms(
    prediction: Prediction, filled_ids: TokenIds, num_targets: Counts
) -> Float[Tensor, " B"]:
    """(n / k) sum_{i in S} log p(x_i | c, x outside S) of each sequence; S is what was asked."""
    window = prediction.window
    wanted_ids = filled_ids.gather(1, window.positions).clamp(min=0)
    log_probs = prediction.log_probs.gather(-1, wanted_ids[..., None]).squeeze(-1).double()
    total = log_probs.masked_fill(~window.in_window, 0.0).sum(dim=1)
    return num_targets.double() / window.in_window.sum(dim=1) * total


def _of_one_token(
    passes: Passes, continuations: Mapping[int, Continuation]
) -> Iterator[tuple[int, float, bool]]:
    """Number, log-likelihood and whether it is the most probable token, of each."""
    groups = _alike(continuations)
    canvases = (_masked(numbers[0], continuations[numbers[0]]) for numbers in groups)
    members = {numbers[0]: numbers for numbers in groups}
    for batch, _, said in passes.over(canvases):
        best_ids = said.log_probs[:, 0].argmax(dim=-1).tolist()
        for canvas, best_id, log_probs in zip(batch, best_ids, said.log_probs[:, 0], strict=True):
            for number in members[canvas.owner]:
                (token_id,) = continuations[number].target_ids
                yield number, float(log_probs[token_id]), token_id == best_id


def _estimates(
    passes: Passes, continuations: Mapping[int, Continuation], num_samples: int, seed: int
) -> Iterator[tuple[int, float]]:
    """Number and mean of the terms of each."""

    def copies() -> Iterator[Canvas]:
        for number, *_ in _longest_first(continuations, [[n] for n in continuations]):
            canvas = _masked(number, continuations[number])
            draws = SeededDraws([stream_seed(seed, _fingerprint(continuations[number]))])
            for masks in random_masks(draws, canvas.num_targets, num_samples):
                is_masked = canvas.is_masked.clone()
                is_masked[-canvas.num_targets :] = masks
                yield replace(canvas, is_masked=is_masked)

    found: dict[int, list[float]] = {}
    for batch, filled_ids, said in passes.over(copies()):
        num_targets = torch.tensor([c.num_targets for c in batch], device=filled_ids.device)
        nats = terms(said, filled_ids, num_targets).tolist()
        for canvas, value in zip(batch, nats, strict=True):
            found.setdefault(canvas.owner, []).append(value)
            if len(found[canvas.owner]) == num_samples:
                yield canvas.owner, sum(found.pop(canvas.owner)) / num_samples


def _written_greedily(passes: Passes, continuations: Mapping[int, Continuation]) -> Iterator[int]:
    """Numbers of those that greedy decoding writes.

    It is the same decoding for all that stand behind one context and are of one length, and it is
    over once it differs from each of them. A round is one pass of all that still agree with one.
    """
    candidates = {numbers[0]: numbers for numbers in _alike(continuations)}
    waiting = [_masked(owner, continuations[owner]) for owner in candidates]
    while waiting:
        agreeing = []
        for batch, _, said in passes.over(waiting):
            places, token_ids = _surest(said)
            for canvas, place, token_id in zip(batch, places, token_ids, strict=True):
                first = len(canvas.filled_ids) - canvas.num_targets
                left = [
                    number
                    for number in candidates[canvas.owner]
                    if continuations[number].target_ids[place - first] == token_id
                ]
                candidates[canvas.owner] = left
                is_masked, filled_ids = canvas.is_masked.clone(), canvas.filled_ids.clone()
                is_masked[place], filled_ids[place] = False, token_id
                if left and is_masked.any():
                    agreeing.append(replace(canvas, is_masked=is_masked, filled_ids=filled_ids))
        waiting = agreeing
    for numbers in candidates.values():
        yield from numbers


def _masked(number: int, continuation: Continuation) -> Canvas:
    """All of its tokens masked."""
    filled_ids = torch.tensor([*continuation.context_ids, *continuation.target_ids])
    is_masked = torch.arange(len(filled_ids)) >= len(continuation.context_ids)
    return Canvas(number, filled_ids, is_masked, len(continuation.target_ids))


def _surest(said: Prediction) -> tuple[list[int], list[int]]:
    """Where the most probable token of all is, and which, of each sequence."""
    best_ids = said.log_probs.argmax(dim=-1)
    confidence = scores.confidence(said.log_probs, best_ids)
    column = (scores.rank(confidence, said.window.in_window) == 0).long().argmax(dim=1)[:, None]
    places, token_ids = (x.gather(1, column) for x in (said.window.positions, best_ids))
    return places.squeeze(1).tolist(), token_ids.squeeze(1).tolist()


def _alike(continuations: Mapping[int, Continuation]) -> list[list[int]]:
    """Numbers of those of one context and one length together, the longest first."""
    groups: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for number, each in continuations.items():
        groups.setdefault((each.context_ids, len(each.target_ids)), []).append(number)
    return _longest_first(continuations, groups.values())


def _longest_first(
    continuations: Mapping[int, Continuation], groups: Iterable[list[int]]
) -> list[list[int]]:
    """Like lengths share a batch, and what memory has no room for shows at once."""

    def length(numbers: list[int]) -> int:
        first = continuations[numbers[0]]
        return len(first.context_ids) + len(first.target_ids)

    return sorted(groups, key=length, reverse=True)


def _fingerprint(continuation: Continuation) -> int:
    text = repr((continuation.context_ids, continuation.target_ids)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big")


def _check_ids(continuations: Sequence[Continuation], vocab_size: int) -> None:
    for number, each in enumerate(continuations):
        if not each.target_ids:
            raise DataError(
                f"continuation {number} has no tokens: there is nothing to score. Leave it out; "
                "or, if its text is not empty, it became one token with the end of its context."
            )
        for token_id in (*each.context_ids, *each.target_ids):
            if not 0 <= token_id < vocab_size:
                raise DataError(
                    f"token ids must be 0 to {vocab_size - 1}; continuation {number} holds "
                    f"{token_id}. Encode the text with the model's tokenizer."
                )
