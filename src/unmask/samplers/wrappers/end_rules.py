"""Any sampler, kept from ending its text too early (the rules are in predictors/end_rules.py).

Both matter where a whole answer is one block: the end tokens behind it are what a model is sure
of first. Shorter blocks do without.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.end_rules import EndingLast, NeverEnding
from unmask.predictors.pair import each_behind
from unmask.samplers.factor import Factor
from unmask.samplers.klass import Klass
from unmask.samplers.sampler import Sampler
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.threshold import Threshold
from unmask.shapes import Counts, TokenIds

_BY_CONFIDENCE = (Factor, Klass, SemiAutoregressive, Threshold)
"""Samplers that rank positions by the confidence of the token drawn there, and in no other way."""


@dataclass(frozen=True, kw_only=True)
class NoEnd:
    """A sampler that draws no end token, so that the whole canvas is filled with text."""

    sampler: Sampler
    end_ids: tuple[int, ...]
    """Tokens that are never drawn, nor counted when a confidence is worked out."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> Any:
        """The sampler's beginning."""
        _check_ids(self, mask_id)
        return self.sampler.init(given_ids, mask_id=mask_id, draws=draws)

    def step(self, state: Any, predictor: Any, draws: Draws) -> tuple[Any, Cost[Counts]]:
        """A step of the sampler."""
        ruled = each_behind(predictor, partial(NeverEnding, end_ids=self.end_ids))
        return self.sampler.step(state, ruled, draws)


@dataclass(frozen=True, kw_only=True)
class EndLast:
    """A sampler that reveals an end token only where nothing else is left to be revealed.

    It must be one that goes by the confidence of drawn tokens: `SemiAutoregressive`, `Threshold`,
    `Factor`, `Klass`, or one of these with a cache.
    """

    sampler: Sampler
    end_ids: tuple[int, ...]
    """Tokens whose confidence is 0; that of the others is worked out without them."""

    def __post_init__(self) -> None:
        rule = self.sampler
        while hasattr(rule, "sampler"):
            rule = rule.sampler
        if not isinstance(rule, _BY_CONFIDENCE):
            names = ", ".join(cls.__name__ for cls in _BY_CONFIDENCE)
            raise ConfigError(
                f"EndLast cannot hold a {type(rule).__name__} back: it does not choose positions "
                "by the confidence of the tokens drawn there alone. Choose one of "
                f"{names}, or `NoEnd`."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> Any:
        """The sampler's beginning."""
        _check_ids(self, mask_id)
        return self.sampler.init(given_ids, mask_id=mask_id, draws=draws)

    def step(self, state: Any, predictor: Any, draws: Draws) -> tuple[Any, Cost[Counts]]:
        """A step of the sampler."""
        return self.sampler.step(state, EndingLast(predictor, self.end_ids), draws)


def _check_ids(rule: NoEnd | EndLast, vocab_size: int) -> None:
    if not rule.end_ids or not all(0 <= one < vocab_size for one in rule.end_ids):
        raise ConfigError(
            f"{type(rule).__name__}.end_ids must be ids of tokens, 0 to {vocab_size - 1}, got "
            f"{rule.end_ids}. Those of a large model are `model.end_ids`."
        )
