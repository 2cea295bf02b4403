"""Predictions of tokens that are there, as if each alone were hidden; and two models as one.

A *shadow* of a position is a MASK beside the sequence that stands at the same position: it sees
every token but the one there, and no token sees it. One pass gives a shadow of many positions.
With one block that is the prediction with this token masked, exactly. With more it is not: the
other tokens have seen it, and tell (`leave_one_out` is the slow way that is exact).

Source: Hong et al. (2025), arXiv:2507.18578 (WINO), whose shadows also see each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.predictors.protocol import Draft, Predictor
from unmask.shapes import TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class Shadowed:
    """What one pass says of masked positions, and by shadows of others."""

    log_probs: WindowLogProbs
    of_shadows: Float[Tensor, "B S V"]


@runtime_checkable
class ShadowPredictor(Predictor, Protocol):
    """A predictor that can be asked about tokens that are there."""

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
    ) -> Shadowed:
        """One pass; distributions at `positions`, and by shadows at `shadows`."""
        ...


def leave_one_out(
    predictor: Predictor, token_ids: TokenIds, positions: WindowIds
) -> WindowLogProbs:
    """The prediction at each position with the token there masked: a pass for each column."""
    columns = []
    for column in positions.unbind(dim=1):
        hidden_ids = token_ids.scatter(1, column[:, None], predictor.vocab_size)
        columns.append(predictor.draft(hidden_ids, column[:, None]).log_probs)
    return torch.cat(columns, dim=1)


@dataclass(frozen=True)
class Team:
    """A model that drafts and one that verifies, of one vocabulary."""

    drafter: Any
    verifier: Any

    @property
    def vocab_size(self) -> int:
        """V of both, MASK not counted."""
        return int(self.verifier.vocab_size)

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        device: torch.device = self.verifier.device
        return device

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """What the verifier says: samplers that do not verify have it alone."""
        made: Draft = self.verifier.draft(token_ids, positions)
        return made


def each_behind(predictor: Any, wrapper: Callable[[Any], Any]) -> Any:
    """A predictor behind a wrapper; of a team, both of its members."""
    if isinstance(predictor, Team):
        return Team(wrapper(predictor.drafter), wrapper(predictor.verifier))
    return wrapper(predictor)
