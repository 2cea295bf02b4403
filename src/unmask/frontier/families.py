"""The samplers that can be compared, each with the knob that says how many passes it spends.

The verify rounds of the self-speculative family go with its window as in the paper (paper.py),
and are interpolated between. Other choices of rounds, orders and windows are families of their
own; what each is worth on text8s-any is in docs/frontier.md and docs/log.md.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from unmask.errors import ConfigError
from unmask.files.tensors import weights_fingerprint
from unmask.frontier import paper
from unmask.frontier.budget import Family, Passes
from unmask.models.text import TextModel
from unmask.process import grids, remasking, windows
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.common.ordered_state import OrderChoice
from unmask.samplers.dilated import Dilated
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.factor import Factor
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.klass import Klass
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.maskgit import MaskGIT
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.spec import read_sampler
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.top_k import TopKEntropy, TopKMargin
from unmask.speculation.filters import Filter

_STEPS = (1.0, 4096.0)
_WINDOWS = (1.0, 16.0)
"""Of a causal trunk, in tokens: as far as the shipped one is trained."""
_COOL = Filter(temperature=0.8)
"""Rules that reveal what is sure sharpen the law of the samples: they spell better and repeat
themselves. So does a low temperature, so the fair opponents of such a rule are the cool ones."""
_PAPER_DTAU = np.log(list(paper.ROUNDS))
_PAPER_ROUNDS = np.array(list(paper.ROUNDS.values()))


def rounds_for(dtau: float) -> int:
    """The paper's verify rounds for a window, interpolated in log dtau."""
    return int(np.rint(np.interp(math.log(dtau), _PAPER_DTAU, _PAPER_ROUNDS)))


def _self_speculative(window: Callable[[float], windows.Window], **choices: Any) -> Family:
    def make(dtau: float) -> Sampler:
        return SelfSpeculative(window=window(dtau), verify_rounds=rounds_for(dtau), **choices)

    return Family(make, 0.001, 1.0)


def _few_rounds(knob: float) -> Sampler:
    """The knob is N, with a wide window; below 1 the window shrinks instead."""
    window = windows.Cosine(_WIDE * min(1.0, knob))
    return SelfSpeculative(window=window, verify_rounds=max(1, round(knob)))


_WIDE = 0.3


def _spaced_few_rounds(dtau: float) -> Sampler:
    """Very wide windows, whose first rounds end soon, are worth two rounds more."""
    num_rounds = 6 if dtau > _WIDE else 4
    return SelfSpeculative(window=windows.Cosine(dtau), verify_rounds=num_rounds, order="spaced")


def _patient(patience: float) -> Sampler:
    return SelfSpeculative(window=windows.Cosine(0.2), verify_rounds=16, patience=patience)


def _target_only_passes(dtau: float, length: int) -> Passes:
    window = windows.Cosine(dtau)
    begins = windows.starts(window, length)
    # The first token of each window needs no tail pass: its target is its draft.
    return float(len(begins)), float(length - len(begins))


def _window_passes(num_tokens: float, length: int) -> Passes:
    return float(math.ceil(length / num_tokens)), 0.0


def _one_per_token(knob: float, length: int) -> Passes:
    return float(length), 0.0


def _fixed_partition(order: OrderChoice) -> Family:
    return Family(
        lambda dtau: FixedPartition(window=windows.Cosine(dtau), order=order),
        0.001,
        1.0,
        passes=_fixed_partition_passes,
    )


def _fixed_partition_passes(dtau: float, length: int) -> Passes:
    return float(len(windows.starts(windows.Cosine(dtau), length))), 0.0


def _ancestral_passes(num_steps: float, length: int) -> Passes:
    """A step in which none of the L tokens falls costs nothing: sum_n 1 - (1 - d_n)^L."""
    shares = -grids.Cosine().times(int(num_steps)).diff()
    return float((1 - (1 - shares) ** length).sum()), 0.0


