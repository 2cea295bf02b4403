"""One sampler setting, measured: what it generates, what that costs, how good it is.

The unit of every number is the sample. The time of a pass is shared out evenly over the samples
in it, so that the seconds of all samples add up to what a user waits for them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch

from unmask.cost import Cost
from unmask.errors import ConfigError
from unmask.frontier.trajectory import Trajectory
from unmask.models.text import TextModel
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.registry import describe
from unmask.samplers.sampler import Sampler
from unmask.samplers.streamed import along_stream
from unmask.speed import memory


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Samples of one setting, an entry per sample in every list."""

    sampler: dict[str, Any]
    """Its name and settings."""
    seed: int
    """Sample n has the seed `seed` + n."""
    token_ids: list[list[int]]
    num_tokens: list[int]
    """That were generated."""
    costs: list[Cost[int]]
    nfe: list[float]
    """Work, in passes of the whole network over the whole sequence."""
    critical_path: list[float]
    """Passes that wait for one another, in passes of the whole network: where all passes run the
    whole sequence, the same as `nfe`."""
    seconds: list[float]
    """Its share of the time that all samples took."""
    tokens_per_pass: list[float]
    """Mean number of tokens that the n-th trunk pass settled, over samples that made it."""
    acceptance: list[float]
    """Share of the drafts kept, by place of the order; empty where none was ever rejected."""
    peak_memory_bytes: float
    """Of the process on a CPU, of the device on a GPU; not a number where it cannot be known."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: of the costs the four columns that reports are made of."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        costs = [cost.to_json() for cost in own.pop("costs")]
        return own | {name: [cost[name] for cost in costs] for name in _COUNTED}


def _ignore(num_samples: int) -> None:
    pass


def measure(
    model: TextModel,
    sampler: Sampler,
    *,
    num_samples: int,
    seed: int,
    batch_size: int,
    observe: Callable[[int], None] = _ignore,
) -> Measurement:
    """Generate whole sequences, of the model's length or of lengths as it learnt them.

    `observe` is told how many are done.
    """
    network = model.network
    every = [one.to(network.device) for one in model.given_for(num_samples, seed)]
    lengths = [int((one == network.vocab_size).sum()) for one in every]
    course = Trajectory(max(lengths), num_samples)
    engine = Engine(network, num_slots=batch_size, observe=course.note)
    described = describe(sampler)
    along: dict[int, Sampler] = {}
    for one in every:
        along.setdefault(len(one), along_stream(sampler, network, one))
    requests = (
        Request(given_ids=one, sampler=along[len(one)], seed=seed + n)
        for n, one in enumerate(every)
    )
    memory.restart_peak(network.device)
    results: list[Result] = []
    start = time.perf_counter()
    for result in engine.run(requests):
        results.append(result)
        observe(len(results))
    elapsed = time.perf_counter() - start
    results.sort(key=lambda result: result.number)
    # What is not of any step, such as filling slots, is shared out with the rest.
    overhead = elapsed / sum(result.busy_seconds for result in results)
    return Measurement(
        sampler=described,
        seed=seed,
        token_ids=[result.token_ids.tolist() for result in results],
        num_tokens=lengths,
        costs=[result.cost for result in results],
        nfe=[model.nfe(result) for result in results],
        critical_path=[network.config.nfe(r.trunk_passes, r.tail_passes) for r in results],
        seconds=[result.busy_seconds * overhead for result in results],
        tokens_per_pass=course.tokens_per_pass(),
        acceptance=course.acceptance(),
        peak_memory_bytes=memory.peak_bytes(network.device),
    )


_COUNTED = ("trunk_passes", "tail_passes", "accepted", "rejected")


def measure_point(
    model: TextModel,
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
    texts = [model.vocabulary.decode(torch.tensor(ids)) for ids in found.token_ids]
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
