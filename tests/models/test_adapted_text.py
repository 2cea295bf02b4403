"""A tail on a model that drafts sequences: its law, its folders, how it is trained."""

import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import unmask
from tests.cli.command import refused, run
from tests.esm.tiny import shaken, tiny_adapted, tiny_esm
from tests.reference.random_network import TINY, random_network
from unmask.data.prepared import Sources, prepare
from unmask.errors import CheckpointError, ConfigError
from unmask.models.lengths import Lengths
from unmask.models.text import TextModel
from unmask.network.adapted import AdaptedNetwork, TailConfig
from unmask.network.tail_folder import write_tail
from unmask.process.windows import Fixed, Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.vocabularies.raw_bytes import Bytes
from unmask.vocabularies.residues import AMINO_ACIDS, Residues


def fasta(num: int = 300) -> str:
    """Each residue is one or two further in the alphabet than the one before."""
    rows = []
    for n in range(num):
        drawn, at = random.Random(n), [n % 20]
        while len(at) < 5 + n % 5:
            at.append((at[-1] + drawn.choice([1, 2])) % 20)
        rows.append(f">p{n}\n{''.join(AMINO_ACIDS[k] for k in at)}\n")
    return "".join(rows)


def model(**changes) -> TextModel:
    return TextModel(tiny_adapted(**changes), Residues(), "tiny", Lengths({3: 1, 6: 2}))


@pytest.mark.parametrize("family", ["esm", "esmc"])
@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("window", [Whole(), Fixed(1)])
def test_its_law_sums_to_one_at_every_length(family, length, window) -> None:
    every = ["".join(letters) for letters in product(AMINO_ACIDS, repeat=length)]
    sampler = SelfSpeculative(window=window, order="left-to-right", verify_rounds=1)
    found = model(family=family, max_positions=32).score(every, sampler)
    bits = torch.tensor(found.sequence_bits, dtype=torch.float64) * length
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-9)
    if length == 2 and isinstance(window, Whole):  # the tail has a say
        drafted = model(family=family, max_positions=32)
        drafted.network.tail_out.weight.data.zero_()
        assert drafted.score(every, sampler).sequence_bits[7] != pytest.approx(
            found.sequence_bits[7], abs=1e-3
        )


def test_samples_do_not_depend_on_the_batch() -> None:
    together = model().generate(num_samples=6, length="2-8", seed=3)
    assert len({len(each.text) for each in together}) > 2
    for each in together:
        (alone,) = model().generate(length=(2, 8), seed=each.seed)
        assert alone.text == each.text and set(each.text) <= set(AMINO_ACIDS)


def test_what_drafts_alone_is_sampled_by_what_only_drafts() -> None:
    plain = TextModel(tiny_esm(), Residues(), "tiny")
    assert isinstance(plain.default_sampler, Ancestral) and plain.length == 30
    (sample,) = plain.generate(length=5)
    assert len(sample.text) == 5 and sample.cost.tail.passes == 0
    with pytest.raises(ConfigError, match="has no causal blocks to verify with"):
        plain.generate(length=5, sampler="self-speculative")


@pytest.mark.parametrize("kind", ["esm", "our own"])
def test_it_is_opened_again_as_it_was_saved(kind, tmp_path: Path) -> None:
    first = model() if kind == "esm" else _own_with_tail()
    first.save(tmp_path)
    again = unmask.load(tmp_path, dtype="float64")
    assert isinstance(again, TextModel) and again.lengths == first.lengths
    assert type(again.network) is type(first.network)
    assert again.score("MKTL").likelihood.value == pytest.approx(
        first.score("MKTL").likelihood.value, abs=1e-4
    )
    single = unmask.load(tmp_path)
    assert single.generate(seed=5)[0].text == single.with_tail().generate(seed=5)[0].text


def _own_with_tail() -> TextModel:
    config = replace(TINY, vocab_size=32, length=12, num_trunk_blocks=2, num_tail_blocks=0)
    trunk = random_network(config, seed=3)
    network = shaken(AdaptedNetwork(trunk, TailConfig()), 4)
    return TextModel(network, Residues(), "own", Lengths({4: 1}))


def test_a_tail_is_of_one_model_and_of_what_drafts_alone(tmp_path: Path) -> None:
    network = tiny_adapted()
    write_tail(tmp_path, network.tail_config, network.state_dict(), network.trunk, {"5": 2})
    plain = TextModel(tiny_esm(), Residues(), "tiny", Lengths({3: 1}))
    found = plain.with_tail(tmp_path)
    assert found.lengths == Lengths({5: 2})
    assert_close(found.network.state_dict(), network.state_dict(), rtol=0, atol=0)
    with pytest.raises(CheckpointError, match="holds the tail of another model"):
        TextModel(tiny_esm(seed=9), Residues(), "other").with_tail(tmp_path)
    with pytest.raises(ConfigError, match="text8s-any has a tail of its own"):
        unmask.load("text8s-any").with_tail(tmp_path)
    with pytest.raises(ConfigError, match="text8s has a causal trunk"):
        unmask.load("text8s").with_tail(tmp_path)
    with pytest.raises(CheckpointError, match="has no tail|does not exist|cannot be read"):
        plain.with_tail(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="no weights in eight bits"):
        plain.save(tmp_path / "small", eight_bits=True)


