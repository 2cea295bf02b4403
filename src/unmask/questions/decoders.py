"""The ways to decode an answer that are compared, by name: RULE, RULE+CACHE, or draft-verify.

    one-by-one          the surest token of the block, one per pass: a reference
    left-to-right       the next token, one per pass: the other
    half-steps          the two surest
    threshold, factor   Fast-dLLM's rules at 0.9 and 1; threshold-T and factor-F at others
    entropy-bounded, klass, dilated
    RULE+prefix, RULE+dual, RULE+delayed-R, RULE+greedy, RULE+prefill
    wino                drafts at 0.6, kept at 0.9; without a cache
    self-draft-4        writes what one-by-one writes, four drafts in a pass; without a cache
    self-speculative-W  by a causal tail, in reading order, windows of W tokens; or, as
                        self-speculative-W/T, of those before one drafted at less than T
    prefix-verify-W     windows of W (16) in reading order, judged by the whole network, token by
                        token (FeF): writes what left-to-right writes
    target-only-W       windows of W (4) in reading order, written by the tail (ADJUST)
    draft-verify/VERIFICATION/VIEW[/prefix][/T][/every-K][/keep-P][/replace-R][/own]   drafts by
                        threshold-T+dual (0.6), K passes (4) at a time, of the one that drafts for
                        it if there is one, else (or with /own) of the model itself; kept from
                        probability P on (0.5) by the rules confidence and disagreement; the first
                        that is rejected becomes the verifier's own, from probability R on (never)
    drafter/DECODER     the one that drafts for it, alone

Or, with any setting, by a spec (samplers/spec.py): a name of those above that is a sampler's, too,
begins with the settings it has here, and the spec says which are others:

    threshold(threshold=0.95)+dual
    draft-verify(rule=confidence, view=shadow, num_draft_passes=2)+prefix(block_length=16)

All are greedy, go block by block, and stop where the text ends.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from unmask.caching.policies import CachePolicy, Delayed, Dual, Greedy, Prefill, Prefix
from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.process.blocks import LeftToRight, check_divides
from unmask.process.windows import Fixed
from unmask.samplers.dilated import Dilated
from unmask.samplers.draft_round import View
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.factor import Factor
from unmask.samplers.klass import Klass
from unmask.samplers.prefix_verify import PrefixVerify
from unmask.samplers.registry import SAMPLERS
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.spec import read_cached
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.wino import Wino
from unmask.samplers.wrappers.early_stop import EarlyStop
from unmask.speculation.acceptance_rules import Rule
from unmask.speculation.filters import Filter

_GREEDY = Filter(temperature=0.0)

_RULES: dict[str, Callable[[int, int], Sampler]] = {
    "one-by-one": lambda room, block: SemiAutoregressive(
        num_steps=room, block_length=block, filter=_GREEDY
    ),
    "left-to-right": lambda room, block: SemiAutoregressive(
        num_steps=room, block_length=1, filter=_GREEDY
    ),
    "half-steps": lambda room, block: SemiAutoregressive(
        num_steps=max(room // 2, -(-room // block)), block_length=block, filter=_GREEDY
    ),
    "threshold": lambda room, block: Threshold(
        threshold=0.9, blocks=LeftToRight(block), filter=_GREEDY
    ),
    "factor": lambda room, block: Factor(factor=1.0, blocks=LeftToRight(block), filter=_GREEDY),
    "entropy-bounded": lambda room, block: EntropyBounded(
        bound=0.1, blocks=LeftToRight(block), filter=_GREEDY
    ),
    "klass": lambda room, block: Klass(
        threshold=0.6, kl_bound=0.015, blocks=LeftToRight(block), filter=_GREEDY
    ),
    "dilated": lambda room, block: Dilated(block_length=block, filter=_GREEDY),
    "wino": lambda room, block: Wino(block_length=block, filter=_GREEDY),
    "self-draft-4": lambda room, block: SelfDraft(num_drafts=4, blocks=LeftToRight(block)),
    "self-speculative": lambda room, block: SelfSpeculative(
        window=Fixed(8), order="left-to-right", filter=_GREEDY
    ),
    "prefix-verify": lambda room, block: PrefixVerify(filter=_GREEDY),
    "target-only": lambda room, block: TargetOnly(
        window=Fixed(4), order="left-to-right", filter=_GREEDY
    ),
}
_CACHES: dict[str, Callable[[int], CachePolicy]] = {
    "prefix": Prefix,
    "dual": Dual,
    "delayed-4": lambda block: Delayed(4, block),
    "delayed-8": lambda block: Delayed(8, block),
    "greedy": lambda block: Greedy(),
    "prefill": lambda block: Prefill(),
}
_WINDOWED = ("self-speculative", "prefix-verify", "target-only")
_NUMBERED = ("threshold", "factor", *_WINDOWED)
_UNCACHED = ("wino", "self-draft-4", *_WINDOWED)
"""Rules whose passes are over more than the sequences as they stand, or read all of them."""
_BY_TAIL = ("self-speculative", "target-only")
DRAFT_THRESHOLD = 0.6
"""From which confidence a drafter reveals a token: lower than it would without a verifier."""
DRAFT_PASSES = 4
"""Of the drafter, from one verification to the next."""
_ALONE, _OWN = "drafter/", "own"


def decoder(name: str, model: ChatModel, room: int, block: int | None = None) -> Sampler:
    """A decoder by name, for answers of at most `room` tokens in blocks of `block`.

    None are as many as its folder says.

    Raises:
        ConfigError: there is none of this name; says what there is. Or `room` is not a whole
            number of its blocks.
    """
    block = model.defaults.block_length if block is None else block
    if block < 1:
        raise ConfigError(f"a block has at least 1 token, got {block}. 8 to 64 are usual.")
    made = _decoder(name, model, room, block)
    check_divides(made, room)
    return made


def _decoder(name: str, model: ChatModel, room: int, block: int) -> Sampler:
    if _is_spec(name):
        return _of_spec(name.removeprefix(_ALONE), model, room, block)
    if _verifies(name):
        return EarlyStop(sampler=_draft_verify(name, model, block), end_ids=model.end_ids)
    name = name.removeprefix(_ALONE)
    rule, _, cache = name.partition("+")
    rule, _, threshold = rule.partition("/")
    rule, setting = _setting(rule)
    is_known = rule in _RULES and (not threshold or rule == "self-speculative")
    if not is_known or (cache and cache not in _CACHES):
        raise _unknown(name)
    if cache and rule in _UNCACHED:
        raise ConfigError(
            f"{rule} cannot be used with a cache, got {name!r}: its passes are over more than "
            f"the sequences as they stand. Ask for {rule!r} alone."
        )
    if rule in _BY_TAIL and not model.has_tail:
        raise ConfigError(
            f"{rule} works by causal blocks, and {model.name} has none of them. Train some "
            "with `unmask train adapt` and name them with --tail."
        )
    sampler = _RULES[rule](room, block)
    if setting is not None:
        sampler = _with(sampler, rule, setting)
    if threshold:
        sampler = _with(sampler, "threshold", _number(threshold))
    made = EarlyStop(sampler=sampler, end_ids=model.end_ids)
    return model.with_cache(made, _CACHES[cache](block)) if cache else made


def _is_spec(name: str) -> bool:
    """Whether a decoder is not named by a name alone."""
    rule, _, cache = name.removeprefix(_ALONE).partition("+")
    return "(" in name or (rule in SAMPLERS and rule not in (*_RULES, "draft-verify"))


def _of_spec(spec: str, model: ChatModel, room: int, block: int) -> Sampler:
    usual: dict[str, Any] = {name: rule(room, block) for name, rule in _RULES.items()}
    usual["draft-verify"] = _new_draft_verify(block)
    usual |= {name: policy(block) for name, policy in _CACHES.items()}
    sampler, cache = read_cached(spec, usual)
    if cache is None and isinstance(sampler, DraftVerify):
        cache = Dual(block)
    made = model.stop_at_end(sampler if cache is None else model.with_cache(sampler, cache))
    model.check(made)
    return made


def asked(name: str, model: ChatModel) -> ChatModel:
    """The model as the decoder of this name asks it: with what drafts for it, or without."""
    if is_of_drafter(name):
        return model.drafter_alone
    return model if drafts(name) else model.alone


def drafts(name: str) -> bool:
    """Whether the decoder of this name has use for a model that drafts."""
    return _verifies(name) and _OWN not in name.split("/")


def is_of_drafter(name: str) -> bool:
    """Whether this decoder is the drafter's, alone."""
    return name.startswith(_ALONE)


