"""Predictors whose every answer follows from one joint distribution by conditioning.

Let e_l(v) be 1 if position l is masked, is padding, or holds v, else 0. From the log-marginals

    m_l(v) = log p(x_l = v and every revealed token)

follow the evidence, log p(revealed tokens) = logsumexp_v m_l(v) at any l, and the posterior

    log p(x_l = v | revealed tokens) = m_l(v) - logsumexp_v m_l(v).

The draft at l is the posterior given what the pass saw; the target of column k is the posterior
given, besides, the filled tokens at order[:, :first + k]. Such a pair is what a trained network
tends to, so every sampler can be held to it exactly.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.errors import PromptError
from unmask.predictors.protocol import Draft
from unmask.process.orders import inverse
from unmask.shapes import PAD, Counts, Order, TokenIds, WindowIds, WindowLogProbs

_NUMBERS_AT_ONCE = 2**24
"""Working memory of one call, in float64 numbers (128 MiB)."""


class ExactPredictor(ABC):
    """A hybrid predictor made from one method, `log_marginals`. All numbers are float64."""

    first_target_is_draft = True

    def __init__(self, *, vocab_size: int, device: torch.device) -> None:
        self.vocab_size = vocab_size
        self.device = device

    @abstractmethod
    def log_marginals(self, token_ids: TokenIds) -> Float[Tensor, "B L {self.vocab_size}"]:
        """log p(x_l = v and every revealed token), for each position l and token v."""

    @abstractmethod
    def numbers_per_sequence(self, length: int) -> int:
        """How many float64 numbers `log_marginals` holds at once per sequence, roughly."""

    def posterior(self, token_ids: TokenIds) -> Float[Tensor, "B L {self.vocab_size}"]:
        """log p(x_l = v | revealed tokens); all mass on the token itself where one is revealed.

        Raises `PromptError` if the revealed tokens have probability zero.
        """
        log_marginals_BLV = torch.cat(
            [self.log_marginals(token_ids[part]) for part in self._parts(token_ids)]
        )
        log_evidence_BL = log_marginals_BLV.logsumexp(dim=-1)
        is_impossible_B = (log_evidence_BL == -torch.inf).any(dim=1)
        if is_impossible_B.any():
            row = int(is_impossible_B.nonzero()[0])
            raise PromptError(
                f"the revealed tokens of sequence {row} have probability zero under this "
                f"{type(self).__name__}, so nothing follows from them: "
                f"{token_ids[row].tolist()}, where {self.vocab_size} is MASK. "
                "Reveal other tokens, or mask some of these."
            )
        return log_marginals_BLV - log_evidence_BL[..., None]

    def log_prob(self, token_ids: TokenIds) -> Float[Tensor, " B"]:
        """log p(revealed tokens): of the whole sequence where nothing is masked."""
        parts = self._parts(token_ids)
        # The evidence is the same at every position; the first will do.
        log_marginals_BV = torch.cat([self.log_marginals(token_ids[part])[:, 0] for part in parts])
        return log_marginals_BV.logsumexp(dim=-1)

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """The posterior at `positions`; verifying needs only what was seen."""
        log_probs_BLV = self.posterior(token_ids)
        index_BKV = positions[..., None].expand(-1, -1, self.vocab_size)
        # A copy: what a pass has seen does not change when its caller fills in tokens.
        return Draft(log_probs=log_probs_BLV.gather(1, index_BKV), context=token_ids.clone())

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        """Column k: the posterior at order[:, first + k] given the tokens before it.

        Drafted tokens can be impossible together. The column of the first such token says so
        (its log-probability is -inf); the columns after it, which no sampler can reach, are
        uniform.
        """
        batch_size, length = order.shape
        columns_K = torch.arange(num_columns, device=order.device)
        rank_BK = (first[:, None] + columns_K).clamp(max=length - 1)
        is_filled_BKL = inverse(order)[:, None, :] < rank_BK[..., None]
        seen_BKL = torch.where(is_filled_BKL, filled_ids[:, None, :], draft.context[:, None, :])

        seen_NL = seen_BKL.flatten(0, 1)
        position_N = order.gather(1, rank_BK).flatten()
        log_marginals_N1V = torch.cat(
            [
                self.log_marginals(seen_NL[part]).take_along_dim(
                    position_N[part, None, None], dim=1
                )
                for part in self._parts(seen_NL)
            ]
        )
        log_marginals_BKV = log_marginals_N1V.reshape(batch_size, num_columns, self.vocab_size)
        log_evidence_BK1 = log_marginals_BKV.logsumexp(dim=-1, keepdim=True)
        is_possible_BK1 = log_evidence_BK1 > -torch.inf
        uniform_BKV = torch.zeros_like(log_marginals_BKV).log_softmax(dim=-1)
        return torch.where(is_possible_BK1, log_marginals_BKV - log_evidence_BK1, uniform_BKV)

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        return Draft(log_probs=draft.log_probs[rows], context=draft.context[rows])

    def _parts(self, token_ids: TokenIds) -> list[slice]:
        """Rows that fit into working memory together."""
        num_rows, length = token_ids.shape
        num_at_once = max(1, _NUMBERS_AT_ONCE // self.numbers_per_sequence(length))
        # No rows are one empty part, so that the shape of the answer survives.
        return [slice(n, n + num_at_once) for n in range(0, max(1, num_rows), num_at_once)]


def log_evidence(token_ids: TokenIds, vocab_size: int) -> Float[Tensor, "B L {vocab_size}"]:
    """log e_l(v): 0 where position l is masked, is padding, or holds v, -inf elsewhere."""
    values = torch.arange(vocab_size, device=token_ids.device)
    is_open_BL = (token_ids == vocab_size) | (token_ids == PAD)
    is_allowed_BLV = (token_ids[..., None] == values) | is_open_BL[..., None]
    return torch.where(is_allowed_BLV, 0.0, -torch.inf).double()


def restrict(
    log_joint: Float[Tensor, "*values"], log_evidence_BLV: Float[Tensor, "B L V"]
) -> Float[Tensor, " B *values"]:
    """The joint distribution of the first axes' tokens, times their evidence, per sequence."""
    restricted = log_joint[None]
    for axis in range(log_joint.ndim):
        shape = [1] * restricted.ndim
        shape[0], shape[1 + axis] = log_evidence_BLV.shape[0], log_joint.shape[axis]
        restricted = restricted + log_evidence_BLV[:, axis].reshape(shape)
    return restricted


def sum_out(log_joint: Float[Tensor, " B *values"], axis: int) -> Float[Tensor, "B V"]:
    """The marginal of one token, unnormalised, from a joint distribution per sequence."""
    others_last = log_joint.movedim(1 + axis, 1)[..., None].flatten(2)
    return others_last.logsumexp(dim=2)


def random_log_probs(
    draws: SeededDraws, num_distributions: int, num_values: int
) -> Float[Tensor, "{num_distributions} {num_values}"]:
    """Distributions uniform over the simplex, from the one stream of `draws`."""
    where = torch.ones(1, num_distributions, num_values, dtype=torch.bool)
    # Exponential variables, normalised, are uniform on the simplex.
    return (-torch.log1p(-draws.uniform(where)[0])).log().log_softmax(dim=-1)
