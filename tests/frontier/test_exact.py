"""Exact quality in a report: measured once, kept, the same again, and told."""

import json
import math

import pytest
import torch

from tests.frontier.small_model import CONFIG, small_model
from tests.reference.random_network import random_network
from unmask.data.text import split
from unmask.errors import ConfigError
from unmask.evaluation.divergence import log_ratios
from unmask.frontier import exact as module
from unmask.frontier import plots, report
from unmask.frontier.entries import contenders
from unmask.frontier.evaluate import SweepPlan, measured_points
from unmask.frontier.exact import ExactPlan, measure_exact, text_fingerprint, yardsticks
from unmask.frontier.exact_report import summarise_exact
from unmask.frontier.families import FAMILIES
from unmask.frontier.folder import Settings, fingerprint, open_folder
from unmask.models.text import TextModel
from unmask.predictors.markov import MarkovChain
from unmask.quality.texts import TextQuality
from unmask.samplers.fixed_partition import FixedPartition
from unmask.vocabularies.characters import text8

TEXT = "a tale of one or two of whom the end was near and far away " * 100
MODEL = TextModel(random_network(CONFIG, seed=1), text8(), "small")
CORPUS = split(MODEL.vocabulary.encode(TEXT).byte())
EXACT = ExactPlan(num_sequences=3, chain_order=1, chain_length=12)
PLAN = SweepPlan(samplers=("fixed-partition", "ancestral"), budgets=(8,), num_samples=16, seed=3)
KNOBS = {
    "self-speculative": (0.1, 0.3),
    "self-speculative/patient": (0.5, 1.5),
    "self-speculative/confident": (0.1, 0.3),
    "target-only": (0.1, 0.3),
    "fixed-partition": (0.1, 0.3),
    "top-k-margin": (12.0, 8.0),
    "maskgit": (12.0, 8.0),
}
POINTS = [
    {"family": name, "budget": budget, "knob": knobs[place]}
    for place, budget in enumerate((12.0, 8.0))
    for name, knobs in KNOBS.items()
]
SKIPPED = {"family": "dilated", "budget": 8.0, "skipped": "the nearest setting takes 2 passes"}


def settings_of(**others):
    values = dict(
        model=MODEL.name, weights=fingerprint(MODEL), precision="float32",
        num_samples=PLAN.num_samples, seed=PLAN.seed, batch_size=PLAN.batch_size, judge="",
    )  # fmt: skip
    return Settings(**values | others)


def exact_settings(**others):
    values = dict(
        exact_sequences=3, chain_order=1, chain_length=12, exact_text=text_fingerprint(CORPUS)
    )
    return settings_of(**values | others)


