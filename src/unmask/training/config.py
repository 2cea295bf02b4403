"""How long a run trains, on what, and how often it reports."""

from dataclasses import dataclass
from typing import Literal, get_args

from unmask.errors import ConfigError

Orders = Literal["random", "left-to-right"]


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The course of a training run."""

    num_steps: int = 8000
    """Steps in all, over every session of the run; the cosine ends here."""
    batch_size: int = 32
    """Sequences per step, over all processes together."""
    seed: int = 0
    """Of the weights, the crops and the masks. Step n draws from (seed, n) alone."""
    orders: Orders = "random"
    """random: of every order, any share revealed, as masked diffusion needs it. left-to-right:
    nothing revealed, in reading order; the tail becomes an autoregressive model."""
    precision: Literal["float32", "bf16"] = "bf16"
    """Of the matrix products (autocast); weights and optimisers stay in float32."""
    compile: bool = False
    """Let torch.compile fuse the network; needs a C++ compiler on CPU, and a minute."""
    ema_decay: float = 0.999
    """Of the running average of the weights, which is what the run ships."""
    minutes: float = float("inf")
    """Stop this session after so long, with a checkpoint; `--resume auto` goes on."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    validate_every: int = 500
    """Steps between validations."""
    num_valid: int = 512
    """Validation sequences, always the same."""
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        for name in (
            "num_steps", "batch_size", "log_every", "validate_every", "checkpoint_every"
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"TrainerConfig.{name} must be at least 1, got {getattr(self, name)}."
                )
        if self.num_valid < 2:
            raise ConfigError(
                f"TrainerConfig.num_valid must be at least 2, got {self.num_valid}: a standard "
                "error needs two sequences."
            )
        if not -(2**63) <= self.seed < 2**63:
            raise ConfigError(
                f"TrainerConfig.seed must fit into 64 bits with a sign, got {self.seed}."
            )
        if not self.minutes > 0:
            raise ConfigError(f"TrainerConfig.minutes must be positive, got {self.minutes}.")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(
                f"TrainerConfig.ema_decay must lie in [0, 1), got {self.ema_decay}. "
                "0 ships the last weights."
            )
        if self.orders not in get_args(Orders):
            raise ConfigError(
                f"TrainerConfig.orders must be 'random' or 'left-to-right', got {self.orders!r}."
            )
        if self.precision not in ("float32", "bf16"):
            raise ConfigError(
                f"TrainerConfig.precision must be 'float32' or 'bf16', got {self.precision!r}."
            )
