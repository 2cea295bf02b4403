"""Validation bits per token of draft and target, always on the same masks of the same crops."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unmask.shapes import TokenIds
from unmask.training.objective import Corruption, Losses, losses


@dataclass(frozen=True)
class Validation:
    """Bits per token, with the standard error over sequences.

    `draft_bits` bounds the code length of masked diffusion from above in expectation (its
    ELBO); `target_bits` is the random-order autoregressive cross-entropy under the hidden
    states of a pass at uniform i. Neither is the sampler's own likelihood.
    """

    draft_bits: float
    target_bits: float
    draft_standard_error: float
    target_standard_error: float
    num_sequences: int


@torch.inference_mode()
def validate(
    model: nn.Module,
    token_ids: TokenIds,
    corruption: Corruption,
    *,
    batch_size: int,
    autocast: torch.dtype,
) -> Validation:
    """Both cross-entropies of N sequences under one corruption of each."""
    parts = []
    device = next(model.parameters()).device
    with torch.autocast(device.type, autocast, enabled=autocast != torch.float32):
        for rows in torch.split(torch.arange(len(token_ids)), batch_size):
            part = losses(model, token_ids[rows].to(device), corruption.select(rows, device))
            parts.append(part)
    return _summary(
        Losses(torch.cat([p.draft for p in parts]), torch.cat([p.target for p in parts]))
    )


def _summary(all_losses: Losses) -> Validation:
    def bits(nats: Tensor) -> tuple[float, float]:
        values = nats.double() / math.log(2)
        return values.mean().item(), values.std().item() / math.sqrt(len(values))

    (draft, draft_error), (target, target_error) = bits(all_losses.draft), bits(all_losses.target)
    return Validation(draft, target, draft_error, target_error, len(all_losses.draft))
