"""Which optimiser turns which weights, and how fast.

Muon orthogonalises the momentum of each matrix inside the blocks; embeddings, unembeddings and
norms, where orthogonality means nothing, go to AdamW. At this project's small scale Muon learns
more per minute than AdamW alone (docs/log.md).

Sources: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks"; Liu et
al. (2025), arXiv:2502.16982, for its scaling; Loshchilov and Hutter (2019), arXiv:1711.05101.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unmask.errors import ConfigError
from unmask.training.stacked_muon import StackedMuon

_REMEMBERED = {
    StackedMuon: ("momentum_buffer",),
    torch.optim.AdamW: ("step", "exp_avg", "exp_avg_sq"),
}


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Learning rates and their course."""

    matrices: Literal["muon", "adamw"] = "muon"
    """What turns the matrices inside the blocks; everything else is AdamW's."""
    matrix_lr: float = 0.02
    """Peak learning rate of the matrices: about 0.02 for Muon, 1e-3 for AdamW."""
    lr: float = 4e-3
    """Peak learning rate of embeddings, unembeddings and norms."""
    beta2: float = 0.99
    """AdamW's memory of squared gradients; the first beta is 0.9."""
    weight_decay: float = 0.0
    """Decoupled decay of the matrices, times the learning rate."""
    warmup_steps: int = 100
    """Steps over which the learning rate rises from zero to its peak."""
    final_lr_share: float = 0.0
    """Share of the peak at which the cosine ends."""
    grad_clip: float = 1.0
    """Largest norm of the gradient of all weights together."""

    def __post_init__(self) -> None:
        for name in ("matrix_lr", "lr", "grad_clip"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"OptimizerConfig.{name} must be positive, got {getattr(self, name)}."
                )
        for name in ("weight_decay", "warmup_steps"):
            if not getattr(self, name) >= 0:
                raise ConfigError(
                    f"OptimizerConfig.{name} must not be negative, got {getattr(self, name)}."
                )
        if not 0 <= self.beta2 < 1:
            raise ConfigError(
                f"OptimizerConfig.beta2 must lie in [0, 1), got {self.beta2}. 0.99 suits short "
                "runs, 0.999 long ones."
            )
        if not 0 <= self.final_lr_share <= 1:
            raise ConfigError(
                f"OptimizerConfig.final_lr_share must lie in [0, 1], got {self.final_lr_share}: "
                "it is a share of the peak."
            )
        if self.matrices not in ("muon", "adamw"):
            raise ConfigError(
                f"OptimizerConfig.matrices must be 'muon' or 'adamw', got {self.matrices!r}."
            )

    def lr_share(self, step: int, num_steps: int) -> float:
        """Share of the peak learning rate at a step: a linear rise, then half a cosine."""
        done = (step - self.warmup_steps) / max(1, num_steps - self.warmup_steps)
        return self._share(step, done)

    def lr_share_by_time(self, step: int, share_of_time: float) -> float:
        """The same where the cosine follows the clock; the rise is in steps as before."""
        return self._share(step, share_of_time)

    def _share(self, step: int, done: float) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.final_lr_share + (1 - self.final_lr_share) * cosine


def is_block_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a weight maps hidden states to hidden states."""
    return parameter.ndim == 2 and "embedding" not in name


def build(model: nn.Module, config: OptimizerConfig) -> list[torch.optim.Optimizer]:
    """The optimisers of a network; between them they hold each of its weights once."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if is_block_matrix(name, p)]
    others = [p for name, p in named if not is_block_matrix(name, p)]
    betas = (0.9, config.beta2)
    if config.matrices == "adamw":
        groups = [
            {"params": matrices, "lr": config.matrix_lr, "weight_decay": config.weight_decay},
            {"params": others, "lr": config.lr, "weight_decay": 0.0},
        ]
        return [_with_peak(torch.optim.AdamW(groups, betas=betas))]
    muon = StackedMuon(
        matrices, lr=config.matrix_lr, weight_decay=config.weight_decay, momentum=0.95
    )
    adamw = torch.optim.AdamW(others, lr=config.lr, betas=betas, weight_decay=0.0)
    return [_with_peak(muon), _with_peak(adamw)]


def set_lr_share(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    """Put every group at a share of its own peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share


def state_tensors(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What the optimisers remember, named `<weight>/<quantity>`; all of it is tensors."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{quantity}": torch.as_tensor(value)
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for quantity, value in state.items()
    }


def load_state_tensors(
    model: nn.Module, optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]
) -> None:
    """Give the optimisers back what `state_tensors` took after a step.

    Raises:
        ValueError: it was taken from other optimisers, or from those of another network.
    """
    parameters = dict(model.named_parameters())
    names = {id(p): name for name, p in parameters.items()}
    owners = {
        f"{names[id(p)]}/{quantity}": optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for p in group["params"]
        for quantity in _REMEMBERED[type(optimizer)]
    }
    differing = sorted(owners.keys() ^ tensors.keys())
    if differing:
        where = "missing from" if differing[0] in owners else "not expected in"
        raise ValueError(f"{differing[0]!r} is {where} what the optimisers remembered")
    for key, tensor in tensors.items():
        name, quantity = key.rsplit("/", 1)
        owners[key].state[parameters[name]][quantity] = tensor
    move_state(optimizers, next(model.parameters()).device)


def move_state(optimizers: list[torch.optim.Optimizer], device: torch.device) -> None:
    """Take what the optimisers remember to where the weights are."""
    for optimizer in optimizers:
        for state in optimizer.state.values():
            for quantity, value in state.items():
                # AdamW counts its steps on the CPU, whatever the device of the weights.
                state[quantity] = value.to("cpu" if quantity == "step" else device)


def _with_peak(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    for group in optimizer.param_groups:
        group["peak_lr"] = group["lr"]
    return optimizer