@pytest.mark.parametrize("kind", ["esm", "our own"])
def test_a_tail_is_trained_from_fasta(kind, tmp_path: Path, capsys) -> None:
    """Only the tail moves; it says less than its draft at first, and better then."""
    trunk = TextModel(tiny_esm().float(), Residues(), "tiny")
    if kind != "esm":
        trunk = TextModel(_own_with_tail().network.trunk.float(), Residues(), "own")
    trunk.save(tmp_path / "trunk")
    data, out = tmp_path / "some.fasta", tmp_path / "tail"
    data.write_text(fasta())
    asked = (
        "train", "adapt", "--trunk", tmp_path / "trunk", "--data", data, "--out", out,
        "--trainer.num-steps", 80, "--trainer.batch-size", 8, "--trainer.num-valid", 16,
        "--trainer.precision", "float32", "--optimizer.warmup-steps", 5,
        "--optimizer.lr", 0.02, "--trainer.ema-decay", 0.8,
    )  # fmt: skip
    assert run(*map(str, asked)) == 0
    said = capsys.readouterr().out.replace(";", " ").split()
    draft, target = float(said[said.index("draft") + 1]), float(said[said.index("target") + 1])
    assert target < draft - 0.04
    adapted = unmask.adapt(
        str(tmp_path / "trunk"), data=data, out=tmp_path / "again", recipe=_short()
    )
    assert isinstance(adapted, TextModel) and adapted.lengths is not None
    plain = unmask.load(tmp_path / "trunk")
    assert_close(adapted.network.trunk.state_dict(), plain.network.state_dict(), rtol=0, atol=0)
    assert run("generate", str(tmp_path / "trunk"), "--tail", str(out), "--json") == 0
    assert '"text"' in capsys.readouterr().out


def _short():
    recipe = unmask.preset("adapt")
    return replace(recipe, trainer=replace(recipe.trainer, num_steps=2, num_valid=4, batch_size=4))


def test_a_tail_reads_the_tokens_of_its_trunk(tmp_path: Path, capsys) -> None:
    trunk = TextModel(_own_with_tail().network.trunk.float(), Residues(), "own")
    trunk.save(tmp_path / "trunk")
    (tmp_path / "some.fasta").write_text(fasta())
    (tmp_path / "text.txt").write_text("MKT and so on. " * 200)
    prepare(Sources(files=[tmp_path / "text.txt"]), tmp_path / "bytes", Bytes)
    asked = ["train", "adapt", "--trunk", str(tmp_path / "trunk"), "--out", str(tmp_path / "out")]
    said = refused(capsys, *asked, "--data", str(tmp_path / "some.fasta"), "--vocabulary", "bytes")
    assert "has its tokens from its model" in said
    assert "reads other tokens" in refused(capsys, *asked, "--data", str(tmp_path / "bytes"))


@pytest.mark.parametrize(
    ("trunk", "data", "reason"),
    [
        ("text8s-any", "some.fasta", "text8s-any has a tail of its own"),
        ("text8s", "some.fasta", "text8s has a causal trunk"),
        ("esm", "arithmetic", "this recipe is for text"),
        ("esm", "none.fasta", "none.fasta"),
        ("arithmetic", "some.fasta", "this recipe answers questions"),
    ],
)
def test_what_cannot_be_adapted_is_refused(trunk, data, reason, tmp_path: Path, capsys) -> None:
    (tmp_path / "some.fasta").write_text(fasta())
    if trunk == "esm":
        TextModel(tiny_esm(), Residues(), "tiny").save(tmp_path / "esm")
        trunk = tmp_path / "esm"
    named = data if data == "arithmetic" else tmp_path / data
    said = refused(
        capsys,
        "train",
        "adapt",
        "--trunk",
        str(trunk),
        "--data",
        str(named),
        "--out",
        str(tmp_path / "out"),
    )
    assert reason in said and not (tmp_path / "out").exists()


def test_a_tail_goes_with_the_trunk_as_it_was_written(tmp_path: Path) -> None:
    """In eight bits a trunk has another mark than before."""
    _own_with_tail().save(tmp_path, eight_bits=True)
    again = unmask.load(tmp_path)
    assert isinstance(again, TextModel) and again.network.config.has_tail
    assert again.score("MKTL").likelihood.value == pytest.approx(
        _own_with_tail().score("MKTL").likelihood.value, abs=0.3
    )
