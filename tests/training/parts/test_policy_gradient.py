"""The estimate of the gradient against the exact one, by enumeration of every rollout."""

import itertools
import math

import pytest
import torch
from torch import nn

from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import every_outcome
from unmask.predictors.table import JointTable
from unmask.training.parts.policy_gradient import (
    PolicyPasses,
    advantages,
    clipped_loss,
    rewards,
    roll_out,
)

# Tokens 0 and 1 are equal nine times out of ten, token 2 leans on token 0.
TABLE = JointTable(
    torch.tensor([[[0.30, 0.15], [0.04, 0.01]], [[0.02, 0.03], [0.15, 0.30]]]).double().log()
)
LENGTH, NUM_WANTED, ALPHA = 3, 4, 0.7  # as if of four, so that three passes are worth something
START = [0.2, -0.7, 0.5, -0.4]


class Linear(nn.Module):
    """b_i = w0 + w1 c_i + w2 i t + w3 (number masked), in float64."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(START, dtype=torch.float64))

    def forward(self, confidence, is_masked, time):
        w0, w1, w2, w3 = self.weights
        place = torch.arange(confidence.shape[1])
        crowd = is_masked.sum(dim=1, keepdim=True)
        return w0 + w1 * confidence + w2 * place * time[:, None] + w3 * crowd


def quality_of(tokens):
    return 0.2 + 0.6 * (tokens[0] == tokens[1]) + 0.2 * tokens[2]


def exact_mean_reward(weights):
    """By plain recursion over what may be revealed and drawn, differentiable in the weights."""
    w0, w1, w2, w3 = weights

    def value(tokens, num_passes):
        masked = [n for n, token in enumerate(tokens) if token == 2]
        if not masked:
            return quality_of(tokens) * (1 - num_passes / NUM_WANTED) ** ALPHA
        log_probs = TABLE.draft(torch.tensor([tokens]), torch.tensor([masked])).log_probs
        probs = dict(zip(masked, log_probs[0].exp().tolist(), strict=True))
        time = len(masked) / LENGTH
        logits = {n: w0 + w1 * max(probs[n]) + w2 * n * time + w3 * len(masked) for n in masked}
        total = torch.zeros((), dtype=torch.float64)
        for coins in itertools.product([False, True], repeat=len(masked)):
            chance = torch.ones((), dtype=torch.float64)
            for n, is_head in zip(masked, coins, strict=True):
                share = torch.sigmoid(logits[n])
                chance = chance * (share if is_head else 1 - share)
            chosen = [n for n, is_head in zip(masked, coins, strict=True) if is_head]
            chosen = chosen or [max(masked, key=lambda n: logits[n].item())]
            for values in itertools.product(range(2), repeat=len(chosen)):
                drawn = dict(zip(chosen, values, strict=True))
                weight = math.prod(probs[n][drawn[n]] for n in chosen)
                after = [drawn.get(n, token) for n, token in enumerate(tokens)]
                total = total + chance * weight * value(after, num_passes + 1)
        return total

    return value([2] * LENGTH, 0)


def every_rollout(policy):
    """{(tokens, its passes in plain numbers): probability}."""

    def program(draws):
        given_ids = torch.full((len(draws), LENGTH), 2)
        group = roll_out(TABLE, policy, given_ids, draws)
        passes = [[] for _ in range(len(draws))]
        columns = ("confidence", "is_masked", "time", "is_revealed")
        rows = zip(*(getattr(group.passes, name).tolist() for name in columns), strict=True)
        for n, (confidence, is_masked, time, is_revealed) in zip(
            group.passes.rollout.tolist(), rows, strict=True
        ):
            passes[n].append((tuple(confidence), tuple(is_masked), time, tuple(is_revealed)))
        assert group.num_passes.tolist() == [len(own) for own in passes]
        tokens = map(tuple, group.token_ids.tolist())
        return list(zip(tokens, map(tuple, passes), strict=True))

    return every_outcome(program)


def test_the_estimate_is_unbiased_for_groups_of_two():
    """Every pair of rollouts, weighed by its probability, beside the derivative of the mean."""
    policy = Linear()
    outcomes = list(every_rollout(policy).items())
    probability = torch.tensor([p for _, p in outcomes], dtype=torch.float64)
    quality = torch.tensor([quality_of(tokens) for (tokens, _), _ in outcomes]).double()
    num_passes = torch.tensor([len(passes) for (_, passes), _ in outcomes])
    reward = rewards(quality, num_passes, num_wanted=NUM_WANTED, alpha=ALPHA)

    weight = torch.zeros_like(reward)  # of each rollout: its advantage, in expectation
    for a, b in itertools.product(range(len(outcomes)), repeat=2):
        advantage = advantages(reward[[a, b]])
        weight[a] += probability[a] * probability[b] * advantage[0] / 2
        weight[b] += probability[a] * probability[b] * advantage[1] / 2
    columns = zip(*(row for (_, passes), _ in outcomes for row in passes), strict=True)
    confidence, is_masked, time, is_revealed = (torch.tensor(column) for column in columns)
    rollout = torch.arange(len(outcomes)).repeat_interleave(num_passes)
    passes = PolicyPasses(rollout, confidence.double(), is_masked, time.double(), is_revealed)
    log_probs = passes.log_probs(policy)
    clipped_loss(log_probs, log_probs.detach(), weight[rollout], clip=0.2).backward()

    weights = policy.weights.detach().requires_grad_()
    mean_reward = exact_mean_reward(weights)
    (exact,) = torch.autograd.grad(mean_reward, weights)
    assert (probability * reward).sum().item() == pytest.approx(mean_reward.item(), abs=1e-7)
    assert exact.abs().min() > 1e-3
    torch.testing.assert_close(policy.weights.grad, -exact, rtol=1e-6, atol=1e-9)


def test_what_was_recorded_has_the_probability_with_which_it_happened():
    """Rollouts weighed by the ratio of two policies follow the other policy."""
    policy, other = Linear(), Linear()
    other.weights.data += torch.tensor([0.3, -0.2, 0.1, 0.1]).double()
    found = {}
    for (tokens, passes), probability in every_rollout(policy).items():
        confidence, is_masked, time, is_revealed = map(torch.tensor, zip(*passes, strict=True))
        recorded = PolicyPasses(
            torch.zeros(len(time), dtype=torch.long), confidence.double(), is_masked,
            time.double(), is_revealed,
        )  # fmt: skip
        ratio = (recorded.log_probs(other) - recorded.log_probs(policy)).sum().exp().item()
        found[tokens, passes] = probability * ratio
    assert math.fsum(found.values()) == pytest.approx(1, abs=1e-6)
    expected = every_rollout(other)
    assert found == pytest.approx({key: expected[key] for key in found}, rel=1e-5)


def test_rollouts_are_the_same_in_any_batch():
    policy, given_ids = Linear(), torch.full((9, LENGTH), 2)
    together = roll_out(TABLE, policy, given_ids, SeededDraws(range(9)))
    for n in range(9):
        alone = roll_out(TABLE, policy, given_ids[:1], SeededDraws([n]))
        assert torch.equal(alone.token_ids[0], together.token_ids[n])
        own = together.passes.select((together.passes.rollout == n).nonzero().squeeze(1))
        assert torch.equal(own.is_revealed, alone.passes.is_revealed)
        assert torch.equal(own.confidence, alone.passes.confidence)


def test_rewards_multiply():
    found = rewards(
        torch.tensor([1.0, 0.5, 1.0, 0.8]).double(), torch.tensor([2, 2, 8, 1]),
        num_wanted=8, alpha=2.0,
    )  # fmt: skip
    assert found.tolist() == pytest.approx([0.75**2, 0.5 * 0.75**2, 0.0, 0.8 * 0.875**2])
    free = rewards(torch.tensor([0.3]).double(), torch.tensor([8]), num_wanted=8, alpha=0.0)
    assert free.item() == pytest.approx(0.3)


def test_an_advantage_is_over_the_others_of_the_group():
    reward = torch.tensor([1.0, 0.0, 0.5, 0.1]).double()
    others = [(0.6 / 3), (1.6 / 3), (1.1 / 3), (1.5 / 3)]
    expected = [r - mean for r, mean in zip(reward.tolist(), others, strict=True)]
    assert advantages(reward).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.1, 1.0, 1.1, 1.1),
        (1.5, 1.0, 1.2, 0.0),  # good, and already much likelier than it was
        (0.5, 1.0, 0.5, 0.5),
        (1.5, -1.0, -1.5, -1.5),  # bad, and likelier than it was
        (0.5, -1.0, -0.8, 0.0),  # bad, and already much less likely
    ],
)
def test_ratios_that_have_moved_far_enough_are_moved_no_further(ratio, advantage, gain, slope):
    log_probs = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    old = torch.zeros(1, dtype=torch.float64)
    loss = clipped_loss(log_probs, old, torch.tensor([advantage]).double(), clip=0.2)
    loss.backward()
    assert loss.item() == pytest.approx(-gain)
    assert log_probs.grad.item() == pytest.approx(-slope)
