"""The probability with which the self-speculative sampler emits a given sequence.

Fix the order and relabel positions so that it is the identity. For a pass started with i tokens
revealed, let p_i(d) be the draft probability of the observed token d and q_i(d) its target
probability given the observed tokens before it. At position d

    accepted with the observed value:                a_i(d) = min(p_i(d), q_i(d))
    rejected, and the observed value drawn instead:  r_i(d) = max(0, q_i(d) - p_i(d)),  a + r = q.

With windows W(i), N verify rounds and w = min(D, i + W(i)), let G(d, n) be the probability that
tokens up to d were emitted with n rejections and the pass still runs, G(i, 0) = 1:

    G(d, n) = a_i(d) G(d-1, n) + r_i(d) G(d-1, n-1)                      n = 0..N-1
    the pass ends at d < w with   T_i(d) = r_i(d) G(d-1, N-1)
    the pass ends at w with       T_i(w) = q_i(w) sum_n G(w-1, n)
    B(i) = sum_d T_i(d) B(d),     B(D) = 1,     p(x | order) = B(0)

With N = 0 nothing is verified: every draft is kept, a_i = p_i, r_i = 0, and windows follow upon
each other, p(x | order) = prod over windows of prod_d p_i(d).

All in logarithms. Run forwards, the recursion gives how often each arc is used on the way to x.
That is the derivative of log B(0) by the logarithm of the arc's weight (the sum over paths of
a product: each path's share of B(0) is its probability given x), so reverse-mode
differentiation of the backward recursion is the forward one.

Source: derived in docs/likelihood.md; agrees with Proposition 3.1 and Appendix C.2 of
Campbell et al. (2025), arXiv:2510.03929.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.shapes import Counts

_LOG_ZERO = -1e300  # finite, so that 0 times it has a derivative; exp of it is exactly 0


@dataclass(frozen=True)
class PassTables:
    """What a predictor says of one sequence, for every pass that could have started on it.

    Row i is a pass with the first i tokens of the order revealed; column k is about the token
    at place i + k of the order. Entries past the window are ignored.
    """

    log_draft: Float[Tensor, "B L K"]
    """log p_i(i + k)."""
    log_target: Float[Tensor, "B L K"]
    """log q_i(i + k)."""
    window_sizes: Int[Tensor, "B L"]
    """W(i), at most L - i; where a window ends by itself, where it does on the way to x."""


@dataclass(frozen=True)
class ExpectedWork:
    """What emitting a given sequence cost, in expectation over all ways to emit it.

    Averaged over samples of the sampler itself it is the sampler's expected cost, with less
    noise than counting.
    """

    trunk_passes: Float[Tensor, " B"]
    tail_passes: Float[Tensor, " B"]
    acceptance: Float[Tensor, "B L"]
    """By place in the order: the probability that the token there was a draft accepted, not a
    replacement; 0 for tokens given at the start."""


def log_likelihood(
    tables: PassTables, verify_rounds: int, num_given: Counts
) -> Float[Tensor, " B"]:
    """log p(x | order, its first `num_given` tokens), in nats; -inf if x cannot be emitted."""
    total = _Recursion(tables, verify_rounds).log_prob(num_given)
    return total.masked_fill(total < _LOG_ZERO / 2, -math.inf)


def expected_work(
    tables: PassTables,
    verify_rounds: int,
    num_given: Counts,
    *,
    first_target_is_draft: bool,
) -> ExpectedWork:
    """Passes and acceptances, given that the sampler emitted x.

    Where the first target of a pass is its draft, a window of one token needs no tail pass;
    without verify rounds none does.
    """
    with torch.enable_grad():
        recursion = _Recursion(tables, verify_rounds)
        leaves = [recursion.log_start, recursion.log_accept, recursion.log_reject]
        for leaf in leaves:
            leaf.requires_grad_()
        starts, accepted, rejected = torch.autograd.grad(
            recursion.log_prob(num_given).sum(), leaves
        )
    is_last = recursion.is_last
    rounds = torch.where(is_last, accepted + rejected, rejected * recursion.in_window)
    if first_target_is_draft:
        rounds = rounds * (tables.window_sizes > 1)[..., None]
    if verify_rounds == 0:
        rounds = torch.zeros_like(rounds)
    acceptance = torch.zeros_like(starts)
    for start in range(starts.shape[1]):
        width = min(accepted.shape[2], starts.shape[1] - start)
        acceptance[:, start : start + width] += accepted[:, start, :width]
    return ExpectedWork(starts.sum(1), rounds.sum((1, 2)), acceptance)


class _Recursion:
    """The recursion of the module docstring for a batch; its arcs are open to differentiation."""

    def __init__(self, tables: PassTables, verify_rounds: int) -> None:
        log_draft = tables.log_draft.double()
        log_target = tables.log_target.double() if verify_rounds else log_draft
        columns = torch.arange(log_draft.shape[2], device=log_draft.device)
        self.in_window = columns < tables.window_sizes[..., None]
        self.is_last = columns == tables.window_sizes[..., None] - 1
        self.log_accept = torch.minimum(log_draft, log_target).clamp(min=_LOG_ZERO)
        self.log_reject = _log_excess(log_target, log_draft)
        self.log_start = torch.zeros_like(log_draft[:, :, 0])
        self._num_rejections = min(max(verify_rounds, 1), log_draft.shape[2])

    def log_prob(self, num_given: Counts) -> Float[Tensor, " B"]:
        """log B(num_given)."""
        log_end = self._log_end()
        num_starts, width = log_end.shape[1:]
        log_from = [torch.zeros_like(self.log_start[:, 0])]  # log B(D), then towards B(0)
        for start in reversed(range(num_starts)):
            columns = min(width, num_starts - start)
            ahead = torch.stack(log_from[-1 : -columns - 1 : -1], dim=1)
            paths = log_end[:, start, :columns] + ahead
            log_from.append(self.log_start[:, start] + paths.logsumexp(dim=1))
        return torch.stack(log_from[::-1], dim=1).gather(1, num_given[:, None]).squeeze(1)

    def _log_end(self) -> Float[Tensor, "B L K"]:
        """log T_i(d) for every start and column."""
        zero = torch.zeros_like(self.log_start)[..., None]
        running = torch.cat(
            [zero, (zero + _LOG_ZERO).expand(-1, -1, self._num_rejections - 1)], -1
        )
        ends = []
        for k in range(self.log_accept.shape[2]):
            accept, reject = self.log_accept[:, :, k, None], self.log_reject[:, :, k, None]
            last = torch.logaddexp(accept, reject)[..., 0] + running.logsumexp(dim=-1)
            early = reject[..., 0] + running[..., -1]
            end = torch.where(self.is_last[..., k], last, early)
            ends.append(end.masked_fill(~self.in_window[..., k], _LOG_ZERO))
            one_more = torch.cat([zero + _LOG_ZERO, running[..., :-1]], dim=-1)
            running = torch.logaddexp(accept + running, reject + one_more)
        return torch.stack(ends, dim=2)


def _log_excess(larger: Float[Tensor, "*n"], smaller: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """log max(0, exp larger - exp smaller), without a loss of digits."""
    ratio = (smaller - larger).clamp(max=0.0).nan_to_num(nan=0.0)
    log_excess = larger + torch.log(-torch.expm1(ratio))
    return log_excess.clamp(min=_LOG_ZERO)
