import pytest
import torch

from tests.frontier.small_model import small_model
from unmask.cost import Cost, Work
from unmask.draws import SeededDraws
from unmask.frontier.trajectory import Trajectory
from unmask.process.windows import Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative


def step(accepted, rejected):
    counts = torch.ones(len(accepted), dtype=torch.long)
    work = Work.whole(counts, 4 * counts)
    return Cost(work, torch.tensor(accepted), torch.tensor(rejected), work)


def test_shares_are_spread_over_the_places_that_a_step_settles():
    course = Trajectory(length=4, num_sequences=3)
    course.note(None, step([1, 3], [1, 1]), torch.tensor([0, 1]))  # places 0-1; all four
    course.note(None, step([2], [0]), torch.tensor([0]))  # places 2-3
    # One more, that began later.
    course.note(None, step([0], [1]), torch.tensor([2]))
    course.note(None, step([3], [0]), torch.tensor([2]))
    first, second, later = (0.5 + 0.75 + 0) / 3, (0.5 + 0.75 + 1) / 3, (1 + 0.75 + 1) / 3
    assert course.acceptance() == pytest.approx([first, second, later, later])
    assert course.tokens_per_pass() == pytest.approx([(2 + 4 + 1) / 3, (2 + 3) / 2])


def observed(sampler):
    network, num = small_model().network, 6
    torch.nn.init.normal_(network.tail_out.weight, generator=torch.Generator().manual_seed(0))
    course = Trajectory(network.config.length, num)
    given_ids = torch.full((num, network.config.length), network.vocab_size)
    samples = sample(network, sampler, given_ids, SeededDraws(range(num)), course.note)
    return course.acceptance(), samples


def test_the_shares_of_a_real_run_add_up_to_what_was_accepted():
    shares, samples = observed(SelfSpeculative(window=Whole(), verify_rounds=2))
    assert sum(shares) == pytest.approx(samples.accepted.double().mean().item())
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize("sampler", [Ancestral(num_steps=4), ReMDM(num_steps=6)], ids=str)
def test_samplers_that_verify_nothing_have_none(sampler):
    assert observed(sampler)[0] == []
