"""What generating costs: tokens per second, what a pass takes, and what the sampler adds to it.

For each number of sequences at once, generating and its bare network passes (`replay.py`) take
turns. Their ratio is the claim that seconds follow passes.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from unmask.errors import ConfigError
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.engine import Engine, Request, Result
from unmask.samplers.sampler import Sampler
from unmask.samplers.streamed import along_stream
from unmask.speed import memory
from unmask.speed.paired import in_turns
from unmask.speed.replay import PassSeconds, Recorder, Recording
from unmask.speed.timed import TimedStream


@dataclass(frozen=True, kw_only=True)
class Row:
    """Sequences that are generated together, all from the start."""

    num_sequences: int
    seconds: float
    """Until the last of them is finished."""
    tokens_per_second: float
    nfe: float
    """Per sequence."""
    trunk_passes: float
    tail_passes: float
    num_trunk_batches: int
    num_tail_batches: int
    """Calls of the network, each for all sequences that take part."""
    trunk_seconds: float
    """Of one such call, by itself."""
    tail_seconds: float
    over_passes: float
    """Seconds of generating over those of its network passes by themselves."""
    peak_memory_bytes: float
    """Of generating; of the whole process on a CPU, weights included."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


def _ignore() -> None:
    pass


def measure(
    network: Any,
    sampler: Sampler,
    *,
    length: int,
    num_sequences: int,
    rounds: int = 3,
    seed: int = 0,
    given: Sequence[Tensor] = (),
    observe: Callable[[], None] = _ignore,
) -> Row:
    """Generate `num_sequences` of `length` tokens, in turns with the bare passes.

    `given` is what is given of each, where they are of several lengths.

    `observe` is told of each of the 2 (rounds + 1) turns.
    """
    for name, value in (("num_sequences", num_sequences), ("rounds", rounds)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    if isinstance(network, StreamPredictor):
        return _measure_stream(
            network,
            sampler,
            length=length,
            num_sequences=num_sequences,
            rounds=rounds,
            seed=seed,
            given=given,
            observe=observe,
        )
    recording, results = record(
        network, sampler, length=length, num_sequences=num_sequences, seed=seed, given=given
    )
    num_tokens = _num_tokens(results, network)
    bare: list[PassSeconds] = []

    def generate() -> None:
        generated(
            network, sampler, length=length, num_sequences=num_sequences, seed=seed, given=given
        )

    def play() -> float:
        bare.append(recording.play(network))
        return bare[-1].total

    memory.restart_peak(network.device)
    generate()
    peak_memory = memory.peak_bytes(network.device)
    generating, passes = in_turns([generate, play], rounds=rounds, observe=observe)
    middle = sorted(bare[1:], key=lambda found: found.total)[len(bare[1:]) // 2]
    num_trunk, num_tail = recording.count("draft"), recording.count("verify")
    trunk = sum(result.trunk_passes for result in results) / num_sequences
    tail = sum(result.tail_passes for result in results) / num_sequences
    return Row(
        num_sequences=num_sequences,
        seconds=generating.median,
        tokens_per_second=num_tokens / generating.median,
        nfe=network.config.nfe(trunk, tail),
        trunk_passes=trunk,
        tail_passes=tail,
        num_trunk_batches=num_trunk,
        num_tail_batches=num_tail,
        trunk_seconds=middle.trunk / num_trunk,
        tail_seconds=middle.tail / num_tail if num_tail else math.nan,
        over_passes=generating.over(passes),
        peak_memory_bytes=peak_memory,
    )


def _measure_stream(
    network: Any,
    sampler: Sampler,
    *,
    length: int,
    num_sequences: int,
    rounds: int,
    seed: int,
    given: Sequence[Tensor],
    observe: Callable[[], None],
) -> Row:
    """`measure` where passes cannot be made again by themselves: they are timed as they come."""
    config = network.config
    found: list[tuple[float, TimedStream, list[Result]]] = []
    memory.restart_peak(network.device)
    for turn in range(rounds + 1):
        timed = TimedStream(network)
        start = time.perf_counter()
        results = generated(
            timed, sampler, length=length, num_sequences=num_sequences, seed=seed, given=given
        )
        if turn:
            found.append((time.perf_counter() - start, timed, results))
        for _ in range(2):
            observe()
    seconds, timed, results = sorted(found, key=lambda each: each[0])[len(found) // 2]
    trunk = sum(result.trunk_passes for result in results) / num_sequences
    tail = sum(result.tail_passes for result in results) / num_sequences
    work = [
        config.work(r.cost.trunk.tokens, r.cost.tail.tokens, len(r.token_ids)) for r in results
    ]
    return Row(
        num_sequences=num_sequences,
        seconds=seconds,
        tokens_per_second=_num_tokens(results, network) / seconds,
        nfe=sum(work) / num_sequences,
        trunk_passes=trunk,
        tail_passes=tail,
        num_trunk_batches=timed.num_trunk,
        num_tail_batches=timed.num_tail,
        trunk_seconds=timed.seconds.trunk / timed.num_trunk,
        tail_seconds=timed.seconds.tail / timed.num_tail if timed.num_tail else math.nan,
        over_passes=seconds / timed.seconds.total,
        peak_memory_bytes=memory.peak_bytes(network.device),
    )


def _num_tokens(results: Sequence[Result], network: Any) -> int:
    """That were generated."""
    return sum(int((r.request.given_ids == network.vocab_size).sum()) for r in results)


def record(
    network: Any,
    sampler: Sampler,
    *,
    length: int,
    num_sequences: int,
    seed: int = 0,
    given: Sequence[Tensor] = (),
) -> tuple[Recording, list[Result]]:
    """The network's calls while it generates, and what comes out."""
    recorder = Recorder(network)
    results = generated(
        recorder, sampler, length=length, num_sequences=num_sequences, seed=seed, given=given
    )
    return recorder.recording, results


def generated(
    predictor: Any,
    sampler: Sampler,
    *,
    length: int,
    num_sequences: int,
    seed: int = 0,
    given: Sequence[Tensor] = (),
) -> list[Result]:
    """Whole sequences, all begun together."""
    blank = torch.full((length,), predictor.vocab_size, device=predictor.device)
    every = list(given) or [blank] * num_sequences
    requests = [
        Request(given_ids=one, sampler=along_stream(sampler, predictor, one), seed=seed + n)
        for n, one in enumerate(every)
    ]
    return list(Engine(predictor, num_slots=num_sequences).run(requests))
