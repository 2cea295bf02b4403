"""Families by profiles that are built here, of sequences that are made here."""

import random
from pathlib import Path

import pytest

from unmask.errors import ConfigError, DataError
from unmask.quality import families
from unmask.quality.families import Families
from unmask.quality.quality import Samples
from unmask.quality.sequences import SequenceQuality
from unmask.vocabularies.residues import AMINO_ACIDS

pyhmmer = pytest.importorskip("pyhmmer")


def made_of(seed: int, parent: str = "", *, rate: float = 0.2) -> str:
    """A sequence, or one in which some residues of its parent are others."""
    drawn = random.Random(seed)
    if not parent:
        return "".join(drawn.choices(AMINO_ACIDS, k=80))
    return "".join(drawn.choice(AMINO_ACIDS) if drawn.random() < rate else r for r in parent)


PARENTS = {"first": made_of(1), "second": made_of(2)}


def write_profiles(path: Path, cutoff: float | None = 25.0) -> Path:
    """A profile of twelve children of each parent."""
    alphabet = pyhmmer.easel.Alphabet.amino()
    builder = pyhmmer.plan7.Builder(alphabet, seed=1)
    background = pyhmmer.plan7.Background(alphabet)
    with path.open("wb") as file:
        for number, (name, parent) in enumerate(PARENTS.items()):
            rows = [
                pyhmmer.easel.TextSequence(
                    name=f"{name}{n}".encode(), sequence=made_of(100 * number + n, parent)
                )
                for n in range(12)
            ]
            aligned = pyhmmer.easel.TextMSA(name=name.encode(), sequences=rows)
            profile, _, _ = builder.build_msa(aligned.digitize(alphabet), background)
            if cutoff is not None:
                profile.cutoffs.gathering = cutoff, cutoff
            profile.write(file)
    return path


def test_children_are_in_the_family_and_what_is_shuffled_is_not(tmp_path: Path) -> None:
    known = Families(write_profiles(tmp_path / "a.hmm"))
    children = [made_of(7000 + n, PARENTS["second"]) for n in range(6)]
    found = known.found([*children, made_of(9), PARENTS["first"] + PARENTS["second"]])
    assert found[:6] == [["second"]] * 6 and found[6] == [] and sorted(found[7]) == sorted(PARENTS)
    mixed = ["".join(random.Random(n).sample(text, len(text))) for n, text in enumerate(children)]
    assert known.share(mixed).value == 0 and known.share(children).value == 1
    half = known.share([*children, *mixed])
    assert half.value == 0.5 and half.standard_error == pytest.approx((0.25 / 11) ** 0.5)


def test_it_is_a_measure_beside_the_others(tmp_path: Path) -> None:
    quality = SequenceQuality(
        list(PARENTS.values()), families=Families(write_profiles(tmp_path / "a.hmm"))
    )
    assert [each.name for each in quality.measures][:2] == ["chain_bits", "in_family"]
    numbers = quality.numbers(Samples([PARENTS["first"], made_of(9), made_of(10)]))
    assert numbers["in_family"].value == pytest.approx(1 / 3)
    assert "in_family" not in SequenceQuality(["MK"]).numbers(Samples(["MK", "KM"]))


def test_what_are_no_profiles_is_refused(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.hmm").write_text("no profile")
    with pytest.raises(DataError, match="no profiles of families that can be read"):
        Families(tmp_path / "a.hmm")
    with pytest.raises(DataError, match="no profiles of families that can be read"):
        Families(tmp_path / "nothing.h3m")
    with pytest.raises(DataError, match="without the score that gathers"):
        Families(write_profiles(tmp_path / "b.hmm", cutoff=None))
    monkeypatch.setattr(families.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps gecco"):
        Families(families.GECCO)
