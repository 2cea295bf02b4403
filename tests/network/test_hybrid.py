"""What slot s of the tail may know, what the draft may know, and where the two agree."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.reference.random_network import ABLATIONS, TINY, ablation_name, random_network
from tests.reference.uncached_tail import UncachedTail
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.network import packing, tail
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.predictors.counter import count_work
from unmask.predictors.protocol import HybridPredictor
from unmask.process import orders
from unmask.process.masking import mask_after
from unmask.shapes import PAD

ROOT = Path(__file__).parents[2]


class PaddingLookedAwayFrom(HybridTransformer):
    """As on a GPU: the trunk works on padding, and nothing attends to it."""

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        return self._trunk(token_ids, packing.whole(token_ids, self._rotation))


def looking_away() -> HybridTransformer:
    network = random_network()
    network.__class__ = PaddingLookedAwayFrom
    return network


LENGTH, VOCAB = TINY.length, TINY.vocab_size
both_paddings = pytest.mark.parametrize(
    "network", [random_network(), looking_away()], ids=["packed", "looked away from"]
)
every_ablation = pytest.mark.parametrize("config", ABLATIONS, ids=ablation_name)
both_first_targets = pytest.mark.parametrize("first_target", ["draft", "start-track"])


def example(batch_size: int, num_revealed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Orders, whole sequences, the same masked, and the numbers of tokens revealed."""
    draws = SeededDraws(range(batch_size))
    order = orders.random(draws, LENGTH)
    where = torch.ones(batch_size, LENGTH, dtype=torch.bool)
    token_ids = draws.categorical(torch.zeros(batch_size, LENGTH, VOCAB), where)
    counts = torch.full((batch_size,), num_revealed)
    return order, token_ids, mask_after(token_ids, order, counts, VOCAB), counts


def draft_and_target(
    network: HybridTransformer, num_revealed: int, num_columns: int
) -> tuple[Tensor, Tensor]:
    """Of the first columns of a pass, as a sampler would ask for them."""
    order, token_ids, masked_ids, first = example(3, num_revealed)
    positions = order[:, num_revealed : num_revealed + num_columns]
    draft = network.draft(masked_ids, positions)
    target = network.verify(
        draft, filled_ids=token_ids, order=order, first=first, num_columns=num_columns
    )
    return draft.log_probs, target


# What a slot may know.


@torch.no_grad()
def changed_slots(network: HybridTransformer) -> Tensor:
    """[r, s]: whether the target of slot s moves, at all, with the token at order[r]."""
    order, token_ids, masked_ids, _ = (rows.repeat(LENGTH, 1) for rows in example(1, 3))
    # Row r of the batch is changed at order[r]; as rows keep their place, rounding is the same.
    position = order.diagonal()[:, None]
    other_ids = token_ids.scatter(1, position, (token_ids.gather(1, position) + 1) % VOCAB)
    _, before = network(masked_ids, token_ids, order)
    _, after = network(masked_ids, other_ids, order)
    return (after != before).any(dim=-1)


def is_aligned(network: HybridTransformer) -> bool:
    """Slot s knows the tokens at order[:s], all of them, and no other."""
    slots = torch.arange(LENGTH)
    return torch.equal(changed_slots(network), slots[:, None] < slots)


@every_ablation
def test_each_slot_knows_the_tokens_before_its_own_and_no_other(config: HybridConfig) -> None:
    assert is_aligned(random_network(config))


def with_the_token_it_judges(network: HybridTransformer) -> None:
    """Slot s holds the token at order[s]: the mistake of comparing a token with itself."""
    tail_inputs = network._tail_inputs

    def misaligned(features, token_ids, order, slots):
        by_slot = token_ids.gather(1, order).roll(-1, dims=1)
        return tail_inputs(features, token_ids.scatter(1, order, by_slot), order, slots)

    network._tail_inputs = misaligned


