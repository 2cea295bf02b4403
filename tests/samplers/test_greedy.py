"""At temperature 0 every sampler takes the best token, without a table, for the same numbers."""

from dataclasses import replace

import pytest
import torch

from tests.samplers.test_engine import CHOICES, every_predictor
from unmask.draws import SeededDraws
from unmask.predictors.markov import MarkovChain
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.sampler import sample
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.star_shaped import StarShaped
from unmask.speculation.filters import Filter


def at_temperature_zero(sampler):
    if isinstance(sampler, DraftVerify):
        return replace(sampler, drafter=at_temperature_zero(sampler.drafter))
    return replace(sampler, filter=Filter(temperature=0.0))


every_sampler = pytest.mark.parametrize(
    "sampler", [at_temperature_zero(choice) for choice in CHOICES], ids=lambda s: type(s).__name__
)


def inverting_the_cdf(self, log_probs, where, draws):
    """The slow twin: a token from the filtered table, as at any temperature."""
    return draws.categorical(self(log_probs), where)


def sampled(predictor, sampler):
    """What four sequences become, and how many numbers that took."""
    given_ids = torch.full((4, 12), predictor.vocab_size)
    given_ids[1, 3], given_ids[2, :2] = 1, 0
    draws = SeededDraws(range(4))
    samples = sample(predictor, sampler, given_ids, draws)
    return {
        "token_ids": samples.token_ids.tolist(),
        "cost": samples.cost.each(),
    }, draws._num_drawn.tolist()


@every_predictor
@every_sampler
def test_samples_and_numbers_are_those_of_the_table(monkeypatch, predictor, sampler):
    fast = sampled(predictor, sampler)
    monkeypatch.setattr(Filter, "draw_filtered", inverting_the_cdf)
    assert fast == sampled(predictor, sampler)


@every_sampler
def test_no_window_of_tables_is_inverted(monkeypatch, sampler):
    """Only what replaces a rejected draft is, one table a sequence. SelfDraft never draws."""
    if isinstance(sampler, StarShaped) and sampler.error_predictor is not None:
        pytest.skip("its predictor of errors knows other tokens")
    chain = MarkovChain.random(vocab_size=15, order=1, seed=0)  # more than there are positions
    num_tables = 0
    categorical = SeededDraws.categorical

    def counting(self, log_probs, where):
        nonlocal num_tables
        num_tables += log_probs.ndim > 2 and log_probs.shape[-1] == 15
        return categorical(self, log_probs, where)

    monkeypatch.setattr(SeededDraws, "categorical", counting)
    sampled(chain, sampler)
    assert not num_tables
    monkeypatch.setattr(Filter, "draw_filtered", inverting_the_cdf)
    sampled(chain, sampler)
    assert num_tables or isinstance(sampler, SelfDraft), (
        "the check sees none even where there are some"
    )
