import json
from dataclasses import replace

import pytest

from tests.frontier.small_model import TINY_WORDS, tiny_model
from unmask.errors import ConfigError
from unmask.frontier import paper, reproduce
from unmask.frontier.folder import Settings, fingerprint, open_folder
from unmask.models.text import TextModel
from unmask.network.hybrid import HybridTransformer
from unmask.process.windows import Cosine, starts
from unmask.quality.texts import TextQuality

PLAN = reproduce.ReproductionPlan(num_samples=16, seed=2)


def opened(path, resume="never"):
    model = tiny_model()
    settings = Settings(
        model=model.name, weights=fingerprint(model), precision="float32",
        num_samples=PLAN.num_samples, seed=PLAN.seed, batch_size=PLAN.batch_size, judge="",
    )  # fmt: skip
    return open_folder(path, settings, resume)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = opened(tmp_path_factory.mktemp("reproduction") / "out")
    told = []
    points = reproduce.measure_text8(
        tiny_model(), PLAN, folder, advance=lambda share, note: told.append((share, note))
    )
    compared = reproduce.compare_text8(tiny_model(), points, TextQuality(TINY_WORDS), PLAN)
    reproduce.write(folder, compared)
    return folder, points, compared, told


def test_the_windows_of_the_paper_are_those_of_its_settings():
    for dtau, num_windows in paper.WINDOWS.items():
        assert len(starts(Cosine(dtau), paper.LENGTH)) == num_windows


def test_its_21_passes_are_all_rounds_in_every_window():
    (last,) = [dtau for dtau in paper.NFE if paper.ROUNDS[dtau] == 10]
    assert paper.WINDOWS[last] * (11 + paper.ROUNDS[last]) / 12 == paper.NFE[last]


def test_every_setting_is_measured_in_the_papers_pairs(made):
    _, points, compared, _ = made
    ours = {
        (p["sampler"]["window"]["dtau"], p["sampler"]["verify_rounds"])
        for p in points
        if p["family"] == "self-speculative"
    }
    assert ours == set(paper.ROUNDS.items())
    assert len(points) == 11 and len(compared["points"]) == 11
    assert all(len(p["texts"]) == 16 for p in points)


def test_figures_that_the_paper_does_not_give_stay_open(made):
    _, _, compared, _ = made
    figures = compared["figures"]
    assert len(figures) == 3 * len(paper.ROUNDS)
    given = [f for f in figures if f["paper"] is not None]
    assert {(f["what"], f["dtau"], f["paper"]) for f in given} == {
        ("windows", 0.01, 80), ("NFE", 0.01, 80.0), ("spelling accuracy", 0.01, 0.91),
        ("windows", 0.083, 12), ("NFE", 0.083, 21.0), ("spelling accuracy", 0.083, 0.87),
    }  # fmt: skip
    for figure in figures:
        if figure["paper"] is None:
            assert figure["difference"] is None
        else:
            assert figure["difference"] == pytest.approx(figure["ours"]["value"] - figure["paper"])


def test_ours_are_the_means_over_the_samples(made):
    _, points, compared, _ = made
    (point,) = [p for p in points if p["knob"] == 0.083]
    (nfe,) = [f for f in compared["figures"] if f["dtau"] == 0.083 and f["what"] == "NFE"]
    assert nfe["ours"]["value"] == pytest.approx(sum(point["nfe"]) / 16)
    assert nfe["seconds"] == pytest.approx(sum(point["seconds"]) / 16)
    (windows,) = [f for f in compared["figures"] if f["dtau"] == 0.083 and f["what"] == "windows"]
    assert windows["ours"]["value"] == len(starts(Cosine(0.083), tiny_model().length))


def test_the_page_has_a_line_for_each_figure_and_ratio(made):
    folder, _, compared, _ = made
    page = (folder.path / "reproduction.md").read_text()
    assert page == reproduce.as_markdown(compared)
    assert page.count("\n| N=") == 18
    assert page.count("\n| ratio at accuracy") == len(compared["ratios"]) == 5
    assert "| N=3 dtau=0.01: spelling accuracy | 0.91 |" in page
    assert "| N=1 dtau=0.002: NFE | – |" in page
    assert "> 2 |" in page and "the paper's network 150 million and 256" in page


def test_what_is_written_is_strict_json(made):
    folder, _, compared, _ = made
    text = (folder.path / "reproduction.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == compared


def test_progress_is_told_up_to_the_whole(made):
    shares = [share for share, _ in made[3]]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)


def test_what_was_measured_is_not_measured_again(made, monkeypatch):
    folder, points, _, _ = made
    monkeypatch.setattr(reproduce, "measure_point", pytest.fail)
    again = reproduce.measure_text8(tiny_model(), PLAN, opened(folder.path, "auto"))
    assert again == points


def test_masked_diffusion_can_have_a_network_of_its_own(made, tmp_path):
    _, trunk_points, compared, _ = made
    network = HybridTransformer(replace(tiny_model().network.config, num_tail_blocks=0), seed=1)
    TextModel(network, tiny_model().vocabulary, "plain").save(tmp_path / "plain")
    baseline = str(tmp_path / "plain")
    points = reproduce.measure_text8(tiny_model(), PLAN, opened(tmp_path / "o"), baseline=baseline)
    own = reproduce.compare_text8(tiny_model(), points, TextQuality(TINY_WORDS), PLAN)
    assert compared["baseline"] == "" and own["baseline"] == baseline
    assert "from the trunk of the same network" in reproduce.as_markdown(compared)
    assert f"from {baseline}, a network of its own" in reproduce.as_markdown(own)
    for point, other in zip(points, trunk_points, strict=True):
        is_ours = point["family"] == "self-speculative"
        assert (point["texts"] == other["texts"]) == is_ours
        if not is_ours:  # a pass of the baseline is one NFE, of the trunk alone 2 blocks of 3
            assert point["nfe"] == [float(passes) for passes in point["trunk_passes"]]


def test_too_few_samples_are_refused():
    with pytest.raises(ConfigError, match="at least 16, got 15"):
        reproduce.ReproductionPlan(num_samples=15)
