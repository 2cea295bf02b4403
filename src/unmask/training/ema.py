"""The running average of the weights, which is what a run ships.

    average <- decay_n average + (1 - decay_n) weights,   decay_n = min(decay, (1 + n)/(10 + n))

so that early averages forget the initialisation. Source of the ramp: Tensorflow's
ExponentialMovingAverage (num_updates), as used by most diffusion models.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of `model` that follows it with each `update_parameters(model)`."""
    return AveragedModel(model, multi_avg_fn=_ramped(decay), use_buffers=False)


def _ramped(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    def average(
        averages: Sequence[Tensor], weights: Sequence[Tensor], num_averaged: Tensor | int
    ) -> None:
        count = int(num_averaged)  # once for all weights: on a GPU it waits for the device
        share = 1 - min(decay, (1 + count) / (10 + count))
        for mean, weight in zip(averages, weights, strict=True):
            mean.lerp_(weight, share)

    return average