def with_a_view_of_the_next_slot(network: HybridTransformer) -> None:
    """Causal attention off by one."""
    tail_layout = network._tail_layout

    def off_by_one(order, slots, query_slots, visible):
        return tail_layout(order, slots, query_slots, visible.roll(-1, dims=0))

    network._tail_layout = off_by_one


def without_attention(network: HybridTransformer) -> None:
    """Each slot sees its own token and no earlier one."""
    tail_layout = network._tail_layout

    def alone(order, slots, query_slots, visible):
        itself = torch.eye(LENGTH, dtype=torch.bool)
        return tail_layout(order, slots, query_slots, itself)

    network._tail_layout = alone


@pytest.mark.parametrize(
    "break_it", [with_the_token_it_judges, with_a_view_of_the_next_slot, without_attention]
)
def test_a_misaligned_network_is_caught(break_it: Callable[[HybridTransformer], None]) -> None:
    network = random_network()
    break_it(network)
    assert not is_aligned(network)


# What the draft may know.


@every_ablation
def test_the_draft_knows_nothing_of_what_is_masked(config: HybridConfig) -> None:
    network = random_network(config)
    order, token_ids, masked_ids, _ = example(2, num_revealed=3)
    other_ids = torch.where(masked_ids == VOCAB, (token_ids + 1) % VOCAB, token_ids)
    assert torch.equal(
        network(masked_ids, token_ids, order)[0], network(masked_ids, other_ids, order)[0]
    )


def test_the_trunk_is_not_causal() -> None:
    network = random_network()
    masked_ids = torch.full((1, LENGTH), VOCAB)
    drafts = []
    for token_id in (0, 1):
        masked_ids[:, -1] = token_id
        drafts.append(network.draft(masked_ids, torch.tensor([[0]])).log_probs)
    assert (drafts[0] - drafts[1]).abs().max() > 1e-3


def test_a_draft_is_about_the_positions_asked_for() -> None:
    network = random_network()
    order, _, masked_ids, _ = example(3, num_revealed=3)
    everywhere = network.draft(masked_ids, orders.left_to_right(3, LENGTH)).log_probs
    positions = order[:, 3:6]
    expected = everywhere.take_along_dim(positions[..., None], dim=1)
    actual = network.draft(masked_ids, positions).log_probs
    torch.testing.assert_close(actual, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(actual.exp().sum(-1), torch.ones(3, 3, dtype=torch.float64))


# Where draft and target agree.


@pytest.mark.parametrize("config", [c for c in ABLATIONS if c.output_residual], ids=ablation_name)
def test_target_is_the_draft_at_initialisation(config: HybridConfig) -> None:
    for num_revealed in (0, 3):
        fresh = HybridTransformer(config).eval()
        assert torch.equal(*draft_and_target(fresh, num_revealed, num_columns=4))
    assert not torch.equal(*draft_and_target(random_network(config), num_revealed, num_columns=4))


def test_without_the_residual_the_tail_starts_out_speaking() -> None:
    network = HybridTransformer(replace(TINY, output_residual=False)).eval()
    draft, target = draft_and_target(network, num_revealed=3, num_columns=4)
    assert target[:, 1:].std(dim=-1).min() > 1e-4
    assert (draft[:, 1:] != target[:, 1:]).all()


@pytest.mark.parametrize("num_revealed", [0, 3])
@both_first_targets
def test_the_first_target_of_a_pass(first_target: str, num_revealed: int) -> None:
    """The draft itself, exactly, or the tail's own; that of later columns is the tail's."""
    network = random_network(replace(TINY, first_target=first_target))
    draft, target = draft_and_target(network, num_revealed, num_columns=3)
    assert network.first_target_is_draft == (first_target == "draft")
    assert torch.equal(draft[:, 0], target[:, 0]) == network.first_target_is_draft
    assert (draft[:, 1:] != target[:, 1:]).all()


@pytest.mark.parametrize("num_skipped", [0, 1, 3])
@both_first_targets
def test_only_the_first_masked_token_of_a_pass_has_its_draft_for_target(
    first_target: str, num_skipped: int
) -> None:
    """In later rounds, and where the first round starts later, column 0 is the tail's."""
    network = random_network(replace(TINY, first_target=first_target, num_tail_blocks=2))
    twin = UncachedTail(network)
    order, filled_ids, masked_ids, num_revealed = example(3, num_revealed=2)
    draft = network.draft(masked_ids, order[:, 2:3])
    for first in (num_revealed + num_skipped, num_revealed + num_skipped + 2):
        columns = {"filled_ids": filled_ids, "order": order, "first": first, "num_columns": 1}
        target = network.verify(draft, **columns)
        expected = twin.verify(twin.draft(masked_ids, order[:, 2:3]), **columns)
        torch.testing.assert_close(target, expected, atol=1e-10, rtol=0)


# Numbers and types.


def test_a_sequence_does_not_depend_on_its_batch() -> None:
    network = random_network()
    order, token_ids, masked_ids, _ = example(3, num_revealed=3)
    together = network(masked_ids, token_ids, order)
    alone = network(masked_ids[1:2], token_ids[1:2], order[1:2])
    for all_rows, one_row in zip(together, alone, strict=True):
        torch.testing.assert_close(all_rows[1:2], one_row, atol=1e-10, rtol=0)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-5), (torch.bfloat16, 0.2)])