def _verifies(name: str) -> bool:
    return name.startswith("draft-verify")


def _setting(rule: str) -> tuple[str, float | None]:
    """A rule and its number, of those that are named with one."""
    name, _, number = rule.rpartition("-")
    return (name, _number(number)) if name in _NUMBERED else (rule, None)


def _with(sampler: Sampler, choice: str, setting: float) -> Sampler:
    if choice not in _WINDOWED:
        return replace(sampler, **{choice: setting})  # type: ignore[type-var]
    if setting != int(setting):
        raise ConfigError(f"a window has a whole number of tokens, got {setting:g}.")
    return replace(sampler, window=Fixed(int(setting)))  # type: ignore[type-var]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{text!r} in the name of a decoder should be a number.")
    return number


def _draft_verify(name: str, model: ChatModel, block: int) -> Sampler:
    words, numbers = _choices(name)
    rule, view = [*words, *("confidence", "shadow")[len(words) :]][:2]
    num_passes = numbers.get("every", DRAFT_PASSES)
    if len(words) > 2 or rule not in get_args(Rule) or view not in get_args(View):
        raise _unknown(name)
    if num_passes != int(num_passes):
        raise _unknown(name)
    usual = _new_draft_verify(block)
    verified = replace(
        usual,
        drafter=replace(usual.drafter, threshold=numbers.get("", DRAFT_THRESHOLD)),  # type: ignore[type-var]
        num_draft_passes=int(num_passes),
        rule=rule,  # type: ignore[arg-type]
        view=view,  # type: ignore[arg-type]
        acceptance="prefix" if "prefix" in name.split("/") else "position",
        threshold=numbers.get("keep", DraftVerify.threshold),
        replaced_from=numbers.get("replace", DraftVerify.replaced_from),
    )
    return model.with_cache(verified, Dual(block))


