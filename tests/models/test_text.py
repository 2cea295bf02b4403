"""Loading a model and using it, on the one that ships."""

import json
import math
from fnmatch import fnmatch

import pytest
import torch

import unmask
from unmask.errors import CheckpointError, ConfigError, PromptError
from unmask.files.model_folder import shipped_folder, shipped_names
from unmask.files.tensors import read_tensors, write_tensors
from unmask.models.text import TextModel
from unmask.network.config import HybridConfig
from unmask.network.error_head import ErrorHead, write_error_head
from unmask.network.hybrid import HybridTransformer
from unmask.vocabularies.characters import text8


@pytest.fixture(scope="module")
def model():
    return unmask.load("text8s-any")


def test_what_ships_fits_the_repository():
    assert "text8s" in shipped_names()
    for name in shipped_names():
        weights = shipped_folder(name) / "model.safetensors"
        assert weights.stat().st_size <= 12e6
        assert {t.dtype for t in read_tensors(weights).values()} == {torch.bfloat16}
        assert (shipped_folder(name) / "README.md").exists()


def test_a_judge_generates_nothing():
    judge = TextModel(
        HybridTransformer(HybridConfig(length=24, width=8, num_heads=1, num_trunk_blocks=0)),
        text8(),
        "judge",
    )
    token_ids = judge.encode("the")
    for use in (
        judge.generate,
        lambda: judge.score(token_ids),
        lambda: judge.log_likelihood(token_ids),
    ):
        with pytest.raises(ConfigError, match="judge has no trunk blocks: it judges text"):
            use()


def test_samples_have_text_ids_and_statistics_that_agree(model):
    for n, sample in enumerate(model.generate(num_samples=3, seed=5, length=24)):
        assert sample.seed == 5 + n
        assert len(sample.token_ids) == len(sample.text) == 24
        assert model.vocabulary.encode(sample.text).tolist() == sample.token_ids
        assert sample.accepted + sample.rejected == 24
        expected_nfe = (11 * sample.trunk_passes + sample.tail_passes) / 12
        assert sample.nfe == pytest.approx(expected_nfe)
        assert sample.seconds > 0


@pytest.mark.parametrize(
    "sampler",
    [
        unmask.SelfSpeculative(window=unmask.Fixed(6), verify_rounds=2),
        unmask.Ancestral(num_steps=4),
        unmask.TargetOnly(window=unmask.Fixed(4)),
    ],
    ids=lambda s: type(s).__name__,
)
def test_statistics_are_those_the_hooks_on_the_network_count(model, sampler):
    with unmask.count_work(model.network) as work:
        samples = model.generate(sampler=sampler, num_samples=5, batch_size=3, length=20)
    assert sum(s.trunk_passes for s in samples) == work.trunk.sequence_passes
    assert sum(s.tail_passes for s in samples) == work.tail.sequence_passes
    assert sum(s.nfe for s in samples) == pytest.approx(work.nfe)


def test_star_shaped_sampling_by_an_error_head_pays_for_its_passes(model, tmp_path):
    write_error_head(tmp_path, ErrorHead(model.network), model.network)
    predictor = model.error_head(tmp_path)
    assert predictor.network is model.network
    sampler = unmask.StarShaped(num_steps=6, error_predictor=predictor)
    with unmask.count_work(model.network) as work:
        samples = model.generate(sampler=sampler, num_samples=3, batch_size=2, length=64)
    # Six guesses, and judgements at 3/6 and 2/6 of the time.
    assert {s.trunk_passes for s in samples} == {6 + 2}
    assert sum(s.nfe for s in samples) == pytest.approx(work.nfe)


def test_a_head_trained_for_another_model_is_refused(model, tmp_path):
    network = unmask.HybridTransformer(model.network.config, seed=1)
    write_error_head(tmp_path, ErrorHead(network), network)
    with pytest.raises(CheckpointError, match="an error head of another model"):
        model.error_head(tmp_path)


def test_a_seed_gives_the_same_sample_alone_and_in_a_batch():
    """In float64, where rounding cannot move a decision; the default sampler."""
    model = unmask.load("text8s-any", dtype=torch.float64)
    together = model.generate(num_samples=5, seed=2, length=32, batch_size=5)
    alone = model.generate(num_samples=1, seed=4, length=32)
    assert alone[0].token_ids == together[2].token_ids
    assert alone[0].nfe == together[2].nfe


