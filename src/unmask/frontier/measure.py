"""One sampler setting, measured: what it generates, what that costs, how good it is.

The unit of every number is the sample. Seconds are those of whole batches, shared out evenly
over the samples of a batch: what a user waits for, divided by what there is to show for it.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.frontier import memory
from unmask.frontier.course import Course
from unmask.model import Model
from unmask.samplers.registry import describe
from unmask.samplers.sampler import Sampler, sample


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Samples of one setting, an entry per sample in every list."""

    sampler: dict[str, Any]
    """Its name and settings."""
    seed: int
    """Sample n has the seed `seed` + n."""
    token_ids: list[list[int]]
    trunk_passes: list[int]
    tail_passes: list[int]
    nfe: list[float]
    accepted: list[int]
    rejected: list[int]
    seconds: list[float]
    """Of its batch, over the samples in it."""
    tokens_per_pass: list[float]
    """Mean number of tokens that the n-th trunk pass settled, over samples that made it."""
    acceptance: list[float]
    """Share of the drafts kept, by place of the order; empty where none was ever rejected."""
    peak_memory_bytes: float
    """Of the process on a CPU, of the device on a GPU; not a number where it cannot be known."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def _ignore(num_samples: int) -> None:
    pass


def measure(
    model: Model,
    sampler: Sampler,
    *,
    num_samples: int,
    seed: int,
    batch_size: int,
    observe: Callable[[int], None] = _ignore,
) -> Measurement:
    """Generate whole sequences of the model's length; `observe` is told how many are done."""
    network, length = model.network, model.length
    columns: dict[str, list[Any]] = {
        name: [] for name in ("token_ids", "trunk_passes", "tail_passes", "accepted", "rejected")
    }
    seconds: list[float] = []
    course = Course(length)
    memory.restart_peak(network.device)
    for seeds in torch.arange(seed, seed + num_samples).split(batch_size):
        given_ids = torch.full((len(seeds), length), network.vocab_size, device=network.device)
        draws = SeededDraws(seeds.tolist(), network.device)
        course.start_batch(len(seeds))
        start = time.perf_counter()
        samples = sample(network, sampler, given_ids, draws, course.note)
        elapsed = time.perf_counter() - start
        for name, values in columns.items():
            values += getattr(samples, name).tolist()
        seconds += [elapsed / len(seeds)] * len(seeds)
        observe(len(seconds))
    nfe = map(network.config.nfe, columns["trunk_passes"], columns["tail_passes"])
    return Measurement(
        sampler=describe(sampler),
        seed=seed,
        nfe=list(nfe),
        seconds=seconds,
        tokens_per_pass=course.tokens_per_pass(),
        acceptance=course.acceptance(),
        peak_memory_bytes=memory.peak_bytes(network.device),
        **columns,
    )


def measure_point(
    model: Model,
    sampler: Sampler,
    *,
    num_samples: int,
    seed: int,
    batch_size: int,
    observe: Callable[[int], None] = _ignore,
) -> dict[str, Any]:
    """What a report keeps of a setting: its measurement as plain JSON, with the texts."""
    found = measure(
        model,
        sampler,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
        observe=observe,
    )
    texts = [model.codec.decode(torch.tensor(ids)) for ids in found.token_ids]
    return {**found.to_json(), "texts": texts}


def check_sampling(num_samples: int, batch_size: int) -> None:
    """Raises `ConfigError` for too few samples, or none at a time."""
    if num_samples < 16:
        raise ConfigError(
            f"num_samples must be at least 16, got {num_samples}: an interval drawn "
            "from fewer means nothing. 64 gives a first impression, 512 a result."
        )
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
