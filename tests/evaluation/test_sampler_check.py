"""Our own samplers keep the rules, and a sampler that breaks one is told which."""

from dataclasses import dataclass, replace

import pytest
import torch

from unmask.evaluation import sampler_check
from unmask.evaluation.enumeration import NotEnumerable, every_outcome
from unmask.evaluation.sampler_check import check_sampler
from unmask.predictors.markov import MarkovChain
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.spec import read_sampler

CHAIN = MarkovChain.random(vocab_size=2, order=1, seed=0)
KEPT = (
    "self-speculative(verify_rounds=2)", "ancestral(num_steps=3)", "klass", "lookahead",
    "prefix-verify",
)  # fmt: skip


@pytest.mark.parametrize("spec", KEPT)
def test_ours_keep_the_rules(spec):
    findings = check_sampler(read_sampler(spec), CHAIN, length=3)
    assert [found.check for found in findings] == ["spec", "law", "batch", "account"]
    assert not [found for found in findings if found.problem]


def test_an_exact_sampler_is_at_no_distance_from_one_token_per_pass():
    said = {found.check: found.said for found in check_sampler(FirstHitting(), CHAIN)}
    assert "8 sequences, probabilities sum to 1.0000000000; 0.0000" in said["law"]


@dataclass(frozen=True)
class Broken:
    """First-hitting sampling with a fault."""

    def init(self, given_ids, *, mask_id, draws):
        return FirstHitting().init(given_ids, mask_id=mask_id, draws=draws)

    def step(self, state, predictor, draws):
        return FirstHitting().step(state, predictor, draws)


class OwnDice(Broken):
    def step(self, state, predictor, draws):
        state, info = super().step(state, predictor, draws)
        is_new = (torch.rand(state.token_ids.shape) < 0.5) & (state.token_ids == 0)
        return replace(state, token_ids=state.token_ids + is_new.long()), info


class Forgetful(Broken):
    def step(self, state, predictor, draws):
        state, info = super().step(state, predictor, draws)
        return replace(
            state, token_ids=state.token_ids.masked_fill(state.is_done[:, None], 0)
        ), info


class Endless(Broken):
    def step(self, state, predictor, draws):
        _, info = super().step(state, predictor, draws)
        return state, info


class Crowded(Broken):
    """What the others have decides."""

    def step(self, state, predictor, draws):
        state, info = super().step(state, predictor, draws)
        if len(state.token_ids) > 1:
            first = state.token_ids[0, 0] % 2 if state.token_ids[0, 0] < 2 else 1
            ids = torch.where(state.token_ids < 2, first, state.token_ids)
            return replace(state, token_ids=ids), info
        return state, info


class Flattering(Broken):
    def step(self, state, predictor, draws):
        state, info = super().step(state, predictor, draws)
        return state, replace(info, trunk=info.trunk * 0)


class Boastful(Broken):
    def step(self, state, predictor, draws):
        state, info = super().step(state, predictor, draws)
        return state, replace(info, accepted=info.accepted + 1)


@dataclass
class Soft(Broken.__base__):
    """Not frozen."""

    num_steps: int = 1
    init, step = Broken.init, Broken.step


@pytest.mark.parametrize(
    ("sampler", "check", "said"),
    [
        (OwnDice(), "law", "does not come from Draws"),
        (Forgetful(), "law", "what is given must stay"),
        (Endless(), "law", "is_done never holds"),
        (Crowded(), "batch", "beside others"),
        (Flattering(), "account", "tells of 0 tokens that went through the network"),
        (Boastful(), "account", "accepted and rejected"),
        (Soft(), "spec", "not frozen"),
        (Broken(), "spec", "has no name for its spec"),
    ],
)
def test_a_fault_is_found_by_its_check(sampler, check, said, monkeypatch):
    monkeypatch.setattr(sampler_check, "_MAX_STEPS", 100)
    (found,) = [found for found in check_sampler(sampler, CHAIN) if found.check == check]
    assert said in found.problem


def test_a_law_of_too_many_paths_is_not_enumerated(monkeypatch):
    monkeypatch.setattr(sampler_check, "_MOST_PATHS", 300)
    (law,) = [
        found
        for found in check_sampler(read_sampler("ancestral(num_steps=64)"), CHAIN)
        if found.check == "law"
    ]
    assert law.said.startswith("not enumerated: there are more than")
    with pytest.raises(NotEnumerable, match="infinitely many"):
        every_outcome(lambda draws: draws.uniform(torch.ones(len(draws), 1).bool()))
