"""Bits per token of a text under a sampler, its likelihood, and under the masked-diffusion bound.

For a sequence x and orders sigma_1..S,

    likelihood, at most   -(1/S) sum_s log p(x | sigma_s)              (bound over orders)
    tightened, at most    -log (1/S) sum_s p(x | sigma_s)
    diffusion, at most    -(1/S) sum_s sum_i log draft(x_sigma_s(i+1) | x_sigma_s(1..i))

The last is the masked-diffusion ELBO: in expectation over orders it equals the integral over
noise levels, and it is the law of a sampler that reveals one token per pass. All three come
from the same passes. Filters (temperature, top-p), if any, apply to all three.

Source: docs/likelihood.md; the order form of the ELBO: Ou et al. (2024), arXiv:2406.03736.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.evaluation.ratio_of_sums import RatioOfSums
from unmask.predictors.protocol import HybridPredictor
from unmask.predictors.stream import StreamPredictor
from unmask.process.orders import given_first, left_to_right
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.likelihood import TractableSampler, law_of, order_for, pass_tables, work_of
from unmask.samplers.stream_likelihood import StreamLaw, stream_nats
from unmask.shapes import TokenIds
from unmask.speculation.bounds import order_bound, tightened_bound
from unmask.speculation.likelihood import log_likelihood


@dataclass(frozen=True)
class BitsPerToken:
    """All bits over all tokens, with its standard error over sequences."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Score:
    """How well a model, sampled in one way, predicts a text.

    Bits are upper bounds over random orders, exact in reading order. What is not a number is not
    known: passes of the lossless samplers depend on more than the text."""

    likelihood: BitsPerToken
    tightened: BitsPerToken
    diffusion: BitsPerToken
    """Not a number where passes do not tell: of a fixed partition, and of the stream's law."""
    num_tokens: int
    """That are scored: what is given is not."""
    num_sequences: int
    num_orders: int
    trunk_passes: float
    """Expected trunk passes to emit one of the sequences."""
    tail_passes: float
    """Expected tail passes to emit one of the sequences."""
    acceptance_rate: float
    """Expected share of tokens that are accepted drafts."""
    sequence_bits: tuple[float, ...] = ()
    """Of each sequence, the likelihood's bits per token."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What is known of sequences one by one."""

    rows: Int[Tensor, " B"]
    """Which sequence of all that are scored each is."""
    num_tokens: Int[Tensor, " B"]
    """That are scored."""
    log_probs: Float[Tensor, "B S"]
    """Nats under the law, of each order."""
    diffusion: Float[Tensor, "B S"]
    """Nats of the bound."""
    trunk_passes: Float[Tensor, " B"]
    tail_passes: Float[Tensor, " B"]
    acceptance: Float[Tensor, " B"]

    @staticmethod
    def joined(parts: "Sequence[Scored]") -> "Scored":
        """Several, in the order of their rows."""
        order = torch.cat([part.rows for part in parts]).argsort()
        names = [field.name for field in fields(Scored)]
        return Scored(**{n: torch.cat([getattr(p, n) for p in parts])[order] for n in names})

    def summary(self) -> Score:
        """The means over all of them."""
        nats = -order_bound(self.log_probs)
        return Score(
            likelihood=_bits(nats, self.num_tokens),
            tightened=_bits(-tightened_bound(self.log_probs), self.num_tokens),
            diffusion=_bits(-order_bound(self.diffusion), self.num_tokens),
            num_tokens=int(self.num_tokens.sum()),
            num_sequences=len(self.rows),
            num_orders=self.log_probs.shape[1],
            trunk_passes=self.trunk_passes.double().mean().item(),
            tail_passes=self.tail_passes.double().mean().item(),
            acceptance_rate=self.acceptance.double().mean().item(),
            sequence_bits=tuple((nats.double() / math.log(2) / self.num_tokens).tolist()),
        )


def _ignore(num_pairs: int) -> None:
    pass


