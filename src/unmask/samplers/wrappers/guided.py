"""Any sampler under classifier-free guidance (predictors/guidance.py): closer to its prompt.

What was given is known from the state, in which it is marked, so sequences with different
prompts share a batch.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import Rows
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.guidance import GuidedPredictor, marked, unmarked
from unmask.predictors.pair import each_behind
from unmask.samplers.sampler import Sampler
from unmask.samplers.wrappers.cached import Cached
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True)
class GuidedState(Rows):
    """A sampler's state, whose sequences are marked where they were given."""

    inner: Any
    mask_id: int

    @property
    def token_ids(self) -> TokenIds:
        """The sequences as they stand."""
        return unmarked(self.inner.token_ids, self.mask_id)

    @property
    def origin(self) -> Counts:
        """The first position that is wanted."""
        origin: Counts = self.inner.origin
        return origin

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences are finished."""
        is_done: Bool[Tensor, " B"] = self.inner.is_done
        return is_done

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "GuidedState":
        """The state with other tokens; what was given stays."""
        before_ids = self.inner.token_ids
        rewritten_ids = torch.where(before_ids > mask_id, before_ids, token_ids)
        return replace(self, inner=self.inner.rewritten(rewritten_ids, mask_id=mask_id))


@dataclass(frozen=True, kw_only=True)
class Guided:
    """A sampler, and how strongly it is guided. Without a cache: each pass is two.

    What looks at tokens, as `EarlyStop` does, belongs around it, where they are not marked.
    """

    sampler: Sampler
    scale: float = 1.0
    """w: 0 is the sampler itself, with one pass; 0.5 to 2 are common."""

    def __post_init__(self) -> None:
        if not 0 <= self.scale < math.inf:
            raise ConfigError(
                f"Guided.scale must be a number of at least 0, got {self.scale}: it is how far "
                "predictions are moved away from those without the prompt. 0 moves nothing, 1 is "
                "a good start."
            )
        rule: Any = self.sampler
        while rule is not None:
            if isinstance(rule, Cached):
                raise ConfigError(
                    "a guided sampler runs each sequence with and without its prompt, which no "
                    "cache can follow. Guide the sampler without its cache."
                )
            rule = getattr(rule, "sampler", getattr(rule, "drafter", None))

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> GuidedState:
        """The sampler's beginning, with what is given marked."""
        inner = self.sampler.init(marked(given_ids, mask_id), mask_id=mask_id, draws=draws)
        return GuidedState(inner, mask_id)

    def step(
        self, state: GuidedState, predictor: Any, draws: Draws
    ) -> tuple[GuidedState, Cost[Counts]]:
        """A step of the sampler, of twice the passes."""
        guiding = each_behind(predictor, lambda one: GuidedPredictor(one, self.scale))
        inner, cost = self.sampler.step(state.inner, guiding, draws)
        times = 2 if self.scale else 1
        cost = replace(cost, trunk=cost.trunk * times, drafter=cost.drafter * times)
        return replace(state, inner=inner), cost