def test_a_prompt_comes_first_and_a_template_keeps_its_letters(model):
    sample = model.generate(num_samples=1, prompt="the history of ", length=24)[0]
    assert sample.text.startswith("the history of ") and "_" not in sample.text
    template = "the ____ of the ____ was"
    filled = model.generate(num_samples=1, template=template)[0].text
    kept = [(a, b) for a, b in zip(template, filled, strict=True) if a != "_"]
    assert all(a == b for a, b in kept) and "_" not in filled


def test_prompt_template_and_length_that_do_not_fit_are_refused(model):
    with pytest.raises(PromptError, match="choose one"):
        model.given_ids(prompt="a", template="b_")
    with pytest.raises(PromptError, match="must be 1 to 256"):
        model.given_ids(length=257)
    with pytest.raises(PromptError, match="template has 300 characters"):
        model.given_ids(template="_" * 300)
    with pytest.raises(PromptError, match="the prompt has 256 characters"):
        model.given_ids(prompt="a" * 256)
    with pytest.raises(PromptError, match="'É' at offset 1"):
        model.given_ids(prompt="aÉ")
    with pytest.raises(ConfigError, match="num_samples must be a whole number of at least 1"):
        model.generate(num_samples=0)


def test_likelihood_of_a_short_text_is_finite_and_tightens_with_orders(model):
    token_ids = model.encode("the history of the world")
    sampler = unmask.SelfSpeculative(window=unmask.Fixed(8), verify_rounds=2)
    one = model.log_likelihood(token_ids, sampler, num_orders=1)
    many = model.log_likelihood(token_ids, sampler, num_orders=4)
    bits = -many.item() / (24 * math.log(2))
    assert 0 < bits < math.log2(27)  # better than knowing nothing
    assert torch.isfinite(one).all()
    left_to_right = unmask.SelfSpeculative(window=unmask.Fixed(8), order="left-to-right")
    exact = model.log_likelihood(token_ids, left_to_right)
    again = model.log_likelihood(token_ids, left_to_right, num_orders=2, seed=9)
    torch.testing.assert_close(exact, again)  # one order only, so nothing is left to chance


def test_score_agrees_with_the_likelihood_and_gives_all_three_bounds(model):
    token_ids = model.encode("of the").repeat(3, 1)
    sampler = unmask.SelfSpeculative(window=unmask.Fixed(1), order="left-to-right")
    score = model.score(token_ids, sampler)
    expected = -model.log_likelihood(token_ids, sampler)[0].item() / (6 * math.log(2))
    assert score.likelihood.value == pytest.approx(expected)
    # One token per pass: the sampler's law is the diffusion bound's, and nothing is rejected.
    assert score.diffusion.value == pytest.approx(expected)
    assert score.likelihood.standard_error == pytest.approx(0, abs=1e-9)
    assert score.num_tokens == 18 and score.trunk_passes == pytest.approx(6)
    assert score.tail_passes == 0 and score.acceptance_rate == pytest.approx(1)


def test_a_saved_model_is_the_same_model(model, tmp_path):
    model.save(tmp_path / "copy")
    copy = unmask.load(str(tmp_path / "copy"))
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, copy.network.state_dict()[name])


def test_unknown_and_unfitting_models_are_refused(model, tmp_path):
    with pytest.raises(CheckpointError, match=r"no model 'nonesuch'.*text8s"):
        unmask.load("nonesuch")
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["codec"]["alphabet"] = "ab"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="27 tokens and its vocabulary 2"):
        unmask.load(str(tmp_path))
    tensors = read_tensors(tmp_path / "model.safetensors")
    tensors["surplus"] = torch.zeros(1)
    write_tensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match="'surplus'"):
        unmask.load(str(tmp_path))


def test_a_hub_id_that_cannot_be_fetched_is_one_sentence(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub

    def unreachable(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError, match="fetching it as a hub id failed"):
        unmask.load("someone/something")


def test_a_hub_id_is_fetched_and_loaded(monkeypatch):
    import huggingface_hub

    asked = []

    def snapshot(hub_id, allow_patterns):
        asked.append((hub_id, allow_patterns))
        return str(shipped_folder("text8s-any"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert unmask.load("owner/text8s").length == 256
    ((hub_id, patterns),) = asked
    assert hub_id == "owner/text8s"
    wanted = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "words.xz"]
    wanted += ["tokenizer.json", "chat_template.jinja", "policy/model.safetensors"]
    assert all(any(fnmatch(file, pattern) for pattern in patterns) for file in wanted)
    refused = ["pytorch_model.bin", "modeling_llada.py", "model.pkl"]
    assert not any(fnmatch(file, pattern) for pattern in patterns for file in refused)