def exact_points(folder, points):
    held_to = yardsticks(MODEL, CORPUS, EXACT)
    return measure_exact(
        contenders(KNOBS, MODEL),
        points,
        held_to,
        folder,
        num_samples=16,
        seed=PLAN.seed,
        batch_size=32,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report folder with exact numbers, and these."""
    path = tmp_path_factory.mktemp("exact") / "report"
    folder = open_folder(path, exact_settings(), "never")
    return folder, exact_points(folder, [*POINTS, SKIPPED])


def test_a_point_holds_what_can_be_computed_of_it(made):
    _, exact = made
    assert [(e["family"], e["budget"]) for e in exact] == [
        (p["family"], p["budget"]) for p in POINTS
    ]
    by_family = {point["family"]: point for point in exact}
    for name in ("self-speculative", "self-speculative/patient", "target-only"):
        assert by_family[name]["chain"] == {"reading": "zero"}
    assert by_family["maskgit"] | {"budget": 0} == {
        "family": "maskgit", "budget": 0, "weights": fingerprint(MODEL),
        "held_out": {}, "chain": {"reading": "unknown"},
    }  # fmt: skip
    assert by_family["fixed-partition"]["chain"]["reading"] == "at most"
    assert by_family["top-k-margin"]["chain"]["reading"] == "equal"
    for point in exact:
        held_out = point["held_out"]
        assert ("acceptance" in held_out) == point["family"].startswith("self-speculative")
        for nfe, trunk, tail in zip(
            *(held_out.get(key, []) for key in ("nfe", "trunk_passes", "tail_passes")),
            strict=True,
        ):
            assert nfe == pytest.approx((2 * trunk + tail) / 3)


def test_bits_are_those_of_the_model_and_knob(made):
    _, exact = made
    token_ids = yardsticks(MODEL, CORPUS, EXACT).token_ids
    for point, found in zip(POINTS, exact, strict=True):
        if found["held_out"]:
            sampler = FAMILIES[point["family"]].make(point["knob"])
            score = MODEL.score(token_ids, sampler, seed=PLAN.seed)
            bits = found["held_out"]["bits"]
            assert score.likelihood.value == pytest.approx(sum(bits) / 3, abs=1e-9)
            passes = sum(found["held_out"]["trunk_passes"]) / 3
            assert score.trunk_passes == pytest.approx(passes, rel=1e-9)


def test_a_budget_is_as_many_passes_per_token_on_the_chain(made):
    _, exact = made
    for point in exact:
        if point["family"] in ("fixed-partition", "top-k-margin"):
            passes = sum(point["chain"]["passes"]) / 16
            assert passes == pytest.approx(point["budget"] * 12 / 24, abs=1)


def test_divergences_are_those_of_the_sampler_on_the_chain(made):
    _, exact = made
    (point, *_) = [p for p in exact if p["family"] == "fixed-partition"]
    chain = yardsticks(MODEL, CORPUS, EXACT).chain
    sampler = FAMILIES["fixed-partition"].make(point["chain"]["knob"])
    assert isinstance(sampler, FixedPartition)
    ratios = log_ratios(chain, sampler, length=12, num_samples=16, seed=3)
    expected = (ratios.nats / (12 * math.log(2))).tolist()
    assert point["chain"]["bits"] == pytest.approx(expected, abs=1e-9)


def test_the_chain_is_fitted_to_the_training_part():
    chain = yardsticks(MODEL, CORPUS, EXACT).chain
    num_crops = len(CORPUS.train) // 12
    starts = torch.arange(num_crops) * (len(CORPUS.train) - 12) // (num_crops - 1)
    crops = CORPUS.train.unfold(0, 12, 1)[starts].long()
    expected = MarkovChain.fit(crops, 1, 27, 0.5)
    torch.testing.assert_close(chain.log_transition, expected.log_transition)
    assert chain.order == 1


def test_the_held_out_sequences_are_of_the_validation_part():
    corpus = split(MODEL.vocabulary.encode("a" * 900 + "b" * 50 + "c" * 50).byte())
    token_ids = yardsticks(MODEL, corpus, EXACT).token_ids
    assert token_ids.shape == (3, 24)
    assert (token_ids == MODEL.vocabulary.encode("b")).all()


def test_what_is_there_is_not_computed_again(made, monkeypatch):
    folder, exact = made
    before = {file.name: file.read_bytes() for file in (folder.path / "exact").iterdir()}
    assert len(before) == len(exact)

    def never(*_, **__):
        pytest.fail("computed again")

    monkeypatch.setattr(module, "_held_out", never)
    monkeypatch.setattr(module, "_on_chain", never)
    assert exact_points(folder, POINTS) == json.loads(json.dumps(exact))
    assert before == {f.name: f.read_bytes() for f in (folder.path / "exact").iterdir()}


def test_the_same_seed_gives_the_same_numbers_whatever_was_there_before(made, tmp_path):
    """Tables are shared between points; a run that goes on must not notice."""
    _, exact = made
    folder = open_folder(tmp_path / "again", exact_settings(), "never")
    assert exact_points(folder, POINTS[-7:]) == exact[-7:]


def test_another_network_has_laws_of_its_own_and_no_chain(tmp_path):
    TextModel(random_network(CONFIG, seed=2), text8(), "other").save(tmp_path / "other")
    names = ["fixed-partition", f"fixed-partition@{tmp_path / 'other'}"]
    points = [{"family": name, "budget": 8.0, "knob": 0.3} for name in names]
    own, other = measure_exact(
        contenders(names, MODEL), points, yardsticks(MODEL, CORPUS, EXACT),
        open_folder(tmp_path / "report", exact_settings(), "never"),
        num_samples=16, seed=PLAN.seed, batch_size=32,
    )  # fmt: skip
    assert own["held_out"]["bits"] != other["held_out"]["bits"]
    assert own["held_out"]["nfe"] == other["held_out"]["nfe"]
    assert "chain" in own and "chain" not in other
    summary = summarise_exact([own, other], seed=0)
    assert len(summary["held_out"]) == 2 and len(summary["chain"]) == 1


def test_progress_is_told_up_to_the_whole(tmp_path):
    folder, told = open_folder(tmp_path / "told", exact_settings(), "never"), []
    measure_exact(
        contenders(KNOBS, MODEL), POINTS[4:7], yardsticks(MODEL, CORPUS, EXACT), folder,
        num_samples=16, seed=0, batch_size=5, advance=lambda *values: told.append(values),
    )  # fmt: skip
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert any("held-out" in label for label, _ in told)


# The report.


def test_the_report_tells_all_of_it(made, tmp_path):
    _, exact = made
    measured = measured_points(
        contenders(PLAN.samplers, small_model()),
        PLAN,
        open_folder(tmp_path / "other", settings_of(), "never"),
    )
    built = report.build(measured, TextQuality(frozenset({"a"})), exact_settings(), exact=exact)
    json.dumps(built, allow_nan=False)
    for row in built["exact"]["held_out"]:
        bits = row["bits"]
        assert bits["low"] <= bits["value"] <= bits["high"] and bits["standard_error"] >= 0
    labels = [row["label"] for row in built["exact"]["acceptance"]]
    assert "self-speculative, 8 NFE" in labels and len(labels) == 6
    for row in built["exact"]["acceptance"]:
        assert len(row["by_place"]) == 24
        assert all(0 <= share <= 1 + 1e-9 for share in row["by_place"])
    page = report.as_markdown(built)
    assert "## Exact quality" in page and "(exact_acceptance.png)" in page
    assert "| self-speculative | any | 0 |" in page
    assert "| maskgit | | not tractable |" in page
    bounds = {line.split(" | ")[0] for line in page.splitlines() if "| ≤ " in line}
    assert bounds == {"| fixed-partition"}
    built = report.build(measured, TextQuality(frozenset({"a"})), exact_settings())
    assert "exact" not in built
    assert "Exact quality" not in report.as_markdown(built)


def test_there_are_pictures_of_it(made, tmp_path):
    _, exact = made
    measured = measured_points(
        contenders(PLAN.samplers, small_model()),
        PLAN,
        open_folder(tmp_path / "other", settings_of(), "never"),
    )
    built = report.build(measured, TextQuality(frozenset({"a"})), exact_settings(), exact=exact)
    files = plots.draw_all(tmp_path, built)
    names = {file.name for file in files}
    assert {"exact_bits.png", "exact_divergence.svg", "exact_acceptance.png"} <= names
    for file in files:
        assert file.stat().st_size > 1000


def test_a_report_without_known_laws_has_empty_pictures(made, tmp_path):
    _, exact = made
    measured = measured_points(
        contenders(PLAN.samplers, small_model()),
        PLAN,
        open_folder(tmp_path / "o", settings_of(), "never"),
    )
    unknown = [point for point in exact if point["family"] == "maskgit"]
    built = report.build(measured, TextQuality(frozenset({"a"})), exact_settings(), exact=unknown)
    assert built["exact"]["acceptance"] == []
    assert len(plots.draw_all(tmp_path, built)) == 12


def test_acceptance_is_shown_in_sixteenths_of_the_sequence():
    middles, means = plots.in_stretches([n / 256 for n in range(256)])
    assert len(middles) == 16 and middles[0] == 8 / 256 and middles[-1] == 248 / 256
    assert means == pytest.approx([(16 * n + 7.5) / 256 for n in range(16)])
    assert plots.in_stretches([0.5, 1.0]) == ([0.25, 0.75], [0.5, 1.0])
    middles, means = plots.in_stretches([1.0] * 24)
    assert len(means) == 16 and set(means) == {1.0}


def test_the_error_is_over_sequences():
    point = {
        "family": "ancestral",
        "budget": 8,
        "held_out": {},
        "chain": {"reading": "at most", "bits": [0.1, 0.2, 0.6], "passes": [1, 2, 3]},
    }
    (row,) = summarise_exact([point], seed=0)["chain"]
    assert row["passes"] == 2
    assert row["bits"]["value"] == pytest.approx(0.3)
    assert row["bits"]["standard_error"] == pytest.approx(math.sqrt(0.07 / 3))
    assert 0.1 <= row["bits"]["low"] < 0.3 < row["bits"]["high"] <= 0.6


# The folder.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exact_sequences": 4}, "its exact_sequences is 3, this one's 4"),
        ({"chain_order": 2}, "its chain_order is 1, this one's 2"),
        ({"chain_length": 13}, "its chain_length is 12, this one's 13"),
        ({"exact_text": "ab"}, "its exact_text is '.*', this one's 'ab'"),
    ],
    ids=str,
)
def test_a_report_with_other_exact_settings_is_refused(tmp_path, change, message):
    open_folder(tmp_path / "report", exact_settings(), "never")
    with pytest.raises(ConfigError, match=message):
        open_folder(tmp_path / "report", exact_settings(**change), "auto")
    with pytest.raises(ConfigError, match="its exact_sequences is 3, this one's 0"):
        open_folder(tmp_path / "report", settings_of(), "auto")


def test_exact_numbers_can_be_added_to_a_report(tmp_path):
    open_folder(tmp_path / "report", settings_of(), "never")
    with pytest.raises(ConfigError, match="its seed is 3, this one's 9"):
        open_folder(tmp_path / "report", exact_settings(seed=9), "auto")
    open_folder(tmp_path / "report", exact_settings(), "auto")
    with pytest.raises(ConfigError, match="its chain_order is 1, this one's 2"):
        open_folder(tmp_path / "report", exact_settings(chain_order=2), "auto")


# What cannot be a plan.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_sequences": 1}, "0 .leave out. or at least 2, got 1"),
        ({"num_sequences": -3}, "at least 2, got -3"),
        ({"chain_order": 0}, "--chain-order must be 1, 2 or 3, got 0"),
        ({"chain_order": 4}, "--chain-order must be 1, 2 or 3, got 4"),
        ({"chain_length": 2}, "--chain-length must be above the chain's order, 2, got 2"),
    ],
    ids=str,
)
def test_plans_that_cannot_work_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        ExactPlan(**change)


def test_a_chain_longer_than_the_model_is_refused():
    with pytest.raises(ConfigError, match="--chain-length must be at most 24.*got 25"):
        yardsticks(MODEL, CORPUS, ExactPlan(chain_length=25))