def _new_draft_verify(block: int) -> DraftVerify:
    """As it is where a decoder's name says nothing else."""
    return DraftVerify(
        drafter=Threshold(threshold=DRAFT_THRESHOLD, blocks=LeftToRight(block), filter=_GREEDY),
        num_draft_passes=DRAFT_PASSES,
        rule="confidence",
        view="shadow",
    )


def _choices(name: str) -> tuple[list[str], dict[str, float]]:
    """Rule and view of a draft-verify, and its numbers by what they are called."""
    words: list[str] = []
    numbers: dict[str, float] = {}
    for choice in name.split("/")[1:]:
        key, _, number = choice.rpartition("-")
        if key in ("every", "keep", "replace") or choice[:1].isdigit():
            if key in numbers:
                raise _unknown(name)
            numbers[key] = _number(number)
        elif choice not in ("prefix", _OWN):
            words.append(choice)
    return words, numbers


def _unknown(name: str) -> ConfigError:
    return ConfigError(
        f"there is no decoder {name!r}. Rules: {', '.join(_RULES)}; each alone or as RULE+CACHE "
        f"with {', '.join(_CACHES)}; self-speculative-8/0.9 ends its windows of 8 before an "
        "unsure draft. Or draft-verify/RULE/VIEW with a rule of "
        f"{', '.join(get_args(Rule))} and a view of {', '.join(get_args(View))}; behind it "
        "/prefix to reject all that follows a rejection, /0.6 to draft from that confidence, "
        "/every-4 to verify after so many passes, /keep-0.9 for another threshold of "
        "verification, /replace-0.9 for the verifier's own token in the place of the first it "
        "rejects, /own to draft without the drafter. "
        "drafter/DECODER is the drafter alone. Any sampler can be given as a spec, such as "
        "threshold(threshold=0.95)+dual."
    )
