"""Quality without a judge, as far as it can be computed: two numbers for a point of a report.

    held-out text    -log2 p(x | order) / L, the bits per token of text the model never saw, under
                     the law of the sampler itself, where that is tractable; and from the same
                     recursion the passes to expect and the acceptance at each place
    a Markov chain   KL(law of the sampler || chain), in bits per token, where every draft is a
                     true conditional of the chain, fitted to the training text: the error of the
                     sampler alone, without that of a network

Both are means over sequences. Random orders make the first an upper bound; whether the second
is one, `evaluation.divergence.reading_of` says. On the chain a budget is as many passes for
each token as it is in the model.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from unmask.data.text import Corpus, consecutive_crops
from unmask.errors import ConfigError
from unmask.evaluation.divergence import bits_per_token, log_ratios, reading_of
from unmask.evaluation.sampler_likelihood import SamplerLikelihoods
from unmask.frontier.budget import Family, knob_for, why_skipped
from unmask.frontier.entries import Contender
from unmask.frontier.folder import ReportFolder
from unmask.models.text import TextModel
from unmask.predictors.markov import MarkovChain
from unmask.samplers.likelihood import TractableSampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.shapes import TokenIds

_SMOOTHING = 0.5  # every transition once more than seen, halved: Krichevsky & Trofimov (1981)
_MOST_TOKENS = 2**22  # that a chain is fitted to; 213 for each number of order 2 over 27 tokens


@dataclass(frozen=True, kw_only=True)
class ExactPlan:
    """How much is computed."""

    num_sequences: int = 8
    """Sequences of held-out text; each costs as many passes as it has tokens."""
    chain_order: int = 2
    """How many tokens back the chain remembers; a pass costs V^(order + 1) for each token."""
    chain_length: int = 64
    """Tokens of a sequence of the chain."""

    def __post_init__(self) -> None:
        if self.num_sequences < 2:
            raise ConfigError(
                f"--exact-sequences must be 0 (leave out) or at least 2, got "
                f"{self.num_sequences}: one sequence has no standard error. 8 is a good start."
            )
        if not 1 <= self.chain_order <= 3:
            raise ConfigError(
                f"--chain-order must be 1, 2 or 3, got {self.chain_order}: each more makes "
                "every pass as many times slower as there are tokens. Start with 2."
            )
        if self.chain_length <= self.chain_order:
            raise ConfigError(
                f"--chain-length must be above the chain's order, {self.chain_order}, got "
                f"{self.chain_length}. Start with 64."
            )


@dataclass(frozen=True)
class Yardsticks:
    """What samplers are held to."""

    token_ids: TokenIds
    """Held-out sequences of the model's length."""
    chain: MarkovChain
    chain_length: int


def yardsticks(model: TextModel, corpus: Corpus, plan: ExactPlan) -> Yardsticks:
    """Evenly spaced crops of the validation part; a chain fitted to those of the training part.

    The chain's counts are of at most 2^22 tokens, half a sighting added to each.

    Raises:
        ConfigError: the sequences of the chain are longer than those of the model.
        DataError: a part of the text is shorter than one sequence.
    """
    if plan.chain_length > model.length:
        raise ConfigError(
            f"--chain-length must be at most {model.length}, the length of {model.name}, got "
            f"{plan.chain_length}. A quarter of that length is a good start."
        )
    device = model.network.device
    held_out = consecutive_crops(corpus.valid, model.length, plan.num_sequences)
    num_crops = min(_MOST_TOKENS, len(corpus.train)) // plan.chain_length
    crops = consecutive_crops(corpus.train, plan.chain_length, max(1, num_crops))
    chain = MarkovChain.fit(
        crops.to(device), plan.chain_order, model.vocabulary.vocab_size, _SMOOTHING
    )
    return Yardsticks(held_out.to(device), chain, plan.chain_length)


