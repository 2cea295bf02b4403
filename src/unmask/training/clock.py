"""How long a run has taken, over all its sessions, and how fast it goes now."""

import time
from dataclasses import replace

from unmask.training.state import Progress

_NUM_RECENT = 50


class Clock:
    """Adds this session's time to what earlier sessions took."""

    def __init__(self, before: Progress) -> None:
        self._before = before
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._recent: list[tuple[float, int]] = [(self._wall, before.num_tokens)]

    def after_step(self, step: int, num_tokens: int) -> Progress:
        """Where the run stands after a step of so many tokens."""
        now = time.perf_counter()
        total = self._recent[-1][1] + num_tokens
        self._recent = [*self._recent[-_NUM_RECENT:], (now, total)]
        return replace(
            self._before,
            step=step,
            num_tokens=total,
            seconds=self._before.seconds + now - self._wall,
            cpu_seconds=self._before.cpu_seconds + time.process_time() - self._cpu,
        )

    def tokens_per_second(self) -> float:
        """Over the last 50 steps, validation and checkpoints included."""
        (start, first), (end, last) = self._recent[0], self._recent[-1]
        return (last - first) / max(end - start, 1e-9)

    def session_minutes(self) -> float:
        """Since this session began."""
        return (time.perf_counter() - self._wall) / 60
