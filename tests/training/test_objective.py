from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import TINY, random_network
from tests.reference.slow_objective import slow_losses
from unmask.draws import SeededDraws
from unmask.network.hybrid import HybridTransformer
from unmask.process import masking
from unmask.training import objective
from unmask.training.objective import Corruption, Losses, corrupt, losses, unwrapped

LENGTH, VOCAB = TINY.length, TINY.vocab_size
both_first_targets = pytest.mark.parametrize("first_target", ["draft", "start-track"])


def tokens(batch_size: int) -> torch.Tensor:
    where = torch.ones(batch_size, LENGTH, dtype=torch.bool)
    return SeededDraws(range(batch_size)).categorical(
        torch.zeros(batch_size, LENGTH, VOCAB), where
    )


def unweighted(network: HybridTransformer, token_ids, corruption: Corruption) -> Losses:
    """Wrong: every masked token counts 1/D, so heavily masked sequences rule."""
    right = losses(network, token_ids, corruption)
    share = (LENGTH - corruption.num_revealed) / LENGTH
    return Losses(right.draft * share, right.target * share)


def including_revealed(network: HybridTransformer, token_ids, corruption: Corruption) -> Losses:
    """Wrong: the last revealed token is counted too."""
    one_more = replace(corruption, num_revealed=(corruption.num_revealed - 1).clamp(min=0))
    return losses(network, token_ids, one_more)


def judged_by_itself(network: HybridTransformer, token_ids, corruption: Corruption) -> Losses:
    """Wrong: the trunk sees the tokens it is to predict."""
    everything = torch.full_like(corruption.num_revealed, LENGTH)
    original = masking.mask_after

    def mask_nothing(token_ids, order, num_revealed, mask_id):
        return original(token_ids, order, everything, mask_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objective.masking, "mask_after", mask_nothing)
        return losses(network, token_ids, corruption)


@both_first_targets
@pytest.mark.parametrize(
    ("fast", "is_right"),
    [(losses, True), (unweighted, False), (including_revealed, False), (judged_by_itself, False)],
)
def test_losses_are_those_of_the_formula(
    fast: Callable[..., Losses], is_right: bool, first_target: str
) -> None:
    network = random_network(replace(TINY, first_target=first_target))
    token_ids, corruption = tokens(LENGTH), corrupt(3, LENGTH, LENGTH)
    assert corruption.num_revealed.tolist() == list(range(LENGTH))
    with torch.no_grad():
        found = fast(network, token_ids, corruption)
        slow = [
            slow_losses(network, token_ids[b].tolist(), corruption.order[b].tolist(), i)
            for b, i in enumerate(corruption.num_revealed.tolist())
        ]
    expected = torch.tensor(slow, dtype=torch.float64)
    differences = (torch.stack([found.draft, found.target], dim=1) - expected).abs()
    assert bool(differences.max() < 1e-12) == is_right


def test_the_total_is_the_mean_of_the_sums_over_the_batch() -> None:
    parts = Losses(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0]))
    assert parts.total().item() == 1.75


@both_first_targets
def test_where_the_target_is_the_draft_it_costs_the_same(first_target: str) -> None:
    """At initialisation the tail adds nothing to the draft."""
    network = HybridTransformer(replace(TINY, first_target=first_target)).double()
    found = losses(network, tokens(6), corrupt(1, 6, LENGTH))
    torch.testing.assert_close(found.target, found.draft)
    torch.testing.assert_close(found.total(), 2 * found.draft.mean())


def test_the_draft_stands_in_for_the_first_target() -> None:
    """Two networks of the same weights differ in that token alone, by 1/(D - i)."""
    own = random_network(replace(TINY, first_target="start-track"))
    lent = HybridTransformer(replace(TINY, first_target="draft")).double().eval()
    weights = own.state_dict()
    own.start_track.data.zero_()  # what slot 0 holds where there is no start track
    del weights["start_track"]
    lent.load_state_dict(weights)
    token_ids, corruption = tokens(5), corrupt(2, 5, LENGTH)
    with torch.no_grad():
        with_own, with_lent = (losses(net, token_ids, corruption) for net in (own, lent))
        masked = masking.mask_after(
            token_ids, corruption.order, corruption.num_revealed, TINY.mask_id
        )
        logits = own(masked, token_ids, corruption.order)
    first = corruption.num_revealed[:, None]
    rows = torch.arange(5)
    token = token_ids.gather(1, corruption.order.gather(1, first))[:, 0]
    draft, target = (-part.log_softmax(-1)[rows, first[:, 0], token] for part in logits)
    torch.testing.assert_close(with_lent.draft, with_own.draft)
    assert not torch.allclose(with_lent.target, with_own.target)
    torch.testing.assert_close(
        with_lent.target - with_own.target, (draft - target) / (LENGTH - first[:, 0])
    )


def test_dropped_precision_is_made_good_before_the_softmax() -> None:
    network = random_network().bfloat16()
    assert losses(network, tokens(2), corrupt(0, 2, LENGTH)).draft.dtype == torch.float32


def test_corruption_is_a_function_of_its_seed() -> None:
    one, same, other = corrupt(5, 4, 30), corrupt(5, 4, 30), corrupt(6, 4, 30)
    assert torch.equal(one.order, same.order)
    assert torch.equal(one.num_revealed, same.num_revealed)
    assert not torch.equal(one.order, other.order)
    assert len({tuple(row) for row in one.order.tolist()}) == 4
    assert all(sorted(row) == list(range(30)) for row in one.order.tolist())


def test_numbers_revealed_are_stratified_over_the_batch() -> None:
    for seed in range(20):
        counts = corrupt(seed, 16, 64).num_revealed
        assert (counts // 4).tolist() == list(range(16))


def test_part_of_a_batch_has_its_part_of_the_corruption() -> None:
    whole, rows = corrupt(5, 6, 10), torch.tensor([1, 4])
    part = whole.select(rows, torch.device("cpu"))
    assert torch.equal(part.order, whole.order[rows])
    assert torch.equal(part.num_revealed, whole.num_revealed[rows])


def test_a_wrapped_network_is_found_again() -> None:
    network = random_network()
    assert unwrapped(network) is network
    assert unwrapped(torch.nn.DataParallel(network)) is network


def test_reading_order_with_nothing_revealed_makes_an_autoregressive_loss() -> None:
    """-log p(x) / D of the chain rule, left to right; the trunk says what nothing says."""
    network = random_network(replace(TINY, num_trunk_blocks=0, num_tail_blocks=2))
    token_ids = tokens(3)
    found = losses(network, token_ids, corrupt(7, 3, LENGTH, "left-to-right"))
    masked_ids, order = torch.full_like(token_ids, VOCAB), torch.arange(LENGTH).repeat(3, 1)
    positions = order[:, :1]
    nats = torch.zeros(3, dtype=torch.float64)
    for place in range(LENGTH):
        draft = network.draft(masked_ids, positions)
        filled_ids = token_ids.clone()
        filled_ids[:, place:] = 0  # whatever comes later must not matter
        first = torch.full((3,), place)
        target = network.verify(
            draft, filled_ids=filled_ids, order=order, first=first, num_columns=1
        )
        nats -= target[:, 0].gather(1, token_ids[:, place, None]).squeeze(1)
    torch.testing.assert_close(found.target, nats / LENGTH, atol=1e-5, rtol=1e-5)


def test_without_a_tail_the_target_is_the_draft() -> None:
    network = random_network(replace(TINY, num_tail_blocks=0))
    found = losses(network, tokens(4), corrupt(1, 4, LENGTH))
    torch.testing.assert_close(found.target, found.draft)