@both_first_targets
def test_lower_precision_stays_within_bounds(
    first_target: str, dtype: torch.dtype, bound: float
) -> None:
    """Log-probabilities down to -12; with bfloat16 under autocast, as it is trained."""
    network = random_network(replace(TINY, first_target=first_target, num_tail_blocks=2))
    exact = draft_and_target(network, num_revealed=2, num_columns=4)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        rounded = draft_and_target(network.float(), num_revealed=2, num_columns=4)
    for exact_log_probs, rounded_log_probs in zip(exact, rounded, strict=True):
        assert rounded_log_probs.dtype == torch.float32
        difference = (exact_log_probs - rounded_log_probs).abs().max()
        assert 0 < difference < bound


def test_rotations_differ() -> None:
    """The same weights under either rotation of the tail."""
    order, token_ids, masked_ids, _ = example(1, num_revealed=3)
    crossed, halves = (
        random_network(replace(TINY, tail_rotary=rotary))(masked_ids, token_ids, order)
        for rotary in ("crossed", "halves")
    )
    assert torch.equal(crossed[0], halves[0])
    assert (crossed[1] - halves[1]).abs().max() > 1e-3


def test_new_weights_follow_their_seed() -> None:
    first, again, other = (HybridTransformer(TINY, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_the_network_is_a_hybrid_predictor() -> None:
    network = random_network()
    assert isinstance(network, HybridPredictor)
    assert (network.vocab_size, network.device.type) == (VOCAB, "cpu")


# Without one of the two parts.


def test_a_network_without_a_tail_has_no_weights_of_one_and_says_it_cannot_verify() -> None:
    network = random_network(replace(TINY, num_tail_blocks=0))
    assert not [name for name in network.state_dict() if "tail" in name]
    order, token_ids, masked_ids, first = example(2, 3)
    draft = network.draft(masked_ids, order[:, 3:5])
    assert draft.log_probs.exp().sum(dim=-1).sub(1).abs().max() < 1e-5
    with pytest.raises(ConfigError, match="cannot verify.*--sampler ancestral"):
        network.verify(draft, filled_ids=token_ids, order=order, first=first, num_columns=2)


def test_a_network_without_a_trunk_drafts_the_same_everywhere() -> None:
    network = random_network(replace(TINY, num_trunk_blocks=0))
    log_probs = network.draft(torch.full((1, LENGTH), VOCAB), torch.arange(LENGTH)[None]).log_probs
    torch.testing.assert_close(log_probs, log_probs[:, :1].expand_as(log_probs))
    assert is_aligned(network)


LENGTHS = (3, 8, 5)


def padded(token_ids: Tensor) -> Tensor:
    """The first sequences of a batch cut to LENGTHS."""
    padded_ids = token_ids[: len(LENGTHS)].clone()
    for row, length in enumerate(LENGTHS):
        padded_ids[row, length:] = PAD
    return padded_ids


@both_paddings
def test_a_sequence_is_seen_as_without_its_padding(network: HybridTransformer) -> None:
    _, _, masked_ids, _ = example(3, 2)
    hidden = network.hidden_states(padded(masked_ids))
    for row, length in enumerate(LENGTHS):
        alone = random_network().hidden_states(masked_ids[row : row + 1, :length])
        torch.testing.assert_close(hidden[row, :length], alone[0], atol=1e-12, rtol=0)


@both_paddings
def test_what_is_drafted_and_verified_is_as_without_padding(network: HybridTransformer) -> None:
    _, token_ids, _, _ = example(3, 2)
    order = orders.left_to_right(3, LENGTH)
    first = torch.tensor([1, 2, 1])
    masked_ids = mask_after(padded(token_ids), order, first, VOCAB)
    positions = first[:, None] + torch.arange(2)
    draft = network.draft(masked_ids, positions)
    target = network.verify(
        draft, filled_ids=padded(token_ids), order=order, first=first, num_columns=2
    )
    for row, length in enumerate(LENGTHS):
        its = slice(row, row + 1), slice(length)
        alone = random_network()
        own_draft = alone.draft(masked_ids[its], positions[row : row + 1])
        own_target = alone.verify(
            own_draft,
            filled_ids=token_ids[its],
            order=order[its],
            first=first[row : row + 1],
            num_columns=2,
        )
        torch.testing.assert_close(draft.log_probs[row], own_draft.log_probs[0])
        torch.testing.assert_close(target[row], own_target[0])


def test_packed_sequences_are_counted_one_by_one() -> None:
    network = random_network()
    with count_work(network) as work:
        network.hidden_states(padded(example(3, 2)[2]))
    assert work.trunk.sequence_passes == len(LENGTHS)
    assert work.trunk.tokens == sum(LENGTHS)


def test_groups_of_sequences_and_of_logits_change_nothing(monkeypatch) -> None:
    _, _, masked_ids, _ = example(3, 2)
    positions = torch.arange(LENGTH).expand(3, -1)
    together = random_network().draft(padded(masked_ids), positions).log_probs
    monkeypatch.setattr(packing, "TOKENS_AT_ONCE", 2 * LENGTH)
    monkeypatch.setattr(tail, "_LOGITS_AT_ONCE", 2 * LENGTH * VOCAB)
    network = random_network()
    with count_work(network) as work:
        in_groups = network.draft(padded(masked_ids), positions).log_probs
    assert (work.trunk.batch_passes, work.trunk.sequence_passes) == (2, 3)
    is_real = padded(masked_ids) != PAD
    torch.testing.assert_close(in_groups[is_real], together[is_real], atol=1e-12, rtol=0)


COMPILED = """
import torch
from tests.reference.random_network import random_network

network, compiled = random_network(), random_network()
compiled.compile_trunk()
for num, length in ((5, 8), (2, 8), (3, 5), (1, 8)):
    masked_ids = torch.arange(num * length).reshape(num, length) % (network.vocab_size + 1)
    positions = torch.arange(3).expand(num, -1)
    expected = network.draft(masked_ids, positions).log_probs
    torch.testing.assert_close(compiled.draft(masked_ids, positions).log_probs, expected)
"""


@pytest.mark.slow
def test_a_compiled_trunk_says_the_same() -> None:
    """In a process of its own, without the checks of shapes, which cannot be compiled."""
    subprocess.run([sys.executable, "-c", COMPILED], cwd=ROOT, check=True, capture_output=True)
