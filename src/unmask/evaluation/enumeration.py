"""Every outcome of a sampler, with its exact probability.

All randomness passes through `Draws`, so a scripted `Draws` can take a sampler along any path
of its choices. Row b of a batch replays script b, then takes the first option at each choice
and notes the others; what was noted is run next, until nothing is left. No tolerance for
noise, and whole generations of paths run as one batch.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.errors import ConfigError, UnmaskError

Program = Callable[["ScriptedDraws"], Sequence[Hashable]]
"""From draws for some sequences to an outcome of each."""


class NotEnumerable(ConfigError):
    """There are infinitely many outcomes, or more than were asked for."""


class NotReplayed(UnmaskError, AssertionError):
    """The same choices led elsewhere."""


class ScriptedDraws:
    """One script of choices per sequence; implements `Draws`."""

    def __init__(self, scripts: list[list[int]]) -> None:
        self._tapes = [_Tape(script) for script in scripts]

    def rows(self, index: Int[Tensor, " N"]) -> "ScriptedDraws":
        """The draws of some of the sequences; what they take, they take here."""
        view = object.__new__(ScriptedDraws)
        view._tapes = [self._tapes[b] for b in index.tolist()]
        return view

    def __len__(self) -> int:
        return len(self._tapes)

    @property
    def probabilities(self) -> list[float]:
        """Of the paths taken, one per sequence."""
        return [tape.probability for tape in self._tapes]

    @property
    def not_taken(self) -> list[list[int]]:
        """Scripts of the paths that branch off from those taken."""
        return [script for tape in self._tapes for script in tape.not_taken]

    def categorical(
        self, log_probs: Float[Tensor, "*n V"], where: Bool[Tensor, "*n"]
    ) -> Int[Tensor, "*n"]:
        """One of the V, where it is wanted; else 0."""
        weights = log_probs.double().softmax(dim=-1)
        return self._choose(weights, where).long()

    def bernoulli(
        self, probs: Float[Tensor, "*n"], where: Bool[Tensor, "*n"]
    ) -> Bool[Tensor, "*n"]:
        """Heads or tails, where it is wanted; else tails."""
        weights = torch.stack([1 - probs.double(), probs.double()], dim=-1)
        return self._choose(weights, where).bool() & where

    def run_length(
        self, probs: Float[Tensor, "B K"], where: Bool[Tensor, "B K"]
    ) -> Int[Tensor, " B"]:
        """How many heads come before the first tails, as one choice."""
        heads = probs.double().masked_fill(~where, 0.0)
        reached = torch.cat([torch.ones_like(heads[:, :1]), heads.cumprod(dim=1)], dim=1)
        tails = 1 - torch.cat([heads, torch.zeros_like(heads[:, :1])], dim=1)
        return self._choose(reached * tails, where.any(dim=1)).long()

    def uniform(self, where: Bool[Tensor, "*n"]) -> Tensor:
        """Raises `NotEnumerable`: there are infinitely many."""
        raise NotEnumerable(
            "it draws numbers from [0, 1], of which there are infinitely many: no law can be "
            "enumerated."
        )

    def permutation(self, length: int) -> Int[Tensor, "B {length}"]:
        """One of all orders per sequence."""
        result = []
        for tape in self._tapes:
            left = list(range(length))
            result.append(
                [left.pop(tape.choose([1 / len(left)] * len(left))) for _ in range(length)]
            )
        return torch.tensor(result)

    def _choose(self, weights: Tensor, where: Tensor) -> Tensor:
        chosen = torch.zeros(where.shape, dtype=torch.long)
        flat_weights = weights.reshape(len(self._tapes), -1, weights.shape[-1]).tolist()
        flat_where = where.reshape(len(self._tapes), -1).tolist()
        flat_chosen = chosen.view(len(self._tapes), -1)
        for b, tape in enumerate(self._tapes):
            for n, is_wanted in enumerate(flat_where[b]):
                if is_wanted:
                    flat_chosen[b, n] = tape.choose(flat_weights[b][n])
        return chosen


class _Tape:
    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.taken: list[int] = []
        self.probability = 1.0
        self.not_taken: list[list[int]] = []

    def choose(self, weights: list[float]) -> int:
        options = [n for n, weight in enumerate(weights) if weight > 0]
        place = len(self.taken)
        if place < len(self.script):
            choice = self.script[place]
        else:
            choice = options[0]
            self.not_taken += [[*self.taken, other] for other in options[1:]]
        self.taken.append(choice)
        self.probability *= weights[choice]
        return choice


def every_outcome(
    program: Program, *, largest_batch: int = 4096, most_paths: int | None = None
) -> dict[Hashable, float]:
    """{outcome: its exact probability} over all random choices `program` can make.

    `program` gets draws for `len(draws)` sequences and returns one outcome for each. Raises
    `NotEnumerable` if there are more than `most_paths`.
    """
    distribution: dict[Hashable, float] = defaultdict(float)
    unexplored: list[list[int]] = [[]]
    num_paths = 0
    while unexplored:
        num_paths += len(unexplored[:largest_batch])
        if most_paths is not None and num_paths > most_paths:
            raise NotEnumerable(f"there are more than {most_paths:,} paths.")
        scripts, unexplored = unexplored[:largest_batch], unexplored[largest_batch:]
        draws = ScriptedDraws(scripts)
        for outcome, probability in zip(program(draws), draws.probabilities, strict=True):
            distribution[outcome] += probability
        unexplored += draws.not_taken
    total = sum(distribution.values())
    if not math.isclose(total, 1.0, rel_tol=1e-9):
        raise NotReplayed(
            f"the probabilities of all paths sum to {total:.6f}: the same choices did not lead "
            "the same way, so that something is drawn that does not come from Draws."
        )
    return dict(distribution)
