"""The running average of the weights, which is what a run ships.

    average <- decay_n average + (1 - decay_n) weights,   decay_n = min(decay, (1 + n)/(10 + n))

so that early averages forget the initialisation. Source of the ramp: Tensorflow's
ExponentialMovingAverage (num_updates), as used by most diffusion models.
"""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module) -> AveragedModel:
    """A copy of `model`, which `update` lets follow it."""
    return AveragedModel(model, use_buffers=False)


@torch.no_grad()
def update(averaged: AveragedModel, model: nn.Module, decay: float) -> None:
    """One step of the average; the first takes the weights as they are.

    Counts on the CPU, where `n_averaged` must be: on a GPU it would wait for the device.
    """
    count = int(averaged.n_averaged)
    share = 1.0 if count == 0 else 1 - min(decay, (1 + count) / (10 + count))
    means: list[Tensor] = list(averaged.module.parameters())
    weights: list[Tensor] = list(model.parameters())
    torch._foreach_lerp_(means, weights, share)
    averaged.n_averaged += 1
