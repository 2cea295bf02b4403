import copy
import json

import pytest

from tests.frontier.small_model import small_model, small_model_with_policy
from unmask.errors import ConfigError, OutputError
from unmask.evaluation.words import write_words
from unmask.frontier import evaluate as module
from unmask.frontier import plots, report
from unmask.frontier.entries import contenders
from unmask.frontier.evaluate import SweepPlan, measured_points
from unmask.frontier.folder import Settings, fingerprint, open_folder
from unmask.frontier.run import evaluate
from unmask.models.load import load
from unmask.network.policy import PolicyNetwork, write_policy
from unmask.quality.quality import Samples
from unmask.quality.texts import TextQuality

PLAN = SweepPlan(
    samplers=("self-speculative", "ancestral"), budgets=(4, 8), num_samples=16, seed=3
)
QUALITY = TextQuality(frozenset(["a", "an", "the", "b", "c", "d", "e"]))


def settings_of(model, plan=PLAN, **others):
    values = dict(
        model=model.name, weights=fingerprint(model), precision="float32",
        num_samples=plan.num_samples, seed=plan.seed, batch_size=plan.batch_size, judge="",
    )  # fmt: skip
    return Settings(**values | others)


def run(folder, model, plan=PLAN, resume="never", **options):
    opened = open_folder(folder, settings_of(model, plan), resume)
    return measured_points(contenders(plan.samplers, model), plan, opened, **options)


def without_seconds(points):
    timed = ("seconds", "peak_memory_bytes")
    return [{k: v for k, v in point.items() if k not in timed} for point in points]


def test_points_hold_every_sample_and_cost_about_their_budget(tmp_path):
    points = run(tmp_path / "report", small_model())
    assert [(p["family"], p["budget"]) for p in points] == PLAN.points()
    for point in points:
        assert len(point["texts"]) == len(point["nfe"]) == PLAN.num_samples
        assert sum(point["nfe"]) / len(point["nfe"]) == pytest.approx(point["budget"], rel=0.5)
        assert all(len(text) == small_model().length for text in point["texts"])
        tokens = sum(point["tokens_per_pass"])
        assert tokens >= 24 - 1e-9  # late passes are means over the few that need them


def test_the_same_seed_gives_the_same_points(tmp_path):
    first, second = (run(tmp_path / name, small_model()) for name in ("a", "b"))
    assert without_seconds(first) == without_seconds(second)


def test_a_killed_run_goes_on_and_measures_nothing_twice(tmp_path, monkeypatch):
    model, measured = small_model(), []
    original = module._measured

    def fails_at_the_third(contender, plan, budget, *others):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append((contender.name, budget))
        return original(contender, plan, budget, *others)

    monkeypatch.setattr(module, "_measured", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "report", model)
    before = {f.name: f.read_bytes() for f in (tmp_path / "report" / "points").iterdir()}
    assert len(before) == 2

    again = []

    def noted(contender, plan, budget, *others):
        again.append((contender.name, budget))
        return original(contender, plan, budget, *others)

    monkeypatch.setattr(module, "_measured", noted)
    resumed = run(tmp_path / "report", model, resume="auto")
    assert again == PLAN.points()[2:]
    for name, content in before.items():
        assert (tmp_path / "report" / "points" / name).read_bytes() == content
    monkeypatch.setattr(module, "_measured", original)
    assert without_seconds(resumed) == without_seconds(run(tmp_path / "whole", model))


def test_a_budget_that_cannot_be_spent_is_skipped_with_a_reason(tmp_path):
    plan = SweepPlan(samplers=("target-only",), budgets=(1,), num_samples=16)
    (point,) = run(tmp_path / "report", small_model(), plan)
    assert "nearest setting takes" in point["skipped"]


def test_where_nothing_can_be_measured_there_is_no_report(tmp_path):
    write_words(tmp_path / "words.xz", {"a", "b"})
    with pytest.raises(ConfigError, match="nothing could be measured: target-only at 1 passes"):
        evaluate(
            small_model(), samplers="target-only", budgets=[1], num_samples=16, judge="none",
            words=tmp_path / "words.xz", out=tmp_path / "report",
        )  # fmt: skip
    assert not (tmp_path / "report" / "report.md").exists()


def test_a_point_of_other_weights_is_not_taken_for_this_one(tmp_path):
    plan = SweepPlan(samplers=("learned-policy",), budgets=(8,), num_samples=16)
    first = small_model_with_policy(tmp_path / "model")
    run(tmp_path / "report", first, plan)
    write_policy(tmp_path / "model" / "policy", PolicyNetwork(first.policy().config, seed=1))
    with pytest.raises(ConfigError, match="learned-policy@8.json was measured with other weights"):
        run(tmp_path / "report", load(str(tmp_path / "model")), plan, resume="auto")


def test_another_network_takes_part_by_its_own_passes(tmp_path):
    small_model(seed=1).save(tmp_path / "other")
    guest = f"ancestral@{tmp_path / 'other'}"
    plan = SweepPlan(samplers=("ancestral", guest), budgets=(8,), num_samples=16)
    own, other = run(tmp_path / "report", small_model(), plan)
    (alone,) = run(
        tmp_path / "alone",
        small_model(seed=1),
        SweepPlan(samplers=("ancestral",), budgets=(8,), num_samples=16),
    )
    assert other["family"] == guest and other["weights"] != own["weights"]
    assert other["texts"] == alone["texts"] != own["texts"]


