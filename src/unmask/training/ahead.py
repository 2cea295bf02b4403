"""Batches made ahead, by processes beside the one that trains: the same ones, sooner.

A batch is a function of the run's seed and the step, so it does not matter who makes it, or when.
Worth it where the device is faster than the making: on a GPU, or for questions.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from unmask.shapes import TokenIds
from unmask.training.task import Task


class _Steps(Dataset[Any]):
    """The batches of a run, by step."""

    def __init__(self, task: Task, seed: int, size: int) -> None:
        self._task, self._seed, self._size = task, seed, size

    def __getitem__(self, step: int) -> Any:
        return self._task.batch(self._seed, step, self._size)


def batches(
    task: Task, seed: int, size: int, *, steps: range, num_workers: int
) -> Iterator[tuple[TokenIds, Any]]:
    """What `task.batch` makes for each of the steps; with no workers, when it is asked for."""
    if num_workers == 0:
        return (task.batch(seed, step, size) for step in steps)
    loader = DataLoader(
        _Steps(task, seed, size),
        batch_size=None,
        sampler=steps,
        num_workers=num_workers,
        prefetch_factor=4,
        worker_init_fn=_start_worker,
        multiprocessing_context="fork",  # the text is not copied
    )
    return iter(loader)


def _start_worker(number: int) -> None:
    torch.set_num_threads(1)