def text_fingerprint(corpus: Corpus) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the two parts that are used."""
    digest = hashlib.sha256(corpus.train.numpy().data)
    digest.update(corpus.valid.numpy().data)
    return digest.hexdigest()[:16]


Advance = Callable[[str, float], None]
"""Told what is at work, and which share of the whole is done."""


def _ignore(name: str, share: float) -> None:
    pass


def measure_exact(
    compared: Mapping[str, Contender],
    points: Sequence[dict[str, Any]],
    held_to: Yardsticks,
    folder: ReportFolder,
    *,
    num_samples: int,
    seed: int,
    batch_size: int,
    advance: Advance = _ignore,
) -> list[dict[str, Any]]:
    """The exact numbers of every measured point, computed now or read from the folder.

    `points` are those of `evaluate`, `num_samples` and `batch_size` are of sequences of the
    chain; on held-out text as many passes are made at a time as sequences would be sampled.
    """
    laws = {
        contender.model: SamplerLikelihoods(
            contender.model.network, held_to.token_ids, seed=seed, batch_size=batch_size
        )
        for contender in compared.values()
    }
    chain_of = partial(
        _on_chain, held_to=held_to, num_samples=num_samples, seed=seed, batch_size=batch_size
    )
    measured = [point for point in points if "skipped" not in point]
    found = []
    for number, point in enumerate(measured):
        name, budget = point["family"], point["budget"]
        label = f"{name} at {budget:g} passes"
        tell = partial(_tell, advance, label, number, len(measured))
        contender = compared[name]
        exact = folder.read_exact(name, budget, contender.weights)
        if exact is None:
            tell("held-out text", 0.0)
            model, sampler = contender.model, contender.family.make(point["knob"])
            held_out = _held_out(model, sampler, laws[model], partial(tell, "held-out text"))
            exact = {"family": name, "budget": budget, "weights": contender.weights}
            exact["held_out"] = held_out
            if not contender.is_guest:  # the chain takes the network's place: nothing is new there
                on_chain = budget * held_to.chain_length / model.length
                exact["chain"] = chain_of(contender.family, on_chain, tell=partial(tell, "chain"))
            folder.write_exact(name, budget, exact)
        tell("chain", 1.0)
        found.append(exact)
    return found


def _tell(advance: Advance, label: str, number: int, total: int, half: str, share: float) -> None:
    """Progress of one half of one of the points."""
    done = (share + (half == "chain")) / 2
    advance(f"{label}, {half}", (number + done) / total)


def _held_out(
    model: TextModel, sampler: Any, laws: SamplerLikelihoods, tell: Callable[[float], None]
) -> dict[str, Any]:
    """Bits per token and expected passes of each sequence; nothing for laws that are unknown."""
    if not isinstance(sampler, TractableSampler):
        return {}
    total, done = max(1, laws.num_passes(sampler)), 0

    def observe(num_passes: int) -> None:
        nonlocal done
        done += num_passes
        tell(min(1.0, done / total))

    emission = laws.emission(sampler, observe)
    trunk, tail = emission.work.trunk_passes, emission.work.tail_passes
    found = {
        "bits": bits_per_token(-emission.nats, model.length).tolist(),
        "trunk_passes": trunk.tolist(),
        "tail_passes": tail.tolist(),
        "nfe": list(map(model.network.config.nfe, trunk.tolist(), tail.tolist())),
    }
    if isinstance(sampler, SelfSpeculative):
        found["acceptance"] = emission.work.acceptance.mean(dim=0).tolist()
    return found


def _on_chain(
    chosen: Family,
    budget: float,
    *,
    held_to: Yardsticks,
    num_samples: int,
    seed: int,
    batch_size: int,
    tell: Callable[[float], None],
) -> dict[str, Any]:
    """The divergence of a sampler at about so many passes; what can be read from it."""
    chain, length = held_to.chain, held_to.chain_length
    reading = reading_of(chosen.make(chosen.low))
    if reading not in ("equal", "at most"):
        return {"reading": reading}
    budget = max(1.0, budget)
    given_ids = torch.full((length,), chain.vocab_size)
    knob, passes = knob_for(
        chosen, chain, budget, given_ids=given_ids, nfe=lambda trunk, tail: trunk
    )
    if reason := why_skipped(passes, budget):
        return {"reading": reading, "skipped": reason}
    ratios = log_ratios(
        chain,
        chosen.make(knob),
        length=length,
        num_samples=num_samples,
        seed=seed,
        batch_size=batch_size,
        observe=lambda num_done: tell(num_done / num_samples),
    )
    return {
        "reading": reading,
        "knob": knob,
        "bits": bits_per_token(ratios.nats, length).tolist(),
        "passes": ratios.trunk_passes.tolist(),
    }
