import math

import pytest
import torch

from tests.frontier.small_model import small_model, small_model_with_policy
from unmask.draws import SeededDraws
from unmask.errors import CheckpointError, ConfigError
from unmask.frontier.budget import knob_for
from unmask.frontier.families import FAMILIES, family, rounds_for
from unmask.models.load import load
from unmask.network.error_head import ErrorHead, LearnedErrorPredictor, write_error_head
from unmask.process.remasking import Cap
from unmask.process.windows import Cosine
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.registry import SAMPLERS, describe
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.spec import read_sampler
from unmask.speculation.filters import Filter

needs_stream = ("lossless", "autoregressive")  # tests/frontier/test_causal.py
with_formula = [
    name
    for name, one in FAMILIES.items()
    if one.passes is not None and not name.startswith(needs_stream)
]


def test_every_sampler_has_a_family_but_those_without_a_knob_or_chance_or_for_large_models():
    made = {
        type(one.make(max(one.low, 8.0 if one.is_whole else 0.05))) for one in FAMILIES.values()
    }
    without = {
        "first-hitting",
        "learned-policy",
        "self-draft",
        "prefix-verify",
        "draft-verify",
        "wino",
    }
    assert set(SAMPLERS.values()) - made == {SAMPLERS[name] for name in without}


def setting(model, chosen, budget):
    nfe = model.network.config.nfe
    return knob_for(chosen, model.network, budget, given_ids=model.given_ids(), nfe=nfe)


def test_a_learned_family_takes_the_part_that_lies_with_the_model(tmp_path):
    model = small_model_with_policy(tmp_path / "model")
    sampler = family("learned-policy", model).make(0.5)
    assert isinstance(sampler, LearnedPolicy) and sampler.boldness == 0.5
    _, few = setting(model, family("learned-policy", model), 3.0)
    _, many = setting(model, family("learned-policy", model), 10.0)
    assert few == pytest.approx(3, rel=0.3) and many == pytest.approx(10, rel=0.3)
    with pytest.raises(CheckpointError, match="no model 'small'"):
        family("learned-policy", small_model())


def test_star_shaped_sampling_takes_the_error_head_that_lies_with_the_model(tmp_path):
    small_model().save(tmp_path)
    model = load(str(tmp_path))
    write_error_head(tmp_path / "error_head", ErrorHead(model.network), model.network)
    sampler = family("star-shaped/learned", model).make(6.0)
    assert isinstance(sampler.error_predictor, LearnedErrorPredictor)
    assert sampler.error_predictor.network is model.network
    assert describe(sampler)["error_predictor"] == {"name": "LearnedErrorPredictor"}
    for num_steps in (2.0, 8.0, 24.0):
        check_passes(family("star-shaped/learned", model), num_steps, model, 0.6)
    with pytest.raises(CheckpointError, match="no model 'small'"):
        family("star-shaped/learned", small_model())


@pytest.mark.parametrize("name", with_formula)
@pytest.mark.parametrize("knob", [2.0, 8.0, 24.0, 40.0])
def test_passes_by_formula_are_those_that_are_made(name, knob):
    chosen, model = FAMILIES[name], small_model()
    is_window = name in ("target-only", "fixed-partition", "fixed-partition/spaced")
    knob = knob / 100 if is_window else max(knob, chosen.low)
    # Ancestral steps alone leave the number of passes to chance.
    by_chance = name.startswith(("ancestral", "star-shaped"))
    check_passes(chosen, knob, model, 0.6 if by_chance else 1e-9)


def check_passes(chosen, knob, model, allowed):
    length = model.length
    samples = sample(
        model.network,
        chosen.make(knob),
        torch.full((40, length), model.network.vocab_size),
        SeededDraws(range(40)),
    )
    trunk, tail = chosen.passes(knob, length)
    assert samples.trunk_passes.double().mean().item() == pytest.approx(trunk, abs=allowed)
    assert samples.tail_passes.double().mean().item() == pytest.approx(tail, abs=1e-9)


def test_the_papers_pairs_of_window_and_rounds():
    pairs = {0.002: 1, 0.005: 2, 0.01: 3, 0.02: 4, 0.04: 8, 0.083: 10}
    assert {dtau: rounds_for(dtau) for dtau in pairs} == pairs
    assert rounds_for(0.001) == 1 and rounds_for(1.0) == 10
    rounds = [rounds_for(math.exp(x)) for x in torch.linspace(-7, 0, 50).tolist()]
    assert rounds == sorted(rounds)


def test_a_pilot_finds_the_setting_that_spends_a_budget():
    model = small_model()
    knob, nfe = setting(model, FAMILIES["self-speculative"], 6.0)
    assert nfe == pytest.approx(6.0, rel=0.25)
    assert (knob, nfe) == setting(model, FAMILIES["self-speculative"], 6.0)


def test_an_unknown_family_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match="no sampler 'magic'.*self-speculative.*remdm/loop"):
        family("magic", small_model())


def test_a_spec_leaves_the_budget_what_it_does_not_say():
    spaced = family("self-speculative(order=spaced, verify_rounds=4)", small_model())
    assert spaced.make(0.2) == SelfSpeculative(window=Cosine(0.2), verify_rounds=4, order="spaced")
    assert spaced.make(0.1).window == Cosine(0.1)
    cool = family("remdm(temperature=0.8)", small_model())
    assert cool.make(8) == ReMDM(num_steps=8, remasking=Cap(), filter=Filter(temperature=0.8))


def test_a_spec_that_says_all_is_one_setting():
    said = "self-speculative(window=fixed(4), verify_rounds=2)"
    one = family(said, small_model())
    assert one.make(one.low) == one.make(one.high) == read_sampler(said)
    assert family("first-hitting", small_model()).make(1.0) == FirstHitting()


def test_what_a_spec_has_wrong_is_said():
    with pytest.raises(ConfigError, match="has no 'dtau'.*It has: .*window"):
        family("self-speculative(dtau=0.2)", small_model())
    with pytest.raises(ConfigError, match="no sampler 'self-speculative/cold'.*or give a spec"):
        family("self-speculative/cold", small_model())
