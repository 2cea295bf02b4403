"""A Markov chain of order k, with the exact posterior of what is masked.

With the state s_t = (x_{t-k+1}, ..., x_t) and e_t(v) the evidence at t (1 if masked or equal),

    p(x)       = p(x_0 ... x_{k-1})  prod_{t >= k} p(x_t | x_{t-k} ... x_{t-1})
    f_{k-1}(s) = p(s)  prod_{t < k} e_t(x_t)
    f_{t+1}(s) = e_{t+1}(x_{t+1})  sum over x_{t-k+1} of  f_t(s_t) p(x_{t+1} | s_t)
    b_{L-1}(s) = 1
    b_t(s)     = sum over x_{t+1} of  p(x_{t+1} | s)  e_{t+1}(x_{t+1})  b_{t+1}(s_{t+1})

and p(s_t = s, revealed) = f_t(s) b_t(s), which is summed down to single tokens. A step costs
V^(k+1): a state is held as (oldest token, the k - 1 others), and only the oldest is summed
over. Messages are kept as logarithms, each sum scaled by its largest term.

Source: Rabiner (1989), "A tutorial on hidden Markov models", section III (forward-backward);
the evidence in the place of the emissions is ours.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.draws import Draws, SeededDraws
from unmask.errors import ConfigError, DataError
from unmask.predictors.exact import (
    ExactPredictor,
    log_evidence,
    random_log_probs,
    restrict,
    sum_out,
)
from unmask.shapes import TokenIds


class MarkovChain(ExactPredictor):
    """Each token depends on the `order` tokens before it. Any length from `order` on.

    `log_initial[x_0, ..., x_{k-1}]` is the log-probability of the first k tokens, with k at
    least 1; `log_transition[x_{t-k}, ..., x_{t-1}, x_t]` that of a token given the k before it.
    Both are normalised here, so logits will do.
    """

    def __init__(
        self, log_initial: Float[Tensor, "..."], log_transition: Float[Tensor, "..."]
    ) -> None:
        _check_shapes(log_initial, log_transition)
        super().__init__(vocab_size=log_initial.shape[0], device=log_initial.device)
        self.log_initial = log_initial.double() - log_initial.double().flatten().logsumexp(dim=0)
        self.log_transition = log_transition.double().log_softmax(dim=-1)
        _check_no_nan(self.log_initial, self.log_transition)
        # By (the k - 1 newer tokens of a state, its oldest, the next one).
        self._transition_RUV = (
            self.log_transition.exp()
            .reshape(self.vocab_size, -1, self.vocab_size)
            .transpose(0, 1)
            .contiguous()
        )

    @classmethod
    def random(cls, vocab_size: int, order: int, seed: int) -> "MarkovChain":
        """A chain whose every conditional distribution is uniform over the simplex."""
        draws = SeededDraws([seed])
        num_states = vocab_size**order
        log_initial = random_log_probs(draws, 1, num_states)
        log_transition = random_log_probs(draws, num_states, vocab_size)
        return cls(
            log_initial.reshape([vocab_size] * order),
            log_transition.reshape([vocab_size] * (order + 1)),
        )

    @classmethod
    def fit(
        cls, token_ids: TokenIds, order: int, vocab_size: int, smoothing: float
    ) -> "MarkovChain":
        """The chain of largest likelihood, after `smoothing` more sightings of everything.

        What starts a sequence is learned from the starts of the rows alone, so cut a long text
        into many.
        """
        if not smoothing > 0:
            raise ConfigError(
                f"smoothing must be above 0, got {smoothing}: after tokens that never occur the "
                "next one would have no distribution. Try 0.1."
            )
        if order < 1:
            raise ConfigError(
                f"order must be at least 1, got {order}: a chain remembers at least one token."
                " Use 1 for bigrams."
            )
        if token_ids.shape[1] <= order:
            raise ConfigError(
                f"rows of {token_ids.shape[1]} tokens show no transition of order {order}. "
                f"Give rows of at least {order + 1} tokens, or a lower order."
            )
        _check_vocabulary(token_ids, vocab_size)
        transitions = token_ids.unfold(1, order + 1, 1).flatten(0, 1)
        return cls(
            (_count(token_ids[:, :order], vocab_size) + smoothing).log(),
            (_count(transitions, vocab_size) + smoothing).log(),
        )

    @property
    def order(self) -> int:
        """k, how many tokens back the chain remembers."""
        return self.log_initial.ndim

    def log_marginals(self, token_ids: TokenIds) -> Float[Tensor, "B L {self.vocab_size}"]:
        self._check_length(token_ids.shape[1])
        log_evidence_BLV = log_evidence(token_ids, self.vocab_size)
        forward = self._forward(log_evidence_BLV)
        backward = self._backward(log_evidence_BLV)
        log_states = [f + b for f, b in zip(forward, backward, strict=True)]
        first_tokens = [sum_out(log_states[0], axis) for axis in range(self.order)]
        later_tokens = [sum_out(log_state, self.order - 1) for log_state in log_states[1:]]
        return torch.stack(first_tokens + later_tokens, dim=1)

    def numbers_per_sequence(self, length: int) -> int:
        return 2 * length * self.log_initial.numel()

    def sample(self, draws: Draws, *, batch_size: int, length: int) -> TokenIds:
        """Exact samples, left to right, one per stream of `draws`."""
        self._check_length(length)
        where = torch.ones(batch_size, dtype=torch.bool, device=self.device)
        log_start = self.log_initial.flatten().expand(batch_size, -1)
        codes = draws.categorical(log_start, where)
        tokens = list(torch.unravel_index(codes, self.log_initial.shape))
        while len(tokens) < length:
            log_next = self.log_transition[tuple(tokens[-self.order :])]
            tokens.append(draws.categorical(log_next, where))
        return torch.stack(tokens, dim=1)

    def _forward(self, log_evidence_BLV: Float[Tensor, "B L V"]) -> list[Tensor]:
        """log f_t for t = k-1 .. L-1, each [B, V, ..., V]."""
        messages = [restrict(self.log_initial, log_evidence_BLV)]
        for log_evidence_BV in log_evidence_BLV[:, self.order :].unbind(dim=1):
            oldest_first_BUR = messages[-1][..., None].flatten(2)
            moved_BRV = _log_matmul(oldest_first_BUR.mT, self._transition_RUV)
            message = moved_BRV + log_evidence_BV[:, None, :]
            messages.append(message.reshape(messages[-1].shape))
        return messages

    def _backward(self, log_evidence_BLV: Float[Tensor, "B L V"]) -> list[Tensor]:
        """log b_t for t = k-1 .. L-1, each [B, V, ..., V]."""
        shape = (log_evidence_BLV.shape[0], *self.log_initial.shape)
        messages = [torch.zeros(shape, dtype=torch.float64, device=self.device)]
        for log_evidence_BV in log_evidence_BLV[:, self.order :].flip(1).unbind(dim=1):
            newest_last_BRV = messages[-1][:, None].flatten(1, -2)
            allowed_BRV = newest_last_BRV + log_evidence_BV[:, None, :]
            moved_BRU = _log_matmul(allowed_BRV, self._transition_RUV.mT)
            messages.append(moved_BRU.mT.reshape(shape))
        return messages[::-1]

    def _check_length(self, length: int) -> None:
        if length < self.order:
            raise ConfigError(
                f"a MarkovChain of order {self.order} needs sequences of at least {self.order} "
                f"tokens, got {length}. Use longer sequences or a chain of lower order."
            )


def _log_matmul(
    log_left: Float[Tensor, "B R U"], right: Float[Tensor, "R U V"]
) -> Float[Tensor, "B R V"]:
    """log sum_u exp(log_left[b, r, u]) right[r, u, v]."""
    # Finite even where all terms are -inf, since -inf - (-inf) is not a number.
    scale = log_left.amax(dim=-1, keepdim=True).clamp(min=torch.finfo(log_left.dtype).min)
    scaled_sum = torch.einsum("bru,ruv->brv", (log_left - scale).exp(), right)
    return scaled_sum.log() + scale


def _count(tuples: Int[Tensor, "N k"], vocab_size: int) -> Float[Tensor, "*values"]:
    """How often each tuple of tokens occurs, as a table with one axis per token."""
    width = tuples.shape[1]
    place_values = vocab_size ** torch.arange(width - 1, -1, -1, device=tuples.device)
    codes = (tuples * place_values).sum(dim=1)
    counts = torch.bincount(codes, minlength=vocab_size**width)
    return counts.double().reshape([vocab_size] * width)


def _check_shapes(log_initial: Tensor, log_transition: Tensor) -> None:
    shape, next_shape = tuple(log_initial.shape), tuple(log_transition.shape)
    if not shape or next_shape != (*shape, shape[0]) or len(set(shape)) != 1:
        raise ConfigError(
            "MarkovChain needs `log_initial` with one axis of V tokens per token of memory and "
            f"`log_transition` with one axis more, got shapes {shape} and {next_shape}. "
            "For order 2 over 3 tokens pass shapes (3, 3) and (3, 3, 3)."
        )


def _check_no_nan(log_initial: Tensor, log_transition: Tensor) -> None:
    for name, table in (("log_initial", log_initial), ("log_transition", log_transition)):
        if table.isnan().any():
            raise ConfigError(
                f"MarkovChain.{name} holds a distribution that cannot be normalised: nan, +inf, "
                "or -inf for every token. Give each at least one finite log-probability."
            )


def _check_vocabulary(token_ids: TokenIds, vocab_size: int) -> None:
    is_wrong = (token_ids < 0) | (token_ids >= vocab_size)
    if is_wrong.any():
        row, column = is_wrong.nonzero()[0].tolist()
        raise DataError(
            f"token ids must be 0 to {vocab_size - 1}; row {row}, column {column} holds "
            f"{int(token_ids[row, column])}. A chain is fitted to whole sequences, without MASK."
        )
