"""Effects of mutations: by hand, by whole likelihoods, and what is refused."""

import csv
import math
from pathlib import Path

import pytest
import torch

from tests.cli.command import refused, run
from tests.esm.tiny import tiny_adapted, tiny_esm
from unmask.errors import DataError
from unmask.models.load import load
from unmask.models.text import TextModel
from unmask.proteins.variants import (
    masked_marginals,
    own_law_effects,
    rank_correlation,
    read_variant,
)
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.vocabularies.residues import Residues

WILD = "MKTAYIAKQR"


def model() -> TextModel:
    return TextModel(tiny_adapted(), Residues(), "tiny")


def variants(*names: str):
    return [read_variant(name, WILD, "here") for name in names]


def test_masked_marginals_are_what_they_say() -> None:
    names = ("K2R", "A4V", "k2r:A4V", "Q9W", "A4V:K2R", "K2E")
    found = masked_marginals(model(), WILD, variants(*names), batch_size=2)
    ids = Residues().encode(WILD)[None]
    for name, bits in zip(names, found, strict=True):
        masked = ids.clone()
        parts = [(int(p[1:-1]), p[0].upper(), p[-1].upper()) for p in name.split(":")]
        for place, _, _ in parts:
            masked[0, place] = 32  # <cls> stands at 0
        expected = 0.0
        for place, old, new in parts:
            law = model().network.draft(masked, torch.tensor([[place]])).log_probs[0, 0]
            a, b = (int(Residues().encode_bytes(x.encode())[0]) for x in (new, old))
            expected += float(law[a] - law[b]) / math.log(2)
        assert bits == pytest.approx(expected, abs=1e-9)
    assert found[2] == found[4] != pytest.approx(found[0] + found[1], abs=1e-3)


def test_own_law_is_a_difference_of_likelihoods_along_the_same_orders() -> None:
    sampler = SelfSpeculative()
    found = own_law_effects(model(), WILD, variants("K2R", "Q9W"), sampler, num_orders=3, seed=5)
    for name, bits in zip(("MRTAYIAKQR", "MKTAYIAKWR"), found, strict=True):
        laws = [
            model().log_likelihood(model().encode(text), sampler, num_orders=3, seed=5)
            for text in (name, WILD)
        ]
        assert bits == pytest.approx(float(laws[0] - laws[1]) / math.log(2), abs=1e-9)
    # With orders of their own the difference would be of the orders, too.
    ids = torch.cat([model().encode(WILD)] * 2)
    same = model().log_likelihood(ids, sampler, same_orders=True)
    own = model().log_likelihood(ids, sampler)
    assert same[0] == same[1] and own[0] != own[1]


def test_ranks() -> None:
    from scipy.stats import spearmanr

    drawn = torch.Generator().manual_seed(3)
    first = torch.randint(5, (40,), generator=drawn).tolist()
    second = torch.randint(5, (40,), generator=drawn).tolist()
    expected = float(spearmanr(first, second).statistic)
    assert rank_correlation(first, second) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("A1V", "at position 1 there is M, not A"),
        ("K2", "'K2' is no variant"),
        ("", "is no variant"),
        ("K2B", "B is none of the 20 amino acids"),
        ("K0R", "position 0 is outside the sequence, which has 10"),
        ("R11K", "position 11 is outside"),
        ("K2R:K2E", "mutates a position twice"),
    ],
)
def test_a_variant_that_does_not_fit_is_named(name: str, message: str) -> None:
    with pytest.raises(DataError, match=f"a.csv, line 3.*{message}"):
        read_variant(name, WILD, "a.csv, line 3")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    model().save(tmp_path / "model")
    (tmp_path / "wild.fasta").write_text(f">wild type\n{WILD.lower()}\n")
    (tmp_path / "some.csv").write_text("id,Mutation\n1,K2R\n\n2,A4V\n3,K2E\n")
    return tmp_path


def asked(files: Path, *options: str, **changes: str) -> list[str]:
    names = {"model": "model", "sequence": "wild.fasta", "mutations": "some.csv"} | changes
    paths = [str(files / name) for name in names.values()]
    return ["variants", *paths, "--output", str(files / "out.csv"), *options]


def test_a_table_of_effects(files: Path, capsys) -> None:
    assert run(*asked(files, "--own-law", "--num-orders", "2")) == 0
    assert "3 variants; best by masked marginals" in capsys.readouterr().out
    with (files / "out.csv").open() as table:
        rows = list(csv.reader(table))
    assert rows[0] == ["mutation", "masked_marginal_bits", "own_law_bits"]
    assert [row[0] for row in rows[1:]] == ["K2R", "A4V", "K2E"]
    opened = load(files / "model")
    assert isinstance(opened, TextModel)
    expected = masked_marginals(opened, WILD, variants("K2R", "A4V", "K2E"))
    assert [float(row[1]) for row in rows[1:]] == pytest.approx(expected, abs=1e-5)
    assert "already exists" in refused(capsys, *asked(files))


def test_what_cannot_be_ranked_is_refused(files: Path, capsys) -> None:
    (files / "wrong.csv").write_text("mutation\nK2R\nA1V\n")
    assert "line 3: A1V: at position 1" in refused(capsys, *asked(files, mutations="wrong.csv"))
    (files / "none.csv").write_text("mutation\n")
    assert "has no mutation" in refused(capsys, *asked(files, mutations="none.csv"))
    assert "cannot be read" in refused(capsys, *asked(files, mutations="nothing.csv"))
    (files / "long.fasta").write_text(f">a\n{WILD * 5}\n")
    assert "has 50 residues" in refused(capsys, *asked(files, sequence="long.fasta"))
    (files / "odd.fasta").write_text(">a\nMK1\n")
    assert "'1'" in refused(capsys, *asked(files, sequence="odd.fasta"))
    TextModel(tiny_esm(), Residues(), "tiny").save(files / "plain")
    said = refused(capsys, *asked(files, "--own-law", model="plain"))
    assert "has no tail, so no law of its own" in said
    text8s = ["variants", "text8s", *asked(files)[2:]]
    assert "text8s reads characters" in refused(capsys, *text8s)
    assert not (files / "out.csv").exists()
