"""The only door to randomness: one counter-based stream of uniform numbers per sequence.

Number n of the stream with key s is the SplitMix64 output function of s + n * gamma, so it
depends on nothing but the seed and on how many numbers the sequence itself has used: not on
the batch it sits in, the device, or where a run was resumed. Each token costs one uniform
number (inverse CDF), in float64: float32 noise truncates the tails and quietly lowers the
temperature (Zheng et al., arXiv:2409.02908).

Sources: Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators";
counters instead of state: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.errors import ConfigError


@runtime_checkable
class Draws(Protocol):
    """A source of random choices, one stream per sequence of the batch.

    `where` marks the entries that are really wanted. Only they use up random numbers, so a
    sequence's stream never depends on the padding that its neighbours cause; the other entries
    of a result are meaningless.
    """

    def categorical(
        self, log_probs: Float[Tensor, " B *n V"], where: Bool[Tensor, " B *n"]
    ) -> Int[Tensor, " B *n"]:
        """One token id from each distribution; `log_probs` need not be normalised."""
        ...

    def bernoulli(
        self, probs: Float[Tensor, " B *n"], where: Bool[Tensor, " B *n"]
    ) -> Bool[Tensor, " B *n"]:
        """True with the given probability; False outside `where`."""
        ...

    def run_length(
        self, probs: Float[Tensor, "B K"], where: Bool[Tensor, "B K"]
    ) -> Int[Tensor, " B"]:
        """How many coins, tossed from the left, show heads before the first that shows tails.

        Coin k shows heads with probability probs[b, k]. `where` must be a prefix of each row;
        a row whose coins all show heads gets their number.
        """
        ...

    def permutation(self, length: int) -> Int[Tensor, "B {length}"]:
        """A uniformly random order of `length` positions per sequence."""
        ...

    def rows(self, index: Int[Tensor, " N"]) -> "Draws":
        """The streams of some sequences of the batch; each goes on where it stands."""
        ...


_GAMMA = 0x9E3779B97F4A7C15 - 2**64  # odd, 2^64 / golden ratio; written as a signed int64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64
_WORD = 2**64 - 1


_NUMBERS_AT_ONCE = 2**22
"""Working memory of `categorical`, in float64 numbers (32 MiB): V can be large."""


def _shift_right(bits: Int[Tensor, "*n"], by: int) -> Int[Tensor, "*n"]:
    # torch shifts int64 arithmetically; clearing the copies of the sign bit makes it logical.
    return (bits >> by) & ((1 << (64 - by)) - 1)


def _mix(bits: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """SplitMix64's output function: a bijection of 64-bit words that scatters neighbours."""
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    return bits ^ _shift_right(bits, 31)


def check_seed(seed: object, num_samples: int = 1) -> None:
    """Raise `ConfigError` unless the seeds of some samples are whole numbers of 64 bits."""
    if type(seed) is not int or not -(2**63) <= seed <= 2**63 - max(num_samples, 1):
        raise ConfigError(
            "seed must be a whole number of at most 64 bits, with those of "
            f"{num_samples} samples counted on from it; got {seed!r:.40}."
        )


