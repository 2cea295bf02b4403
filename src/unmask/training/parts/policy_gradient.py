"""The gradient of an unmasking policy, from a group of rollouts (GRPO).

Rollout n generates a sequence of L wanted tokens under the policy. In its k-th pass, of N_n, the
policy observes o = (c, m, t) and reveals the set R (samplers/learned_policy.py). With Q_n in
[0, 1] the quality of what came out,

    reward      r_n = Q_n (1 - N_n / L)^alpha
    advantage   A_n = r_n - mean of the other rewards of the group
    loss        -(1/G) sum_n sum_k min(rho A_n, clip(rho, 1 - eps, 1 + eps) A_n),
                rho_nk = pi(R_nk | o_nk) / pi_old(R_nk | o_nk).

At pi = pi_old the gradient of the loss is, in expectation over groups, minus that of the mean
reward: the advantage is not divided by the standard deviation of the group, as in GRPO, which
would lose this (Liu et al.), and leaves the rollout's own reward out of the mean, which would
shrink it by (G - 1) / G. The factors of the reward multiply: a sum of quality and speed is best
served by revealing everything at once.

The network is asked while rolling out only. The ratios need what the policy observed and did.

Sources: Jazbec et al. (2025), arXiv:2512.09106, for the reward; Shao et al. (2024),
arXiv:2402.03300, for GRPO; Schulman et al. (2017), arXiv:1707.06347, for the clipped ratio; Liu
et al. (2025), arXiv:2503.20783, for the missing division.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.learned_policy import LearnedPolicy, UnmaskingPolicy, reveal_log_prob
from unmask.samplers.sampler import sample
from unmask.shapes import Counts, TokenIds


@dataclass(frozen=True)
class PolicyPasses:
    """N passes of a group of rollouts: what the policy observed, and what it revealed."""

    rollout: Int[Tensor, " N"]
    """Which rollout of the group each belongs to."""
    confidence: Float[Tensor, "N L"]
    is_masked: Bool[Tensor, "N L"]
    time: Float[Tensor, " N"]
    is_revealed: Bool[Tensor, "N L"]

    def log_probs(self, policy: UnmaskingPolicy) -> Float[Tensor, " N"]:
        """log pi(R | o) of each pass."""
        logits = policy(self.confidence, self.is_masked, self.time)
        return reveal_log_prob(logits, self.is_masked, self.is_revealed)

    def select(self, index: Int[Tensor, " M"]) -> "PolicyPasses":
        """Some of the passes."""
        return PolicyPasses(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class SampleGroup:
    """Rollouts from one start."""

    token_ids: TokenIds
    num_passes: Counts
    passes: PolicyPasses


def roll_out(
    predictor: Predictor, policy: UnmaskingPolicy, given_ids: TokenIds, draws: Draws
) -> SampleGroup:
    """A group of generations under the policy, with everything that it observed and did."""
    recorder = _Recorder(policy)
    sampler = LearnedPolicy(policy=recorder)
    samples = sample(predictor, sampler, given_ids, draws, recorder.note)
    recorded = recorder.passes
    columns = (
        torch.cat([getattr(p, field.name) for p in recorded]) for field in fields(PolicyPasses)
    )
    return SampleGroup(samples.token_ids, samples.trunk_passes, PolicyPasses(*columns))


class _Recorder:
    """A policy that remembers what it is asked and, as an observer, what came of it."""

    def __init__(self, policy: UnmaskingPolicy) -> None:
        self.policy = policy
        self.passes: list[PolicyPasses] = []
        self._asked: tuple[Tensor, Tensor, Tensor]

    def __call__(
        self,
        confidence: Float[Tensor, "B L"],
        is_masked: Bool[Tensor, "B L"],
        time: Float[Tensor, " B"],
    ) -> Float[Tensor, "B L"]:
        self._asked = (confidence, is_masked, time)
        return self.policy(confidence, is_masked, time)

    def note(self, state: MaskedState, cost: Cost[Counts], rows: Int[Tensor, " B"]) -> None:
        is_revealed = self._asked[1] & ~state.is_masked
        self.passes.append(PolicyPasses(rows, *self._asked, is_revealed))


def rewards(
    quality: Float[Tensor, " G"], num_passes: Counts, *, num_wanted: int, alpha: float
) -> Float[Tensor, " G"]:
    """r above; alpha = 0 asks for quality alone, whatever it costs."""
    return quality * (1 - num_passes.double() / num_wanted) ** alpha


def advantages(rewards: Float[Tensor, " G"]) -> Float[Tensor, " G"]:
    """A above, for groups of two or more."""
    return (rewards - rewards.mean()) * (len(rewards) / (len(rewards) - 1))


def clipped_loss(
    log_probs: Float[Tensor, " N"],
    old_log_probs: Float[Tensor, " N"],
    advantages: Float[Tensor, " N"],
    clip: float,
) -> Float[Tensor, ""]:
    """The sum over passes in the loss above, without 1/G; advantages are those of each pass."""
    ratio = (log_probs - old_log_probs).exp()
    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    return -gain.sum()
