"""A joint table: the probability of each of the V^L sequences, written down.

    log p(x_l = v, revealed) = logsumexp over { x : x_l = v, x agrees with what is revealed }
                               of log p(x).

The slowest and plainest predictor: what it answers is the definition.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.exact import (
    ExactPredictor,
    log_evidence,
    random_log_probs,
    restrict,
    sum_out,
)
from unmask.shapes import TokenIds


class JointTable(ExactPredictor):
    """`log_joint[x_0, ..., x_{L-1}]` is log p(x), up to a constant; -inf is allowed."""

    def __init__(self, log_joint: Float[Tensor, "*values"]) -> None:
        _check_log_joint(log_joint)
        super().__init__(vocab_size=log_joint.shape[0], device=log_joint.device)
        self.log_joint = log_joint.double() - log_joint.double().flatten().logsumexp(dim=0)

    @classmethod
    def random(cls, vocab_size: int, length: int, seed: int) -> "JointTable":
        """A distribution over sequences, uniform over all such distributions."""
        log_probs = random_log_probs(SeededDraws([seed]), 1, vocab_size**length)
        return cls(log_probs.reshape([vocab_size] * length))

    @property
    def length(self) -> int:
        """L, the only length of sequence this table knows."""
        return self.log_joint.ndim

    def log_marginals(self, token_ids: TokenIds) -> Float[Tensor, "B L {self.vocab_size}"]:
        if token_ids.shape[1] != self.length:
            raise ConfigError(
                f"this JointTable holds sequences of {self.length} tokens, got one of "
                f"{token_ids.shape[1]}. Ask for length {self.length}, or build another table."
            )
        restricted = restrict(self.log_joint, log_evidence(token_ids, self.vocab_size))
        return torch.stack([sum_out(restricted, axis) for axis in range(self.length)], dim=1)

    def numbers_per_sequence(self, length: int) -> int:
        return 2 * self.log_joint.numel()


def _check_log_joint(log_joint: Float[Tensor, "*values"]) -> None:
    shape = tuple(log_joint.shape)
    if not shape or len(set(shape)) != 1:
        raise ConfigError(
            f"JointTable needs one axis per position, each as long as the vocabulary, got shape "
            f"{shape}. For 4 positions of 3 tokens pass shape (3, 3, 3, 3)."
        )
    if log_joint.isnan().any() or not log_joint.amax().isfinite():
        raise ConfigError(
            "JointTable needs log-probabilities, at least one of them above -inf and none nan or "
            "+inf. Pass the logarithms of non-negative weights."
        )
