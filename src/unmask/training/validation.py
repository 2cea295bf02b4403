"""Validation bits per token of draft and target, always on the same masks of the same crops."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from unmask.shapes import TokenIds
from unmask.training.objective import Corruption, losses
from unmask.training.windowed import WindowedCorruption


@dataclass(frozen=True)
class Validation:
    """Bits per token of "draft", "target" and "stream", of those there are.

    Of a network that reads any order, the draft's bound the code length of masked diffusion from
    above in expectation (its ELBO), and the target's are the random-order autoregressive
    cross-entropy under the hidden states of a pass at uniform i; neither is the sampler's own
    likelihood. Of a causal trunk all are exact code lengths from left to right, in windows of
    `VALIDATION_WINDOW` tokens, or as many as it drafts: of the stream, one token per pass; of the
    target, the tail's law; of the draft, drafts that nobody verifies.
    """

    bits: Mapping[str, float]
    standard_errors: Mapping[str, float]
    """Over sequences."""
    num_sequences: int

    @property
    def draft_bits(self) -> float:
        """`bits["draft"]`."""
        return self.bits["draft"]

    @property
    def target_bits(self) -> float:
        """`bits["target"]`."""
        return self.bits["target"]


@torch.inference_mode()
def validate(
    model: nn.Module,
    token_ids: TokenIds,
    corruption: Corruption | WindowedCorruption,
    *,
    batch_size: int,
    autocast: torch.dtype,
) -> Validation:
    """All cross-entropies of N sequences under one corruption of each."""
    parts = []
    device = next(model.parameters()).device
    with torch.autocast(device.type, autocast, enabled=autocast != torch.float32):
        for rows in torch.split(torch.arange(len(token_ids)), batch_size):
            part = losses(model, token_ids[rows].to(device), corruption.select(rows, device))
            parts.append(part.parts)
    nats = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    bits = {name: values.double() / math.log(2) for name, values in nats.items()}
    num = len(token_ids)
    return Validation(
        {name: values.mean().item() for name, values in bits.items()},
        {name: values.std().item() / math.sqrt(num) for name, values in bits.items()},
        num,
    )
