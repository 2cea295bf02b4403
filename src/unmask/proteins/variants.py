"""What a mutation does to a protein, by a model of proteins.

    masked marginals    sum over mutated positions i of
                            log2 p(mutant_i | rest) - log2 p(wild type_i | rest),
                        where all mutated positions are MASK: one pass for each variant
    own law             log2 p(mutant) - log2 p(wild type) under the likelihood of a sampler, along
                        the same random orders for both: about as many passes as residues for each

Both are bits; above 0 the model likes the mutant better. A variant is written as wild type,
position counted from 1, mutant: "A23V"; several at once with ":" between, "A23V:K30R".

Source: Meier et al. (2021), "Language models enable zero-shot prediction of the effects of
mutations on protein function", NeurIPS 34, for masked marginals.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unmask.data.records import Record
from unmask.errors import DataError, PromptError
from unmask.models.text import TextModel
from unmask.samplers.likelihood import TractableSampler
from unmask.vocabularies.residues import AMINO_ACIDS, Residues

_MUTATION = re.compile(r"([A-Za-z])(\d+)([A-Za-z])")


@dataclass(frozen=True)
class Mutation:
    """One residue in the place of another."""

    wild_type: str
    position: int
    """From 1."""
    mutant: str


@dataclass(frozen=True)
class Variant:
    """Some mutations at once."""

    name: str
    mutations: tuple[Mutation, ...]

    def of(self, sequence: str) -> str:
        """The mutant sequence."""
        letters = list(sequence)
        for each in self.mutations:
            letters[each.position - 1] = each.mutant
        return "".join(letters)


def read_variant(text: str, sequence: str, where: str) -> Variant:
    """A variant of a sequence.

    Raises:
        DataError: it is not written as one, or does not fit the sequence; says which and where.
    """
    mutations = []
    for part in text.strip().split(":"):
        found = _MUTATION.fullmatch(part.strip())
        if not found:
            raise DataError(
                f"{where}: {text!r:.60} is no variant. Write the residue that is there, its "
                "position counted from 1, and the new one, A23V; several with : between."
            )
        old, place, new = found[1].upper(), int(found[2]), found[3].upper()
        if new not in AMINO_ACIDS:
            raise DataError(f"{where}: {part}: {new} is none of the 20 amino acids {AMINO_ACIDS}.")
        if not 1 <= place <= len(sequence):
            raise DataError(
                f"{where}: {part}: position {place} is outside the sequence, which has "
                f"{len(sequence)} residues. Positions are counted from 1."
            )
        if sequence[place - 1] != old:
            raise DataError(
                f"{where}: {part}: at position {place} there is {sequence[place - 1]}, not {old}. "
                "Positions are counted from 1; is this the sequence that was numbered?"
            )
        mutations.append(Mutation(old, place, new))
    places = [each.position for each in mutations]
    if len(set(places)) < len(places):
        raise DataError(f"{where}: {text!r:.60} mutates a position twice.")
    return Variant(text.strip(), tuple(mutations))


def masked_marginals(
    model: TextModel,
    sequence: str,
    variants: Sequence[Variant],
    *,
    batch_size: int = 32,
    observe: Callable[[int], None] = lambda num: None,
) -> list[float]:
    """Bits by which each variant is more probable at its own positions, given the rest."""
    before = model.vocabulary.ends[0]
    given = model.encode(sequence)
    effects = dict[tuple[int, ...], torch.Tensor]()
    places = {tuple(sorted(m.position for m in each.mutations)) for each in variants}
    for width in sorted({len(each) for each in places}):
        alike = sorted(each for each in places if len(each) == width)
        for begin in range(0, len(alike), batch_size):
            some = alike[begin : begin + batch_size]
            positions = torch.tensor(some, device=given.device) - 1 + len(before)
            masked = given.repeat(len(some), 1).scatter(1, positions, model.vocab_size)
            log_probs = model.network.draft(masked, positions).log_probs.double()
            effects |= dict(zip(some, log_probs / math.log(2), strict=True))
            observe(len(some))

    def bits(variant: Variant) -> float:
        ordered = sorted(variant.mutations, key=lambda each: each.position)
        table = effects[tuple(each.position for each in ordered)]
        ids = model.vocabulary.encode_bytes
        old = [int(ids(each.wild_type.encode())[0]) for each in ordered]
        new = [int(ids(each.mutant.encode())[0]) for each in ordered]
        rows = torch.arange(len(ordered))
        return float((table[rows, new] - table[rows, old]).sum())

    return [bits(each) for each in variants]


def own_law_effects(
    model: TextModel,
    sequence: str,
    variants: Sequence[Variant],
    sampler: TractableSampler,
    *,
    num_orders: int = 1,
    seed: int = 0,
    observe: Callable[[int], None] = lambda num: None,
) -> list[float]:
    """Bits by which each mutant is more probable as a whole, along the same orders."""
    every = [sequence, *(each.of(sequence) for each in variants)]
    token_ids = torch.cat([model.encode(each) for each in every])
    nats = model.log_likelihood(
        token_ids, sampler, num_orders=num_orders, seed=seed, same_orders=True, observe=observe
    )
    bits = (nats.double() / math.log(2)).tolist()
    return [each - bits[0] for each in bits[1:]]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: the correlation of ranks, the mean rank where some are equal."""

    def ranks(values: Sequence[float]) -> np.ndarray:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return (count.cumsum() - (count - 1) / 2)[place]

    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def check_reads_proteins(model: TextModel) -> None:
    """Raise `PromptError` for a model of something else."""
    if not isinstance(model.vocabulary, Residues):
        raise PromptError(
            f"{model.name} reads {model.vocabulary.describe()}, and no proteins. Name a model of "
            "residues: one that was trained on FASTA, or a folder of ESM-2 or DPLM."
        )


def wild_type(model: TextModel, record: Record) -> str:
    """The sequence of a record in capitals, if the model can read all of it.

    Raises `DataError`, which says what stands where.
    """
    model.vocabulary.encode_bytes(record.text, source=record.where)
    if not 0 < len(record.text) <= model.length:
        raise DataError(
            f"{record.where} has {len(record.text)} residues; {model.name} reads from 1 to "
            f"{model.length}."
        )
    return record.text.decode().upper()