def test_progress_is_told_up_to_the_whole(tmp_path):
    told = []
    run(tmp_path / "report", small_model(), advance=lambda *values: told.append(values))
    shares = [share for _, _, share in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


# The folder.


def test_a_report_is_not_overwritten(tmp_path):
    model = small_model()
    open_folder(tmp_path / "report", settings_of(model), "never")
    with pytest.raises(OutputError, match="already holds a report.*--resume"):
        open_folder(tmp_path / "report", settings_of(model), "never")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seed": 4}, "its seed is 3, this one's 4"), ({"judge": "cd"}, "its judge is 'ab'")],
    ids=str,
)
def test_a_report_made_otherwise_is_refused(tmp_path, change, message):
    model = small_model()
    open_folder(tmp_path / "report", settings_of(model, judge="ab"), "never")
    with pytest.raises(ConfigError, match=message):
        open_folder(tmp_path / "report", settings_of(model, **{"judge": "ab"} | change), "auto")


def test_the_report_of_another_model_is_refused(tmp_path):
    open_folder(tmp_path / "report", settings_of(small_model()), "never")
    other = small_model(seed=1)
    with pytest.raises(ConfigError, match="report of another run: its weights is"):
        open_folder(tmp_path / "report", settings_of(other), "auto")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(OutputError, match="is no report"):
        open_folder(tmp_path, settings_of(small_model()), "auto")


# What cannot be a plan.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samplers": ("magic",)}, "no sampler 'magic'"),
        ({"samplers": ()}, "samplers must name one or more"),
        ({"samplers": ("ancestral", "ancestral")}, "each once"),
        ({"budgets": (0.5, 8)}, "at least 1; got 0.5"),
        ({"num_samples": 15}, "at least 16, got 15: an interval"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
    ids=str,
)
def test_plans_that_cannot_work_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        SweepPlan(**change)


# The report.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report"
    model = small_model()
    points = run(path, model)
    folder = open_folder(path, settings_of(model), "auto")
    built = report.build(
        points, QUALITY, settings_of(model), held_out=Samples(["a b the xyz d e c a b"] * 16)
    )
    report.write(folder, built)
    report.write_trace(folder, contenders(PLAN.samplers, model), points)
    plots.draw_all(path, built)
    return path, built


def test_report_json_is_strict_json_and_has_an_error_for_every_number(made):
    path, _ = made
    found = json.loads((path / "report.json").read_text(), parse_constant=pytest.fail)
    for point in found["points"]:
        assert {"nfe", "seconds", "spelling_accuracy", "character_entropy"} <= set(
            point["numbers"]
        )
        for number in point["numbers"].values():
            assert set(number) == {"value", "standard_error"}
    assert found["settings"]["seed"] == 3 and found["machine"]["threads"] >= 1


def test_ratios_are_there_for_passes_and_seconds(made):
    _, built = made
    assert {(r["of"], r["cost"]) for r in built["ratios"]} == {
        ("ancestral", "critical_path"),
        ("ancestral", "nfe"),
        ("ancestral", "seconds"),
    }
    for r in built["ratios"]:
        assert None in r["ratio"].values() or r["ratio"]["low"] <= r["ratio"]["high"]


def test_the_page_names_every_sampler_and_the_held_out_text(made):
    path, _ = made
    page = (path / "report.md").read_text()
    assert all(word in page for word in ("| self-speculative |", "| ancestral |", "held-out text"))


@pytest.mark.parametrize(("low", "is_named"), [(0.01, True), (-0.01, False), (None, False)])
def test_a_lead_is_told_beyond_its_interval(made, low, is_named):
    built = copy.deepcopy(made[1])
    (entry, *_) = built["leads"]
    entry |= {"quality": 0.75, "lead": {"value": 0.1, "low": low, "high": 0.2}}
    built["leads"] = [entry]
    page = report.as_markdown(built)
    assert ("| ancestral | " in page.split("## Who is better")[1]) == is_named
    assert ("None of the 1 points" in page) != is_named


def test_acceptance_has_a_section_and_a_picture_where_drafts_were_rejected(made, tmp_path):
    path, built = made
    assert "acceptance" not in built  # this network's target is its draft
    point = json.loads(next((path / "points").glob("self-speculative@*")).read_text())
    assert point["acceptance"] == []
    point["acceptance"] = [1.0, 0.5] * 12
    built = report.build([point], QUALITY, settings_of(small_model()))
    assert built["acceptance"][0]["by_place"] == point["acceptance"]
    assert "(acceptance.png)" in report.as_markdown(built)
    assert tmp_path / "acceptance.svg" in plots.draw_all(tmp_path, built)


def test_the_trace_shows_one_of_the_samples(made):
    path, _ = made
    page = (path / "trace.html").read_text()
    assert "small, self-speculative, seed 3" in page


def test_pictures_are_the_same_whenever_they_are_drawn(made, tmp_path):
    path, built = made
    again = plots.draw_all(tmp_path, built)
    assert len(again) == 8
    for file in again:
        assert file.read_bytes() == (path / file.name).read_bytes(), file.name
        assert file.stat().st_size > 1000


def test_a_point_without_a_single_word_is_left_out_of_the_pictures(made, tmp_path):
    _, built = made
    wordless = copy.deepcopy(built)
    wordless["points"][0]["numbers"]["spelling_accuracy"] = {"value": None, "standard_error": None}
    assert plots.draw_all(tmp_path, wordless)
