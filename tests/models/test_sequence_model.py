"""A model of sequences between ends: its law at every length, and what it writes."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

import unmask
from tests.reference.random_network import TINY, random_network
from unmask.errors import PromptError
from unmask.models.lengths import Lengths
from unmask.models.text import TextModel
from unmask.process.windows import Fixed, Whole
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.vocabularies.residues import AMINO_ACIDS, Residues

LENGTHS = Lengths({2: 1, 4: 2})


def model(lengths: Lengths | None = LENGTHS) -> TextModel:
    network = random_network(replace(TINY, vocab_size=32, length=8), seed=3)
    return TextModel(network, Residues(), "tiny", lengths)


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("window", [Whole(), Fixed(1)])
def test_its_law_sums_to_one_at_every_length(length: int, window: Whole | Fixed) -> None:
    every = ["".join(letters) for letters in product(AMINO_ACIDS, repeat=length)]
    sampler = SelfSpeculative(window=window, order="left-to-right", verify_rounds=1)
    found = model().score(every, sampler)
    bits = torch.tensor(found.sequence_bits, dtype=torch.float64) * length
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-9)
    assert found.num_tokens == length * len(every)


def test_texts_of_any_length_are_scored_together_as_they_are_alone() -> None:
    texts = ["MK", "ACDE", "W", "MKX", "AC"]
    together = model().score(texts)
    for n, text in enumerate(texts):
        token_ids = model().encode(text)
        alone = model()._scored(token_ids, SelfSpeculative(), rows=[n]).summary()
        assert together.sequence_bits[n] == pytest.approx(alone.likelihood.value, abs=1e-12)
    nums = [2, 4, 1, 2, 2]  # X is given
    assert together.num_tokens == sum(nums) and together.num_sequences == 5
    mean = sum(b * n for b, n in zip(together.sequence_bits, nums, strict=True)) / sum(nums)
    assert together.likelihood.value == pytest.approx(mean)
    assert not math.isnan(together.likelihood.standard_error)
    with pytest.raises(PromptError, match="1 to 6 residues.*got 1 of 7"):
        model().score("ACDEFGH")
    with pytest.raises(PromptError, match="an empty list"):
        model().score([])


def test_what_is_written_has_its_ends_and_the_twenty_alone() -> None:
    samples = model().generate(num_samples=40)
    assert {len(each.text) for each in samples} == {2, 4}
    assert all(set(each.text) <= set(AMINO_ACIDS) for each in samples)
    assert all((each.token_ids[0], each.token_ids[-1]) == (0, 2) for each in samples)
    assert all(each.num_tokens == len(each.text) for each in samples)


def test_a_sample_has_its_length_from_its_seed() -> None:
    together = model().generate(num_samples=6, length="1-5", seed=3)
    assert len({len(each.text) for each in together}) > 2
    for each in together:
        (alone,) = model().generate(length=(1, 5), seed=each.seed)
        assert alone.text == each.text
    (long,) = model().generate("MKT")
    assert long.text.startswith("MKT") and len(long.text) == 4


def test_infilling_leaves_what_is_given() -> None:
    filled = model().infill("Mk_X")
    assert filled.text[0] == "M" and filled.text[3] == "X" and len(filled.text) == 4
    assert filled.num_tokens == 2
    with pytest.raises(PromptError, match="has 7 residues, tiny takes at most 6"):
        model().infill("M______")


def test_it_is_opened_again_as_it_was_saved(tmp_path: Path) -> None:
    model().save(tmp_path)
    again = unmask.load(tmp_path, dtype="float64")
    assert isinstance(again, TextModel) and again.lengths == LENGTHS and again.length == 6
    assert again.vocabulary == Residues()
    # The file holds float32.
    assert again.score("MKTL").likelihood.value == pytest.approx(
        model().score("MKTL").likelihood.value, abs=1e-5
    )


def test_in_eight_bits_it_is_smaller_and_nearly_the_same(tmp_path: Path) -> None:
    model().save(tmp_path / "whole")
    model().save(tmp_path / "small", eight_bits=True)
    whole, small = (unmask.load(tmp_path / name) for name in ("whole", "small"))
    assert isinstance(whole, TextModel) and isinstance(small, TextModel)
    sizes = [(tmp_path / n / "model.safetensors").stat().st_size for n in ("whole", "small")]
    assert sizes[1] < 0.6 * sizes[0]  # of matrices this small the scales are a good part
    bits = [each.score(["MKTL", "ACDE"]).likelihood.value for each in (whole, small)]
    assert bits[0] != bits[1] == pytest.approx(bits[0], abs=0.2)
