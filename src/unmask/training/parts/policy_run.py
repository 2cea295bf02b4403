"""A training run of an unmasking policy: roll out, step, report, save, until told to stop.

The folder of a run is a policy like any other, renewed with each checkpoint, and holds

    trainer.yaml            what it was started with
    metrics.jsonl           one line per step
    training.safetensors    everything the next step depends on

The network stays as it is. A step depends on the checkpoint before it and on (seed, step) alone,
so a run that was interrupted and resumed ends in the same weights.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from unmask.draws import SeededDraws, stream_seed
from unmask.errors import ConfigError
from unmask.network.policy import PolicyConfig, PolicyNetwork, write_policy
from unmask.predictors.protocol import Predictor
from unmask.shapes import TokenIds
from unmask.training import optimizers
from unmask.training.clock import Clock
from unmask.training.parts.loop import go_on
from unmask.training.parts.policy_config import PolicyTrainer
from unmask.training.parts.policy_gradient import (
    SampleGroup,
    advantages,
    clipped_loss,
    rewards,
    roll_out,
)
from unmask.training.parts.state import PartState, Resume, open_part_run
from unmask.training.run_folder import RUN_FILE, RunRecord
from unmask.training.state import Progress

_PASSES_AT_A_TIME = 128

Quality = Callable[[TokenIds], Float[Tensor, " G"]]
"""How good each sequence is, from 0 to 1."""


@dataclass(frozen=True)
class PolicyReport:
    """What observers are told after a step: means over its group."""

    progress: Progress
    reward: float
    quality: float
    passes: float
    grad_norm: float
    """Before clipping, of the first update: that of the policy gradient itself."""
    drift: float
    """Mean of |rho - 1| over passes after the last update but one."""

    def rows(self) -> list[dict[str, float | int]]:
        """The line of metrics.jsonl."""
        row = {
            "step": self.progress.step,
            "seconds": round(self.progress.seconds, 3),
            "cpu_seconds": round(self.progress.cpu_seconds, 3),
            "reward": self.reward,
            "quality": self.quality,
            "passes": self.passes,
            "grad_norm": self.grad_norm,
            "drift": self.drift,
        }
        return [row]


def open_run(
    config: PolicyConfig,
    trainer: PolicyTrainer,
    folder: Path,
    resume: Resume = "never",
    record: RunRecord | None = None,
) -> PartState:
    """A run before its first step, or with resume "auto" the one that is in `folder`.

    Raises `ConfigError` if the policy cannot read sequences of the length it is to be trained
    on, and what `open_part_run` raises. Writes nothing.
    """
    if trainer.length > config.length:
        raise ConfigError(
            f"PolicyTrainer.length must be at most {config.length}, the longest sequence that "
            f"the policy reads; got {trainer.length}."
        )
    policy = PolicyNetwork(config, seed=trainer.seed)
    return open_part_run(policy, trainer.optimizer, folder, resume, record)


def train(
    predictor: Predictor,
    quality: Quality,
    state: PartState,
    trainer: PolicyTrainer,
    folder: Path,
    *,
    record: RunRecord | None = None,
    observe: Callable[[PolicyReport], None] = lambda report: None,
) -> None:
    """Go on from `state` to the last step, the time limit or SIGTERM.

    Raises:
        OutputError: a file could not be written; the checkpoint before it is intact.
    """
    session = _Session(predictor, quality, state, trainer)
    notes = {"trainer.yaml": yaml.safe_dump(asdict(trainer), sort_keys=False)}
    notes |= {} if record is None else {RUN_FILE: record.to_json()}
    go_on(session, trainer, folder, notes=notes, observe=observe)


class _Session:
    """From where `state` stands to the end of this process."""

    def __init__(
        self, predictor: Predictor, quality: Quality, state: PartState, trainer: PolicyTrainer
    ) -> None:
        self.predictor, self.quality, self.state, self.trainer = predictor, quality, state, trainer
        assert isinstance(state.part, PolicyNetwork)
        state.to(predictor.device)
        self.policy = state.part
        self.clock = Clock(state.progress)

    def take_step(self) -> PolicyReport:
        """One group rolled out, and the updates on it."""
        trainer, step = self.trainer, self.state.progress.step
        group = self._roll_out(step)
        quality = self.quality(group.token_ids).to(self.predictor.device)
        reward = rewards(quality, group.num_passes, num_wanted=trainer.length, alpha=trainer.alpha)
        share = trainer.optimizer.lr_share(step, trainer.num_steps)
        optimizers.set_lr_share(self.state.optimizers, share)
        grad_norm, drift = self._update(group, advantages(reward))
        self.state.progress = self.clock.after_step(step + 1, group.token_ids.numel())
        return PolicyReport(
            self.state.progress,
            reward=reward.mean().item(),
            quality=quality.mean().item(),
            passes=group.num_passes.double().mean().item(),
            grad_norm=grad_norm,
            drift=drift,
        )

    def _roll_out(self, step: int) -> SampleGroup:
        trainer, device = self.trainer, self.predictor.device
        shape = (trainer.group_size, trainer.length)
        given_ids = torch.full(shape, self.predictor.vocab_size, device=device)
        seeds = [stream_seed(trainer.seed, step, row) for row in range(trainer.group_size)]
        return roll_out(self.predictor, self.policy, given_ids, SeededDraws(seeds, device))

    def _update(self, group: SampleGroup, advantage: Float[Tensor, " G"]) -> tuple[float, float]:
        """Optimiser steps; the norm of the first gradient, and how far the last ratios were."""
        index = torch.arange(len(group.passes.rollout), device=advantage.device)
        parts = [group.passes.select(rows) for rows in index.split(_PASSES_AT_A_TIME)]
        with torch.no_grad():
            old_log_probs = [part.log_probs(self.policy) for part in parts]
        norms, drifts = [], []
        for _ in range(self.trainer.updates):
            drift = 0.0
            for part, old in zip(parts, old_log_probs, strict=True):
                log_probs = part.log_probs(self.policy)
                loss = clipped_loss(log_probs, old, advantage[part.rollout], self.trainer.clip)
                (loss / self.trainer.group_size).backward()
                drift += (log_probs.detach() - old).expm1().abs().sum().item() / len(index)
            norms.append(self.state.descend(self.trainer.optimizer.grad_clip))
            drifts.append(drift)
        return norms[0], drifts[-1]

    def save(self, folder: Path) -> None:
        """Write the policy, and then what the run goes on from."""
        write_policy(folder, self.policy)
        self.state.save(folder)
