"""Who takes part in a comparison: a family of samplers, on the model or on another network.

FAMILY is on the model that is evaluated. FAMILY@MODEL is the same on another one of the same
alphabet and length, such as the network of equal depth whose blocks are all non-causal: what a
method gains is then not owed to how its network was trained.

An NFE is a pass through all blocks of the contender's own network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from unmask.errors import ConfigError
from unmask.frontier.budget import Family
from unmask.frontier.families import check_is_family, family
from unmask.frontier.folder import fingerprint
from unmask.models.load import load_text_model
from unmask.models.text import TextModel
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.streamed import along_stream
from unmask.samplers.target_only import TargetOnly


@dataclass(frozen=True)
class Contender:
    """A family of samplers with the network it draws from."""

    name: str
    family: Family
    model: TextModel
    is_guest: bool
    """Whether its network is another than that of the model evaluated."""
    weights: str
    """A fingerprint of all that was trained: the network, and a part of the sampler's own."""


def check_is_contender(name: str) -> None:
    """Raises `ConfigError` if there is no such family; the model is not looked at."""
    check_is_family(_parts(name)[0])


def contenders(names: Iterable[str], model: TextModel) -> dict[str, Contender]:
    """By name, in the order of `names`; each other model is opened once, as `model` was.

    Raises:
        ConfigError: no such family; or a model that writes something else, or nothing, or cannot
            verify what the family drafts.
        CheckpointError: no such model, or it lacks a part that the family needs.
    """
    networks: dict[str, tuple[TextModel, str]] = {}
    found = {}
    for name in names:
        family_name, other = _parts(name)
        if other not in networks:
            opened = _opened(other, model) if other else model
            opened.check_generates()
            networks[other] = opened, fingerprint(opened)
        own, weights = networks[other]
        chosen = family(family_name, own)
        _check_has_tail(name, chosen, own)
        blank = torch.full((own.length,), own.vocab_size)
        along_stream(chosen.make(chosen.low), own.predictor, blank)
        weights = "+".join(filter(None, [weights, chosen.weights]))
        found[name] = Contender(name, chosen, own, bool(other), weights)
    return found


def _check_has_tail(name: str, chosen: Family, model: TextModel) -> None:
    verifies = isinstance(chosen.make(chosen.low), SelfSpeculative | TargetOnly)
    if verifies and not model.network.config.has_tail:
        raise ConfigError(
            f"{name} verifies what it drafts, and {model.name} has no causal blocks to do so. "
            "Leave it out of --samplers, which must then name others, such as ancestral."
        )


def _parts(name: str) -> tuple[str, str]:
    family_name, _, model_name = name.partition("@")
    return family_name, model_name


def _opened(name: str, model: TextModel) -> TextModel:
    dtype = model.network.embedding.weight.dtype
    other = load_text_model(name, dtype=dtype, device=str(model.network.device))
    if (other.vocabulary, other.length) != (model.vocabulary, model.length):
        raise ConfigError(
            f"{name} writes {other.length} tokens of {other.vocabulary.describe()}, {model.name} "
            f"{model.length} of {model.vocabulary.describe()}. Compare models that write the same."
        )
    return other
