"""The running average of the weights, which is what a run ships.

    average <- decay_n average + (1 - decay_n) weights,   decay_n = min(decay, (1 + n)/(10 + n))

so that early averages forget the initialisation. Source of the ramp: Tensorflow's
ExponentialMovingAverage (num_updates), as used by most diffusion models.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of `model` that follows it with each `update_parameters(model)`."""
    return AveragedModel(model, avg_fn=_ramped(decay), use_buffers=False)


def _ramped(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    def average(average: Tensor, weight: Tensor, num_averaged: Tensor | int) -> Tensor:
        count = int(num_averaged)
        return average.lerp(weight, 1 - min(decay, (1 + count) / (10 + count)))

    return average
