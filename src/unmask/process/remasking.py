"""How often a masked diffusion takes revealed tokens back: sigma, and the alpha it goes with.

In the step from time t to s < t a revealed token is masked again with probability sigma, at most

    sigma_max = min(1, (1 - alpha_s) / alpha_t).

With more, alpha_s would be out of reach even if all that was masked at t were revealed.

    cap           sigma = min(eta, sigma_max)
    rescale       sigma = eta sigma_max
    confidence    sigma_l = eta sigma_max exp(-c_l) / sum_m exp(-c_m),    l, m revealed
    loop          sigma = min(eta, sigma_max) if t_off < t <= t_on, else 0

c_l is the probability that the predictor gave the token at position l when it was revealed; at
masked positions that sigma is 0. A loop also bends the schedule, so that the share alpha_on stays
revealed while it is on:

    alpha~(t) = alpha_on alpha(t) / alpha(t_on)                              t > t_on
                alpha_on                                                     in between
                1 - (1 - alpha_on) (1 - alpha(t)) / (1 - alpha(t_off))       t < t_off

Source: Wang et al. (2025), arXiv:2503.00307, with defaults for 1,024 tokens in as many steps;
alpha~ of a schedule that is not linear is ours, and so is the eta of confidence.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.errors import ConfigError
from unmask.named import Named
from unmask.process.schedules import Schedule


@runtime_checkable
class Remasking(Protocol):
    """A rule for how often revealed tokens are taken back."""

    def alpha(self, schedule: Schedule, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """P(unmasked at t): as the schedule has it, unless the rule bends it."""
        return schedule.alpha(t)

    def sigma(
        self,
        t: Float[Tensor, "B 1"],
        sigma_max: Float[Tensor, "B 1"],
        confidence: Float[Tensor, "B L"],
    ) -> Float[Tensor, "B L"]:
        """P(masked again in the step that starts at t), by position; at most `sigma_max`.

        `confidence` is c, and inf where no revealed token can be taken back.
        """
        ...


@dataclass(frozen=True)
class Cap(Named, Remasking):
    """sigma = min(eta, sigma_max)."""

    name = "cap"
    eta: float = 0.008
    """Share of the revealed tokens that a step takes back, at most."""

    def __post_init__(self) -> None:
        _check_is_share("Cap.eta", self.eta)

    def sigma(
        self,
        t: Float[Tensor, "B 1"],
        sigma_max: Float[Tensor, "B 1"],
        confidence: Float[Tensor, "B L"],
    ) -> Float[Tensor, "B L"]:
        return sigma_max.clamp(max=self.eta).expand_as(confidence)


@dataclass(frozen=True)
class Rescale(Named, Remasking):
    """sigma = eta sigma_max."""

    name = "rescale"
    eta: float = 0.015
    """Share of what could be taken back that is."""

    def __post_init__(self) -> None:
        _check_is_share("Rescale.eta", self.eta)

    def sigma(
        self,
        t: Float[Tensor, "B 1"],
        sigma_max: Float[Tensor, "B 1"],
        confidence: Float[Tensor, "B L"],
    ) -> Float[Tensor, "B L"]:
        return (self.eta * sigma_max).expand_as(confidence)


@dataclass(frozen=True)
class Confidence(Named, Remasking):
    """One sigma_max for all revealed tokens together; the unsure ones have more of it.

    Where sigma depends on what is revealed, the share of revealed tokens no longer follows
    alpha to the letter: up to eta tokens per step are masked on top of what the schedule asks.
    """

    name = "confidence"
    eta: float = 1.0
    """Tokens that a step takes back, at most, on average."""

    def __post_init__(self) -> None:
        _check_is_share("Confidence.eta", self.eta)

    def sigma(
        self,
        t: Float[Tensor, "B 1"],
        sigma_max: Float[Tensor, "B 1"],
        confidence: Float[Tensor, "B L"],
    ) -> Float[Tensor, "B L"]:
        # Where nothing is revealed, nothing is shared out: 0/0 is 0 here.
        share = (-confidence).softmax(dim=1).nan_to_num(0.0)
        return self.eta * sigma_max * share


@dataclass(frozen=True)
class Loop(Named, Remasking):
    """No remasking first and last; in between a constant share revealed, in constant exchange."""

    name = "loop"
    eta: float = 0.02
    """Share of the revealed tokens that a step of the loop takes back."""
    t_on: float = 0.55
    """When the loop begins; time falls from 1 to 0."""
    t_off: float = 0.05
    """When it ends."""
    alpha_on: float = 0.9
    """Share of the tokens that is revealed during the loop."""

    def __post_init__(self) -> None:
        _check_is_share("Loop.eta", self.eta)
        if not 0 < self.t_off < self.t_on < 1:
            raise ConfigError(
                f"Loop needs 0 < t_off < t_on < 1, got t_on {self.t_on} and t_off {self.t_off}: "
                "time falls from 1 to 0, so the loop is on before it is off, with time to reveal "
                "tokens before and after it. 0.55 and 0.05 are a good start."
            )
        if not 0 < self.alpha_on < 1:
            raise ConfigError(
                f"Loop.alpha_on must be above 0 and below 1, got {self.alpha_on}: it is the "
                "share of tokens that is revealed while others are exchanged. 0.9 is a good start."
            )

    def alpha(self, schedule: Schedule, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        alpha = schedule.alpha(t)
        alpha_at_on, alpha_at_off = schedule.alpha(t.new_tensor([self.t_on, self.t_off]))
        # An extreme schedule has nothing revealed by t_on, or nothing masked by t_off, as far as
        # numbers go: 0/0 is 0 here, and all of it happens at once.
        before = self.alpha_on * (alpha / alpha_at_on).nan_to_num(0.0)
        after = 1 - (1 - self.alpha_on) * ((1 - alpha) / (1 - alpha_at_off)).nan_to_num(0.0)
        during = torch.full_like(t, self.alpha_on)
        found: Float[Tensor, "*n"] = before.where(
            t > self.t_on, after.where(t < self.t_off, during)
        )
        return found

    def sigma(
        self,
        t: Float[Tensor, "B 1"],
        sigma_max: Float[Tensor, "B 1"],
        confidence: Float[Tensor, "B L"],
    ) -> Float[Tensor, "B L"]:
        # A step of the loop may end after it, where sigma_max can be less than eta, or 0.
        is_on = (self.t_off < t) & (t <= self.t_on)
        return (sigma_max.clamp(max=self.eta) * is_on).expand_as(confidence)


REMASKINGS: dict[str, type[Remasking]] = {
    rule.name: rule for rule in (Cap, Rescale, Confidence, Loop)
}
"""The rules by the name they have on the command line."""


def _check_is_share(name: str, eta: float) -> None:
    if not 0 <= eta <= 1:
        raise ConfigError(
            f"{name} must lie between 0 and 1, got {eta}: it is a share of what is revealed, or "
            "of what may be taken back. 0 takes nothing back."
        )
