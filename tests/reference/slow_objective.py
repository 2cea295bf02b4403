"""The training objective with explicit loops: one sequence, one masked token at a time.

    L = D/(D-i) * sum_{d>i} - log draft(x_sigma(d) | x_sigma(1:i))
                            - log target(x_sigma(d) | x_sigma(1:d-1); h from x_sigma(1:i))

over D, to count per token. The target of each token is asked for on its own, with every token
that it may not know replaced by another.
"""

import math

import torch
from torch import Tensor

from unmask.network.hybrid import HybridTransformer


def slow_losses(
    network: HybridTransformer, token_ids: list[int], order: list[int], num_revealed: int
) -> tuple[float, float]:
    """Nats per token of draft and target, of one sequence."""
    D, V = len(order), network.vocab_size
    masked = [V] * D
    for d in range(num_revealed):
        masked[order[d]] = token_ids[order[d]]

    draft_sum = target_sum = 0.0
    for d in range(num_revealed, D):
        known = [(token + 1) % V for token in token_ids]
        for earlier in range(d):
            known[order[earlier]] = token_ids[order[earlier]]
        draft, target = network(_batch(masked), _batch(known), _batch(order))
        draft_nats = -_log_prob(draft[0, d].tolist(), token_ids[order[d]])
        target_nats = -_log_prob(target[0, d].tolist(), token_ids[order[d]])
        if d == num_revealed and network.config.first_target == "draft":
            target_nats = draft_nats
        draft_sum += draft_nats
        target_sum += target_nats
    weight = D / (D - num_revealed)
    return weight * draft_sum / D, weight * target_sum / D


def _batch(values: list[int]) -> Tensor:
    return torch.tensor([values])


def _log_prob(logits: list[float], token_id: int) -> float:
    total = math.fsum(math.exp(logit) for logit in logits)
    return logits[token_id] - math.log(total)
