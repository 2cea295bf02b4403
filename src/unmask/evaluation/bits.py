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
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.predictors.protocol import HybridPredictor
from unmask.predictors.stream import StreamPredictor
from unmask.process.orders import left_to_right
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.likelihood import TractableSampler, law_of, order_for, pass_tables, work_of
from unmask.samplers.stream_likelihood import StreamLaw, stream_nats
from unmask.shapes import TokenIds
from unmask.speculation.bounds import order_bound, tightened_bound
from unmask.speculation.likelihood import log_likelihood


@dataclass(frozen=True)
class BitsPerToken:
    """A mean over sequences, with its standard error over them."""

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
    num_sequences: int
    num_orders: int
    trunk_passes: float
    """Expected trunk passes to emit one of the sequences."""
    tail_passes: float
    """Expected tail passes to emit one of the sequences."""
    acceptance_rate: float
    """Expected share of tokens that are accepted drafts."""


def _ignore(num_pairs: int) -> None:
    pass


def score(
    predictor: HybridPredictor,
    sampler: TractableSampler,
    token_ids: TokenIds,
    *,
    num_orders: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> Score:
    """Score sequences of equal length, each under `num_orders` random orders of its own.

    `observe` is told of each batch how many of the passes it finished: for each sequence and
    order L, or one for each group of a fixed partition.
    """
    num_sequences, length = token_ids.shape
    law = law_of(sampler, length)
    own, diffusion, works = [], [], []
    for s in range(num_orders):
        order = order_for(sampler, token_ids, seed=seed, number=s)
        num_given = torch.zeros_like(token_ids[:, 0])
        tables = pass_tables(
            predictor, law, token_ids, order, num_given, batch_size=batch_size, observe=observe
        )
        own.append(log_likelihood(tables, law.verify_rounds, num_given))
        one_by_one = tables.log_draft[:, :, 0].sum(dim=1)
        is_bound = law.verify_rounds and not isinstance(predictor, StreamPredictor)
        diffusion.append(one_by_one if is_bound else one_by_one * math.nan)
        is_known = predictor.first_target_is_draft
        works.append(work_of(sampler, tables, num_given, first_target_is_draft=is_known))
    own_BS, diffusion_BS = torch.stack(own, dim=1), torch.stack(diffusion, dim=1)
    return Score(
        likelihood=_bits(-order_bound(own_BS), length),
        tightened=_bits(-tightened_bound(own_BS), length),
        diffusion=_bits(-order_bound(diffusion_BS), length),
        num_tokens=num_sequences * length,
        num_sequences=num_sequences,
        num_orders=num_orders,
        trunk_passes=torch.stack([w.trunk_passes for w in works]).mean().item(),
        tail_passes=torch.stack([w.tail_passes for w in works]).mean().item(),
        acceptance_rate=torch.stack([w.acceptance for w in works]).mean().item(),
    )


def score_of_stream(
    predictor: StreamPredictor,
    sampler: StreamLaw,
    token_ids: TokenIds,
    *,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> Score:
    """`score` for the samplers that follow the stream's law, in reading order: exact.

    `observe` is told how many sequences each batch finished.
    """
    num_sequences, length = token_ids.shape
    order = left_to_right(num_sequences, length, token_ids.device)
    parts = []
    for rows in torch.arange(num_sequences).split(batch_size):
        none = torch.zeros_like(token_ids[rows, 0])
        nats = stream_nats(predictor, sampler, token_ids[rows], order[rows], none)
        parts.append(nats.sum(dim=1))
        observe(len(rows))
    bits = _bits(torch.cat(parts), length)
    is_one_by_one = isinstance(sampler, Autoregressive)
    return Score(
        likelihood=bits,
        tightened=bits,
        diffusion=BitsPerToken(math.nan, math.nan),
        num_tokens=num_sequences * length,
        num_sequences=num_sequences,
        num_orders=1,
        trunk_passes=float(length) if is_one_by_one else math.nan,
        tail_passes=0.0 if is_one_by_one else math.nan,
        acceptance_rate=1.0 if is_one_by_one else math.nan,
    )


def _bits(nats: Float[Tensor, " B"], length: int) -> BitsPerToken:
    bits = nats.double() / (length * math.log(2))
    error = bits.std().item() / math.sqrt(len(bits)) if len(bits) > 1 else math.nan
    return BitsPerToken(bits.mean().item(), error)
