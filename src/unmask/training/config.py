"""How long a run trains, on what, and how often it reports."""

from dataclasses import dataclass
from typing import Literal, get_args

from unmask.errors import ConfigError

Orders = Literal["random", "left-to-right"]
OrdersChoice = Literal["random", "left-to-right", "auto"]
Schedule = Literal["steps", "time"]


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The course of a training run."""

    num_steps: int = 8000
    """Steps in all, over every session of the run; the cosine ends here."""
    batch_size: int = 32
    """Sequences per step, over all processes together."""
    seed: int = 0
    """Of the weights, the crops and the masks. Step n draws from (seed, n) alone."""
    orders: OrdersChoice = "random"
    """random: of every order, any share revealed, as masked diffusion needs it. left-to-right:
    nothing revealed, in reading order; the tail becomes an autoregressive model. auto: of the
    answers to questions left-to-right, of anything else random."""
    given_share: float = 0.0
    """Of a causal trunk: share of the examples in which something is given first, anywhere, and
    the rest is learnt from left to right (`HybridConfig.fills_in`)."""
    stream_weight: float = 1.0
    """Of the stream's cross-entropy in what is minimised; there is one if the trunk is causal."""
    draft_weight: float = 1.0
    """Of the draft's."""
    target_weight: float = 1.0
    """Of the target's."""
    schedule: Schedule = "steps"
    """What the cosine of the learning rate follows. steps: it ends with `num_steps`. time: it
    ends with `minutes`, of all sessions together, and so does the run, whatever `num_steps` is;
    such a run goes on after an interruption, but not bit for bit."""
    precision: Literal["float32", "bf16"] = "bf16"
    """Of the matrix products (autocast); weights and optimisers stay in float32."""
    workers: int = 0
    """Processes that make batches ahead of the step that needs them; 0: it makes them itself."""
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

    def orders_of(self, usual: Orders) -> Orders:
        """Those chosen, or where the choice is left to what is learnt, these."""
        return usual if self.orders == "auto" else self.orders

    @property
    def is_timed(self) -> bool:
        """Whether the run ends by the clock."""
        return self.schedule == "time"

    @property
    def most_steps(self) -> int:
        """That a run can have."""
        return 2**62 if self.is_timed else self.num_steps

    def __post_init__(self) -> None:
        for name in (
            "num_steps", "batch_size", "log_every", "validate_every", "checkpoint_every"
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"TrainerConfig.{name} must be at least 1, got {getattr(self, name)}."
                )
        if self.workers < 0:
            raise ConfigError(f"TrainerConfig.workers must be at least 0, got {self.workers}.")
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
        if self.schedule not in get_args(Schedule):
            raise ConfigError(
                f"TrainerConfig.schedule must be 'steps' or 'time', got {self.schedule!r}."
            )
        if self.schedule == "time" and self.minutes == float("inf"):
            raise ConfigError(
                "TrainerConfig.schedule 'time' needs TrainerConfig.minutes: the cosine ends when "
                "they are over. Give both, such as --trainer.schedule time --trainer.minutes 8."
            )
        if not 0 <= self.given_share <= 1:
            raise ConfigError(
                f"TrainerConfig.given_share must be from 0 to 1, got {self.given_share}: it is a "
                "share of the examples."
            )
        for name in ("stream_weight", "draft_weight", "target_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"TrainerConfig.{name} must be a number of at least 0, got "
                    f"{getattr(self, name)}."
                )
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(
                f"TrainerConfig.ema_decay must lie in [0, 1), got {self.ema_decay}. "
                "0 ships the last weights."
            )
        if self.orders not in get_args(OrdersChoice):
            raise ConfigError(
                "TrainerConfig.orders must be 'random', 'left-to-right' or 'auto', got "
                f"{self.orders!r}."
            )
        if self.precision not in ("float32", "bf16"):
            raise ConfigError(
                f"TrainerConfig.precision must be 'float32' or 'bf16', got {self.precision!r}."
            )
