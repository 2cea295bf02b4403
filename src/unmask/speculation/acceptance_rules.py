"""Which drafts a verifier takes back: rules without a guarantee, for models that have no tail.

With x_i the draft, p_i what it was drawn from and q_i what the verifier says of its position
(letters as in accept_reject.py), the draft is rejected by

    exact           if argmax q_i != x_i
    confidence      if q_i(x_i) < tau
    kl              if KL(q_i || p_i) > kappa
    reverse-kl      if KL(p_i || q_i) > kappa
    disagreement    if argmax q_i != x_i or q_i(x_i) < tau

and with `trust` never. Which way round the divergence of the source is taken it does not say.

Source: Goyal et al. (2026), arXiv:2604.05250 (DualDiffusion), and their code.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.shapes import WindowIds, WindowLogProbs, WindowMask

Rule = Literal["trust", "exact", "confidence", "kl", "reverse-kl", "disagreement"]


def is_rejected(
    rule: Rule,
    drafted_ids: WindowIds,
    *,
    draft_log_probs: WindowLogProbs,
    target_log_probs: WindowLogProbs,
    threshold: float,
    kl_bound: float,
) -> WindowMask:
    """The rule at each column; only those on the divergence read `draft_log_probs`."""
    if rule == "trust":
        return torch.zeros_like(drafted_ids, dtype=torch.bool)
    if rule == "kl":
        return divergence(target_log_probs, draft_log_probs) > kl_bound
    if rule == "reverse-kl":
        return divergence(draft_log_probs, target_log_probs) > kl_bound
    differs = target_log_probs.argmax(dim=-1) != drafted_ids
    if rule == "exact":
        return differs
    given = target_log_probs.gather(-1, drafted_ids[..., None]).squeeze(-1)
    is_unsure = given.double().exp() < threshold
    return is_unsure | differs if rule == "disagreement" else is_unsure


def divergence(of: WindowLogProbs, from_: WindowLogProbs) -> Float[Tensor, "B K"]:
    """KL(of || from), in nats and float64; what has probability 0 in the first adds nothing."""
    log_of, log_from = of.double(), from_.double()
    terms = log_of.exp() * (log_of - log_from)
    return terms.masked_fill(log_of == -torch.inf, 0.0).sum(dim=-1)
