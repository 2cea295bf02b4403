"""Predictions of tokens that are there, as if each alone were hidden.

A *shadow* of a position is a MASK beside the sequence that stands at the same position: it sees
every token but the one there, and no token sees it. One pass gives a shadow of many positions.
With one block that is the prediction with this token masked, exactly. With more it is not: the
other tokens have seen it, and tell (`leave_one_out` is the slow way that is exact).

Source: Hong et al. (2025), arXiv:2507.18578 (WINO), whose shadows also see one another
(`together`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.errors import ConfigError
from unmask.predictors.kv_cache import KVCache
from unmask.predictors.protocol import Predictor
from unmask.shapes import TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class Shadowed:
    """What one pass says of masked positions, and by shadows of others."""

    log_probs: WindowLogProbs
    of_shadows: Float[Tensor, "B S V"]
    remembered: Callable[[], KVCache] | None = None
    """What the pass leaves of the tokens, shadows apart; None if there is no such thing."""


@runtime_checkable
class ShadowPredictor(Predictor, Protocol):
    """A predictor that can be asked about tokens that are there."""

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """One pass; distributions at `positions`, and by shadows at `shadows`.

        Shadows that are `together` see one another; None: each sees itself alone.
        """
        ...


def check_casts_shadows(predictor: object) -> None:
    """Raise `ConfigError` unless a predictor can be asked about tokens that are there.

    One that has the method may say by `casts_shadows` that it cannot all the same.
    """
    if not (isinstance(predictor, ShadowPredictor) and getattr(predictor, "casts_shadows", True)):
        raise ConfigError(
            f"{type(predictor).__name__} cannot be asked about tokens that are there: that takes "
            "a large model that says at a position what stands there, as LLaDA does (Dream says "
            "what comes next). Choose another sampler, or for draft-verify the view 'in-place' "
            "or 'pre-draft'."
        )


def leave_one_out(
    predictor: Predictor, token_ids: TokenIds, positions: WindowIds
) -> WindowLogProbs:
    """The prediction at each position with the token there masked: a pass for each column."""
    columns = []
    for column in positions.unbind(dim=1):
        hidden_ids = token_ids.scatter(1, column[:, None], predictor.vocab_size)
        columns.append(predictor.draft(hidden_ids, column[:, None]).log_probs)
    return torch.cat(columns, dim=1)