class SeededDraws:
    """Sequence b draws from the stream of its own seed only.

    Sequences with the same seed draw the same numbers; give each its own. Seeds are any
    integers below 2^63 in size.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        for seed in seeds:
            check_seed(seed)
        self._keys = _mix(torch.tensor(list(seeds), dtype=torch.int64, device=device) + 1)
        self._num_drawn = torch.zeros_like(self._keys)
        self._index: Tensor | None = None

    def rows(self, index: Int[Tensor, " N"]) -> "SeededDraws":
        view = object.__new__(SeededDraws)
        view._keys, view._num_drawn = self._keys, self._num_drawn  # shared: a view, not a copy
        view._index = index if self._index is None else self._index[index]
        return view

    def copy(self) -> "SeededDraws":
        """The same streams where they stand; what this one draws, the other does not."""
        other = object.__new__(SeededDraws)
        other._keys, other._index = self._keys, self._index
        other._num_drawn = self._num_drawn.clone()
        return other

    @classmethod
    def join(cls, parts: Sequence["SeededDraws"]) -> "SeededDraws":
        """The streams of some batches as one; each goes on where it stands, here and only here."""
        joined = object.__new__(cls)
        joined._keys = torch.cat([part._of_rows(part._keys) for part in parts])
        joined._num_drawn = torch.cat([part._of_rows(part._num_drawn) for part in parts])
        joined._index = None
        return joined

    def _of_rows(self, values: Int[Tensor, " all"]) -> Int[Tensor, " B"]:
        return values if self._index is None else values[self._index]

    def uniform(self, where: Bool[Tensor, " B *n"]) -> Float[Tensor, " B *n"]:
        """float64 numbers in [0, 1), a multiple of 2^-53 each."""
        flat = where.flatten(1) if where.ndim > 1 else where[:, None]
        rank = flat.cumsum(dim=1) if flat.shape[1] > 1 else flat.long()
        counter = self._of_rows(self._num_drawn)[:, None] + rank
        if self._index is None:
            self._num_drawn += flat.sum(dim=1)
        else:
            self._num_drawn[self._index] += flat.sum(dim=1)
        bits = _mix(self._of_rows(self._keys)[:, None] + counter * _GAMMA)
        return (_shift_right(bits, 11).double() * 2.0**-53).reshape(where.shape)

    def categorical(
        self, log_probs: Float[Tensor, " B *n V"], where: Bool[Tensor, " B *n"]
    ) -> Int[Tensor, " B *n"]:
        uniform = self.uniform(where)
        num_at_once = max(1, _NUMBERS_AT_ONCE // log_probs.shape[-1])
        if uniform.numel() <= num_at_once:
            return _inverse_cdf(log_probs, uniform)
        parts = zip(
            log_probs.flatten(0, -2).split(num_at_once),
            uniform.flatten().split(num_at_once),
            strict=True,
        )
        return torch.cat([_inverse_cdf(*part) for part in parts]).reshape(where.shape)

    def bernoulli(
        self, probs: Float[Tensor, " B *n"], where: Bool[Tensor, " B *n"]
    ) -> Bool[Tensor, " B *n"]:
        return (self.uniform(where) < probs) & where

    def run_length(
        self, probs: Float[Tensor, "B K"], where: Bool[Tensor, "B K"]
    ) -> Int[Tensor, " B"]:
        # P(run > k) = prod_{j<=k} probs_j, so one uniform number decides the whole run.
        survival = probs.double().masked_fill(~where, 0.0).cumprod(dim=1)
        return (self.uniform(where.any(dim=1))[:, None] < survival).sum(dim=1)

    def permutation(self, length: int) -> Int[Tensor, "B {length}"]:
        shape = (len(self._of_rows(self._keys)), length)
        where = torch.ones(shape, dtype=torch.bool, device=self._keys.device)
        return self.uniform(where).argsort(dim=1, stable=True)


def _inverse_cdf(log_probs: Float[Tensor, "*n V"], uniform: Float[Tensor, "*n"]) -> Tensor:
    largest = log_probs.amax(dim=-1, keepdim=True)
    # One table in float64, and all else in its place: V can be large.
    is_copied = log_probs.dtype == torch.float64
    cdf = log_probs - largest if is_copied else log_probs.double().sub_(largest.double())
    cdf = cdf.exp_().cumsum_(dim=-1)
    threshold = uniform[..., None] * cdf[..., -1:]
    # The first id whose cumulative probability exceeds the threshold has mass of its own.
    found = torch.searchsorted(cdf, threshold, right=True).squeeze(-1)
    return found.clamp(max=log_probs.shape[-1] - 1)


def stream_seed(seed: int, *labels: int) -> int:
    """A seed for one purpose of a run, told apart by `labels`: (seed, step, purpose), say.

    Randomness that is a function of the step needs no state to be saved and restored.
    """
    mixed = 0
    for word in (seed, *labels):
        mixed = _mix_one(mixed + word * _GAMMA + 1)
    return (mixed >> 1) - (mixed >> 63 << 63)


def numbers(seed: int) -> Iterator[float]:
    """What `SeededDraws([seed])` draws, one number after the other and without end.

    For choices that are made one by one, where tensors of one number would take the time.
    """
    bits = _mix_one(seed + 1)
    while True:
        bits += _GAMMA
        yield (_mix_one(bits) >> 11) * 2.0**-53


def _mix_one(bits: int) -> int:
    """`_mix` of one word, as an unsigned number."""
    bits &= _WORD
    bits = (bits ^ (bits >> 30)) * _MIX_1 & _WORD
    bits = (bits ^ (bits >> 27)) * _MIX_2 & _WORD
    return bits ^ (bits >> 31)


def seed_dropout(seed: int) -> None:
    """Restart the stream that dropout draws from; it alone uses torch's global generator."""
    torch.manual_seed(seed)


def weight_generator(seed: int) -> torch.Generator:
    """The stream that new weights are drawn from."""
    return torch.Generator().manual_seed(seed)