def score(
    predictor: HybridPredictor,
    sampler: TractableSampler,
    token_ids: TokenIds,
    *,
    is_given: Bool[Tensor, "B L"] | None = None,
    rows: Sequence[int] | None = None,
    num_orders: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> Scored:
    """Score sequences of equal length, each under `num_orders` random orders of its own.

    What is given is not scored, and comes first in every order, as it does when a template is
    filled in; None: nothing is. `rows` says which sequences these are of all that are scored, on
    which their orders depend; None: all of them.
    `observe` is told of each batch how many of the passes it finished: for each sequence and
    order L, or one for each group of a fixed partition.
    """
    length = token_ids.shape[1]
    law = law_of(sampler, length)
    is_given = torch.zeros_like(token_ids, dtype=torch.bool) if is_given is None else is_given
    num_given = is_given.sum(dim=1)
    numbers = range(len(token_ids)) if rows is None else rows
    own, diffusion, works = [], [], []
    for s in range(num_orders):
        order = order_for(sampler, token_ids, seed=seed, number=s, rows=numbers)
        order = given_first(order, is_given)
        tables = pass_tables(
            predictor, law, token_ids, order, num_given, batch_size=batch_size, observe=observe
        )
        own.append(log_likelihood(tables, law.verify_rounds, num_given))
        one_by_one = tables.log_draft[:, :, 0].sum(dim=1)
        is_bound = law.verify_rounds and not isinstance(predictor, StreamPredictor)
        diffusion.append(one_by_one if is_bound else one_by_one * math.nan)
        is_known = predictor.first_target_is_draft
        works.append(work_of(sampler, tables, num_given, first_target_is_draft=is_known))
    num_tokens = length - num_given
    accepted = torch.stack([w.acceptance.double() for w in works]).mean(0)
    if accepted.ndim > 1:  # of each token
        accepted = accepted.sum(dim=1) / num_tokens
    return Scored(
        rows=torch.tensor(list(numbers)),
        num_tokens=num_tokens.cpu(),
        log_probs=torch.stack(own, dim=1).cpu(),
        diffusion=torch.stack(diffusion, dim=1).cpu(),
        trunk_passes=torch.stack([w.trunk_passes.double() for w in works]).mean(0).cpu(),
        tail_passes=torch.stack([w.tail_passes.double() for w in works]).mean(0).cpu(),
        acceptance=accepted.cpu(),
    )


def score_of_stream(
    predictor: StreamPredictor,
    sampler: StreamLaw,
    token_ids: TokenIds,
    *,
    is_given: Bool[Tensor, "B L"] | None = None,
    rows: Sequence[int] | None = None,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> Scored:
    """`score` for the samplers that follow the stream's law, in reading order: exact.

    `observe` is told how many sequences each batch finished.
    """
    num_sequences, length = token_ids.shape
    is_given = torch.zeros_like(token_ids, dtype=torch.bool) if is_given is None else is_given
    num_given = is_given.sum(dim=1)
    order = given_first(left_to_right(num_sequences, length, token_ids.device), is_given)
    parts = []
    for batch in torch.arange(num_sequences).split(batch_size):
        nats = stream_nats(predictor, sampler, token_ids[batch], order[batch], num_given[batch])
        parts.append(-nats.sum(dim=1))
        observe(len(batch))
    log_probs = torch.cat(parts)[:, None].cpu()
    num_tokens = (length - num_given).cpu()
    is_one_by_one = isinstance(sampler, Autoregressive)
    unknown = torch.full_like(log_probs[:, 0], math.nan)
    return Scored(
        rows=torch.tensor(list(range(num_sequences) if rows is None else rows)),
        num_tokens=num_tokens,
        log_probs=log_probs,
        diffusion=unknown[:, None],
        trunk_passes=num_tokens.to(unknown.dtype) if is_one_by_one else unknown,
        tail_passes=torch.zeros_like(unknown) if is_one_by_one else unknown,
        acceptance=torch.ones_like(unknown) if is_one_by_one else unknown,
    )


def _bits(nats: Float[Tensor, " B"], num_tokens: Int[Tensor, " B"]) -> BitsPerToken:
    """All nats over all tokens, in bits."""
    bits = nats.double() / math.log(2)
    found = RatioOfSums(tuple(bits.tolist()), tuple(num_tokens.tolist()))
    return BitsPerToken(found.value, found.standard_error)
