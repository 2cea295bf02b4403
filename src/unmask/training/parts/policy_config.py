"""How long a policy is trained, on what, and how much a pass costs."""

from dataclasses import dataclass

from unmask.errors import ConfigError
from unmask.training.optimizers import OptimizerConfig


@dataclass(frozen=True, kw_only=True)
class PolicyTrainer:
    """The course of a training run."""

    num_steps: int = 200
    """Steps in all, over every session of the run; each rolls out one group."""
    group_size: int = 64
    """G: rollouts per step, all from nothing but MASK."""
    length: int = 64
    """Tokens of a rollout; short ones give more of a gradient for the time (docs/log.md)."""
    alpha: float = 0.5
    """How much passes cost: quality counts (1 - passes / length)^alpha times."""
    updates: int = 6
    """Optimiser steps on each group; after the first the ratios are clipped."""
    clip: float = 0.2
    """eps: how far the probability of what a pass revealed may move and still be rewarded."""
    lr: float = 0.01
    """Peak learning rate of AdamW, on a cosine over the run."""
    seed: int = 0
    """Of the weights and the rollouts. Step n draws from (seed, n) alone."""
    minutes: float = float("inf")
    """Stop this session after so long, with a checkpoint; `--resume auto` goes on."""
    checkpoint_every: int = 5
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        for name, least in (
            ("num_steps", 1), ("group_size", 2), ("length", 2), ("updates", 1),
            ("checkpoint_every", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ConfigError(
                    f"PolicyTrainer.{name} must be at least {least}, got {getattr(self, name)}."
                )
        for name in ("clip", "lr", "minutes"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"PolicyTrainer.{name} must be positive, got {getattr(self, name)}."
                )
        if not 0 <= self.alpha < float("inf"):
            raise ConfigError(
                f"PolicyTrainer.alpha must be a number of at least 0, got {self.alpha}: 0 asks "
                "for quality alone, 1 weighs it against passes, 10 wants few passes."
            )
        if not -(2**63) <= self.seed < 2**63:
            raise ConfigError(
                f"PolicyTrainer.seed must fit into 64 bits with a sign, got {self.seed}."
            )

    @property
    def optimizer(self) -> OptimizerConfig:
        """AdamW on everything, at one rate."""
        return OptimizerConfig(matrices="adamw", matrix_lr=self.lr, lr=self.lr, warmup_steps=5)
