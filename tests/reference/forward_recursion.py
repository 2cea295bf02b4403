"""The slow twin of `unmask.speculation.likelihood`: plain probabilities, plain loops.

For one sequence in the order of its positions, with a_i(d) = min(p_i(d), q_i(d)) the chance
that a pass started at i accepts the observed token d and r_i(d) = max(0, q_i(d) - p_i(d)) the
chance that it rejects a draft and puts the observed token there (d counts from 0 here, so a
pass started at i settles i, i + 1, ..., w - 1 with w = min(D, i + W(i))):

    F(i)  the probability that x_0..x_(i-1) is emitted and a pass starts at i    forwards
    B(i)  the probability that x_i..x_(D-1) is emitted by passes from i on       backwards

Given that x is emitted, a pass starts at i with probability F(i) B(i) / B(num_given). Numbers
may be floats or `Decimal`s, whose exponents do not run out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Number = Any


@dataclass(frozen=True)
class ForwardRecursion:
    """accept[i][k] is a_i(i + k), reject[i][k] is r_i(i + k), window_sizes[i] is W(i)."""

    accept: list[list[Number]]
    reject: list[list[Number]]
    window_sizes: list[int]
    verify_rounds: int
    num_given: int

    @property
    def length(self) -> int:
        return len(self.window_sizes)

    def ends(self, i: int) -> Mapping[tuple[int, int], Number]:
        """{(d, rounds): probability} that a pass from i settles x up to place d - 1 and ends.

        The states of the pass are (d, n): tokens before place d are settled, n were rejected.
        """
        stop = min(self.length, i + self.window_sizes[i])
        running: dict[tuple[int, int], Number] = {(i, 0): 1}
        ends: dict[tuple[int, int], Number] = {}
        for d in range(i, stop):
            a, r = self.accept[i][d - i], self.reject[i][d - i]
            for n in range(self.verify_rounds):
                here = running.pop((d, n), 0)
                if d + 1 == stop:
                    # The window is settled in round n + 1, whether its last draft stays or not.
                    ends[stop, n + 1] = here * (a + r)
                    continue
                running[d + 1, n] = running.get((d + 1, n), 0) + here * a
                if n + 1 == self.verify_rounds:
                    ends[d + 1, n + 1] = here * r
                else:
                    running[d + 1, n + 1] = here * r
        return ends

    def forward(self) -> list[Number]:
        """F(0), ..., F(D)."""
        reached: list[Number] = [0] * (self.length + 1)
        reached[self.num_given] = 1
        for i in range(self.num_given, self.length):
            for (d, _), probability in self.ends(i).items():
                reached[d] += reached[i] * probability
        return reached

    def backward(self) -> list[Number]:
        """B(0), ..., B(D)."""
        rest: list[Number] = [0] * self.length + [1]
        for i in reversed(range(self.num_given, self.length)):
            rest[i] = sum(probability * rest[d] for (d, _), probability in self.ends(i).items())
        return rest

    def likelihood(self) -> Number:
        """p(x | order, what is given) = F(D)."""
        return self.forward()[-1]

    def trunk_passes(self) -> Number:
        """Expected number of passes, given x."""
        reached, rest = self.forward(), self.backward()
        starts = zip(reached[:-1], rest[:-1], strict=True)
        return sum(f * b for f, b in starts) / rest[self.num_given]

    def tail_passes(self, *, first_target_is_draft: bool) -> Number:
        """Expected number of verify rounds, given x."""
        reached, rest = self.forward(), self.backward()
        total = 0
        for i in range(self.num_given, self.length):
            if self.window_sizes[i] == 1 and first_target_is_draft:
                continue
            for (d, rounds), probability in self.ends(i).items():
                total += reached[i] * probability * rest[d] * rounds
        return total / rest[self.num_given]

    def acceptance(self, place: int) -> Number:
        """P(the token there was a draft accepted), given x: the paths that do not replace it."""
        return replace(self, reject=_closed(self.reject, place)).likelihood() / self.likelihood()

    def replacement(self, place: int) -> Number:
        """P(the token there replaced a rejected draft), given x."""
        return replace(self, accept=_closed(self.accept, place)).likelihood() / self.likelihood()


def _closed(arcs: list[list[Number]], place: int) -> list[list[Number]]:
    """`arcs` without those that settle `place`."""
    return [[arc * (i + k != place) for k, arc in enumerate(row)] for i, row in enumerate(arcs)]


def of_logs(
    log_draft: list[list[float]],
    log_target: list[list[float]],
    window_sizes: list[int],
    *,
    verify_rounds: int,
    num_given: int,
    number: type = float,
) -> ForwardRecursion:
    """From log p_i(i + k) and log q_i(i + k), by start i and column k."""

    def exp(log_prob: float) -> Number:
        return math.exp(log_prob) if number is float else number(log_prob).exp()

    accept, reject = [], []
    for log_p_row, log_q_row in zip(log_draft, log_target, strict=True):
        pairs = [(exp(p), exp(q)) for p, q in zip(log_p_row, log_q_row, strict=True)]
        accept.append([min(p, q) for p, q in pairs])
        reject.append([max(p * 0, q - p) for p, q in pairs])
    return ForwardRecursion(accept, reject, window_sizes, verify_rounds, num_given)
