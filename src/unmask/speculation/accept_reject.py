"""Accept or reject drafted tokens so that what survives follows the target.

At one position, with draft p and target q over the vocabulary: keep x ~ p with probability
min(1, q(x) / p(x)), else draw from the residual

    r(x) = max(0, q(x) - p(x)) / sum_y max(0, q(y) - p(y)).

Then  p(x) min(1, q(x)/p(x)) + (1 - sum_y min(p(y), q(y))) r(x)  =  q(x).

A window is judged from its first column on, up to the first rejection: what lies behind was
drafted, and verified, on a token that is no longer there.

Source: Leviathan et al. (2023), arXiv:2211.17192, Algorithm 1 and Appendix A.1 (where p and q
are the other way round); for a window in random order, Campbell et al. (2025),
arXiv:2510.03929, Algorithm 1.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.shapes import Counts, WindowIds, WindowLogProbs, WindowMask, WindowProbs


@dataclass(frozen=True)
class Verdict:
    """What became of one window of drafted tokens."""

    num_accepted: Counts
    """Drafts kept, from the first column on."""
    is_rejected: Bool[Tensor, " B"]
    """Whether the next draft was rejected; if not, the whole window was accepted."""
    replacement_ids: Int[Tensor, " B"]
    """What stands in the place of the rejected draft; meaningless where none was."""


def acceptance_probability(log_draft: WindowProbs, log_target: WindowProbs) -> WindowProbs:
    """min(1, q(x) / p(x)), from the log-probabilities of each drafted x."""
    return (log_target - log_draft).clamp(max=0.0).exp()


def residual_log_probs(
    draft_log_probs: Float[Tensor, "*n V"], target_log_probs: Float[Tensor, "*n V"]
) -> Float[Tensor, "*n V"]:
    """log r(x); the target itself where p = q, since nothing is rejected there."""
    excess = (target_log_probs.exp() - draft_log_probs.exp()).clamp(min=0.0)
    total = excess.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, excess.log() - total.log(), target_log_probs)


def disagreement(
    draft_log_probs: Float[Tensor, "*n V"], target_log_probs: Float[Tensor, "*n V"]
) -> Float[Tensor, "*n"]:
    """sum_y max(0, q(y) - p(y)) in float64: the probability that the draft is rejected."""
    excess = target_log_probs.double().exp() - draft_log_probs.double().exp()
    return excess.clamp(min=0.0).sum(dim=-1)


def accept_or_reject(
    drafted_ids: WindowIds,
    *,
    draft_log_probs: Float[Tensor, "D J V"],
    target_log_probs: WindowLogProbs,
    in_window: WindowMask,
    draws: Draws,
    drafted_at: tuple[Int[Tensor, " B"], Int[Tensor, "B K"]] | None = None,
) -> Verdict:
    """Judge a window; `in_window` says how far each sequence's goes.

    `drafted_at` says where each place of the window stands in `draft_log_probs`, its row and its
    column; None: where it stands in the window. So nothing of size V is copied but what is asked
    for. Costs each sequence one random number, and one more after a rejection.
    """
    num_rows, num_columns = drafted_ids.shape
    if drafted_at is None:
        every = torch.arange(num_rows, device=drafted_ids.device)
        columns = torch.arange(num_columns, device=drafted_ids.device)
        drafted_at = every, columns.expand(num_rows, -1)
    row, column = drafted_at
    log_draft = draft_log_probs[row[:, None], column, drafted_ids]
    log_target = target_log_probs.gather(-1, drafted_ids[..., None]).squeeze(-1)
    probs = acceptance_probability(log_draft, log_target)
    num_accepted = draws.run_length(probs.masked_fill(~in_window, 0.0), in_window)
    is_rejected = num_accepted < in_window.sum(dim=1)
    replacement_ids = torch.zeros_like(num_accepted)
    rejected = is_rejected.nonzero().squeeze(1)
    if len(rejected):
        place = num_accepted[rejected]
        residual = residual_log_probs(
            draft_log_probs[row[rejected], column[rejected, place]],
            target_log_probs[rejected, place],
        )
        every = torch.ones_like(rejected, dtype=torch.bool)
        replacement_ids[rejected] = draws.rows(rejected).categorical(residual, where=every)
    return Verdict(num_accepted, is_rejected, replacement_ids)