def _star_shaped_passes(num_steps: float, length: int, *, judging: int = 0) -> Passes:
    """A star-shaped step guesses, and but for the last is judged; before, as ancestral ones.

    On the linear grid each of the L tokens falls into each of T steps with probability 1 / T.
    """
    times = grids.Linear().times(int(num_steps))[:-1]
    star_times = times[times <= StarShaped().t_on]
    num_star = len(star_times)
    passes = (len(times) - num_star) * (1 - (1 - 1 / len(times)) ** length)
    if num_star:  # unless nothing is left to guess, which is hardly ever so
        passes += num_star - float(1 - star_times[0]) ** length + judging * (num_star - 1)
    return passes, 0.0


def _one_per_step(num_steps: float, length: int) -> Passes:
    return min(num_steps, length), 0.0


def _dilated_passes(num_tokens: float, length: int) -> Passes:
    """A block of B tokens takes log2 B passes; here the knob is B."""
    block_length = _power_of_two(num_tokens)
    num_blocks = math.ceil(length / block_length)
    return num_blocks * max(1.0, math.log2(block_length)), 0.0


def _power_of_two(number: float) -> int:
    return int(2 ** round(math.log2(number)))


def _lookahead_passes(num_tokens: float, length: int) -> Passes:
    return 1 + 2.0 * (math.ceil(length / num_tokens) - 1), 0.0


def _stepwise(
    make: Callable[[float], Sampler],
    passes: Callable[[float, int], Passes] | None = _one_per_step,
) -> Family:
    return Family(make, *_STEPS, is_rising=True, is_whole=True, passes=passes)


FAMILIES: dict[str, Family] = {
    "self-speculative": _self_speculative(windows.Cosine),
    "self-speculative/few-rounds": Family(_few_rounds, 0.003, 32.0),
    "self-speculative/linear": _self_speculative(windows.Linear),
    "self-speculative/spaced": _self_speculative(windows.Cosine, order="spaced"),
    "self-speculative/spaced-few-rounds": Family(_spaced_few_rounds, 0.001, 1.0),
    "self-speculative/confident": _self_speculative(windows.Cosine, order="confident"),
    "self-speculative/patient": Family(_patient, 0.003, 30.0),
    "self-speculative/cool": _self_speculative(windows.Cosine, filter=_COOL),
    "self-speculative/left-to-right": Family(
        lambda x: SelfSpeculative(
            window=windows.Fixed(int(x)), verify_rounds=int(x), order="left-to-right"
        ),
        *_WINDOWS,
        is_whole=True,
    ),
    "fixed-partition/left-to-right": Family(
        lambda x: FixedPartition(window=windows.Fixed(int(x)), order="left-to-right"),
        *_WINDOWS,
        is_whole=True,
        passes=_window_passes,
    ),
    "lossless": Family(lambda x: Lossless(num_tokens=int(x)), *_WINDOWS, is_whole=True),
    "lossless/factorised": Family(
        lambda x: Lossless(num_tokens=int(x), drafts="factorised"), *_WINDOWS, is_whole=True
    ),
    "lossless-branching": Family(
        lambda x: LosslessBranching(num_tokens=int(x)), 2.0, 16.0, is_whole=True
    ),
    "autoregressive": Family(lambda x: Autoregressive(), 1.0, 1.0, passes=_one_per_token),
    "target-only": Family(
        lambda dtau: TargetOnly(window=windows.Cosine(dtau)),
        0.001,
        1.0,
        passes=_target_only_passes,
    ),
    "fixed-partition": _fixed_partition("random"),
    "fixed-partition/spaced": _fixed_partition("spaced"),
    "ancestral": _stepwise(lambda x: Ancestral(num_steps=int(x)), _ancestral_passes),
    "ancestral/cool": _stepwise(
        lambda x: Ancestral(num_steps=int(x), filter=_COOL), _ancestral_passes
    ),
    "maskgit": _stepwise(lambda x: MaskGIT(num_steps=int(x))),
    "top-k-margin": _stepwise(lambda x: TopKMargin(num_steps=int(x))),
    "top-k-entropy": _stepwise(lambda x: TopKEntropy(num_steps=int(x))),
    "semi-autoregressive": Family(
        lambda x: SemiAutoregressive(num_steps=int(x)),
        8.0,
        4096.0,
        is_rising=True,
        is_whole=True,
        passes=_one_per_step,
    ),
    "threshold": Family(lambda x: Threshold(threshold=1 - x), 1e-6, 0.999),
    "factor": Family(lambda x: Factor(factor=x), 1e-4, 300.0),
    "entropy-bounded": Family(lambda x: EntropyBounded(bound=x), 1e-4, 300.0),
    "klass": Family(lambda x: Klass(threshold=0.6, kl_bound=x), 1e-6, 30.0),
    "dilated": Family(
        lambda x: Dilated(block_length=_power_of_two(x)), 1.0, 4096.0, passes=_dilated_passes
    ),
    "remdm/cap": _stepwise(lambda x: ReMDM(num_steps=int(x), remasking=remasking.Cap()), None),
    "remdm/rescale": _stepwise(
        lambda x: ReMDM(num_steps=int(x), remasking=remasking.Rescale()), None
    ),
    "remdm/confidence": _stepwise(
        lambda x: ReMDM(num_steps=int(x), remasking=remasking.Confidence()), None
    ),
    "remdm/loop": _stepwise(lambda x: ReMDM(num_steps=int(x), remasking=remasking.Loop()), None),
    "star-shaped": _stepwise(lambda x: StarShaped(num_steps=int(x)), _star_shaped_passes),
    "lookahead": Family(
        lambda x: Lookahead(num_tokens=int(x), pool_size=max(5, 2 * int(x))),
        1.0,
        256.0,
        is_whole=True,
        passes=_lookahead_passes,
    ),
}
"""What `unmask evaluate` can compare on any model."""


