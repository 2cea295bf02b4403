"""The state of a sampler that is wrapped in something which keeps a memory beside it."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from jaxtyping import Bool
from torch import Tensor

from unmask.batches import Rows
from unmask.shapes import Counts, TokenIds

AnyWrapped = TypeVar("AnyWrapped", bound="WrappedState")


@dataclass(frozen=True)
class WrappedState(Rows):
    """A sampler's state, and whatever a class of this one keeps beside it."""

    inner: Any

    @property
    def token_ids(self) -> TokenIds:
        """The sequences."""
        token_ids: TokenIds = self.inner.token_ids
        return token_ids

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

    def rewritten(self: AnyWrapped, token_ids: TokenIds, *, mask_id: int) -> AnyWrapped:
        """The state with other tokens; what is remembered is that of the old ones."""
        return replace(self, inner=self.inner.rewritten(token_ids, mask_id=mask_id))