def _learned_policy(model: TextModel) -> Family:
    policy = model.policy()
    return Family(
        lambda x: LearnedPolicy(policy=policy, boldness=x),
        0.01,
        100.0,
        weights=weights_fingerprint(policy),
    )


def _learned_star_shaped(model: TextModel) -> Family:
    predictor = model.error_head()
    chosen = _stepwise(
        lambda x: StarShaped(num_steps=int(x), error_predictor=predictor),
        partial(_star_shaped_passes, judging=predictor.trunk_passes),
    )
    return replace(chosen, weights=weights_fingerprint(predictor.head))


LEARNED: dict[str, Callable[[TextModel], Family]] = {
    "learned-policy": _learned_policy,
    "star-shaped/learned": _learned_star_shaped,
}
"""Families that need a part trained for the model, and lying with it."""


def family_names() -> list[str]:
    """All there are."""
    return [*FAMILIES, *LEARNED]


def check_is_family(name: str) -> None:
    """Raises `ConfigError`: with the list of names, or with what a spec may say."""
    if name in family_names():
        return
    if "(" not in name and name not in SAMPLERS:
        raise ConfigError(
            f"there is no sampler {name!r} to evaluate. Choose from: {', '.join(family_names())}; "
            "or give a spec, such as self-speculative(order=spaced, verify_rounds=4)."
        )
    read_sampler(name)


def family(name: str, model: TextModel) -> Family:
    """A family by name, or by the spec of a sampler, for a model.

    Raises:
        ConfigError: there is no such family.
        CheckpointError: it needs a trained part that the model has not got.
    """
    check_is_family(name)
    if name in LEARNED:
        return LEARNED[name](model)
    chosen = FAMILIES[name] if name in FAMILIES else _of_spec(name)
    widest = model.network.config.max_window
    if widest and (chosen.low, chosen.high) == _WINDOWS:
        return replace(chosen, high=min(chosen.high, float(widest)))  # as far as it drafts
    return chosen


def _of_spec(spec: str) -> Family:
    """The family of a sampler, whose knob turns what the spec does not say.

    If the spec says it, every knob is one setting, which stands for the budgets it comes near.
    """
    kind = type(read_sampler(spec))
    head = next((name for name, one in FAMILIES.items() if type(one.make(one.low)) is kind), "")
    if not head:
        return Family(lambda knob: read_sampler(spec), 1.0, 1.0)
    begun = FAMILIES[head]

    def make(knob: float) -> Sampler:
        return read_sampler(spec, {head.partition("/")[0]: begun.make(knob)})

    return replace(begun, make=make, passes=None)
