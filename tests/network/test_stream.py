"""The cached passes of a causal trunk against the doubled sequence that training runs."""

from dataclasses import replace

import pytest
import torch

from unmask.draws import SeededDraws
from unmask.network.config import HybridConfig
from unmask.network.stream import StreamTransformer
from unmask.predictors.stream import StreamKVCache
from unmask.process import orders
from unmask.shapes import PAD
from unmask.training.windowed import random_partition

TINY = HybridConfig(
    vocab_size=5,
    length=12,
    width=16,
    num_heads=2,
    num_trunk_blocks=2,
    num_tail_blocks=1,
    mlp_ratio=2.0,
    reach="causal",
    max_window=4,
    fills_in=True,
    first_target="stream",
)


def random_stream(config: HybridConfig = TINY, seed: int = 0) -> StreamTransformer:
    """Every weight at random, so that nothing is silent."""
    network = StreamTransformer(config).double().eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = 0.4 * noise + (1.0 if parameter.ndim == 1 else 0.0)
    return network


def sequences(num: int, config: HybridConfig = TINY, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(config.vocab_size, (num, config.length), generator=generator)
    is_given = torch.rand(token_ids.shape, generator=generator) < 0.3
    order = orders.given_first(orders.left_to_right(num, config.length), is_given)
    return token_ids, order


CONFIGS = {
    "stream first": TINY,
    "draft first": replace(TINY, first_target="draft"),
    "two tail blocks": replace(TINY, num_tail_blocks=2),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@torch.no_grad()
def test_cached_windows_say_what_the_doubled_sequence_says(config):
    network, (token_ids, order) = random_stream(config), sequences(3, config)
    start = random_partition(SeededDraws([3]), config.length, config.max_window)
    logits = network(token_ids, order, start)
    stream, draft, target = (x.log_softmax(-1) for x in logits)
    memory = StreamKVCache.blank(network.stream_shape, 3)
    for first in start.unique().tolist():
        width = int((start == first).sum())
        found = network.extend(
            token_ids,
            order,
            first=torch.full((3,), first),
            window=torch.full((3,), width),
            num_columns=width,
            memory=memory,
        )
        memory = found.memory
        window = slice(first, first + width)
        assert torch.allclose(found.law_log_probs[:, -1], stream[:, first], atol=1e-12)
        wanted = draft[:, window].clone()
        if config.first_target == "stream":
            wanted[:, 0] = stream[:, first]
        assert torch.allclose(found.draft.log_probs, wanted, atol=1e-12)
        wanted_target = target[:, window].clone()
        wanted_target[:, 0] = wanted[:, 0]
        # All at once, and again one after the other.
        ones = torch.ones(3, dtype=torch.long)
        columns = [network.verify(found.draft, filled_ids=token_ids, order=order,
                                  first=first * ones, num_columns=width)]  # fmt: skip
        columns.append(
            torch.cat(
                [
                    network.verify(
                        found.draft,
                        filled_ids=token_ids,
                        order=order,
                        first=(first + k) * ones,
                        num_columns=1,
                    )
                    for k in range(width)
                ],
                dim=1,
            )
        )
        for verified in columns:
            assert torch.allclose(verified, wanted_target, atol=1e-12)


@torch.no_grad()
def test_ragged_windows_with_a_cache_equal_each_sequence_alone_without_one():
    network, (token_ids, order) = random_stream(), sequences(3)
    memory = StreamKVCache.blank(network.stream_shape, 3)
    for first, window in (([0, 0, 0], [1, 4, 2]), ([1, 3, 0], [4, 2, 3]), ([5, 11, 2], [2, 1, 4])):
        firsts, windows = torch.tensor(first), torch.tensor(window)
        found = network.extend(
            token_ids,
            order,
            first=firsts,
            window=windows,
            num_columns=max(window),
            memory=memory,
        )
        memory = found.memory
        together = network.verify(
            found.draft, filled_ids=token_ids, order=order, first=firsts, num_columns=max(window)
        )
        for row in range(3):
            alone = network.extend(
                token_ids[row : row + 1],
                order[row : row + 1],
                first=firsts[row : row + 1],
                window=windows[row : row + 1],
                num_columns=window[row],
            )
            assert torch.allclose(
                found.law_log_probs[row, -1], alone.law_log_probs[0, -1], atol=1e-12
            )
            verified = network.verify(
                alone.draft,
                filled_ids=token_ids[row : row + 1],
                order=order[row : row + 1],
                first=firsts[row : row + 1],
                num_columns=window[row],
            )
            for cached, whole in ((found.draft.log_probs, alone.draft.log_probs),
                                  (together, verified)):  # fmt: skip
                assert torch.allclose(cached[row, : window[row]], whole[0], atol=1e-12)


@torch.no_grad()
def test_nothing_sees_what_comes_later_in_the_order():
    network, (token_ids, order) = random_stream(), sequences(1)
    start = torch.tensor([0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8])
    before = network(token_ids, order, start)
    slot = 6
    changed = token_ids.clone()
    place = order[0, slot]
    changed[0, place] = (changed[0, place] + 1) % TINY.vocab_size
    after = network(changed, order, start)
    for name, first_to_see in (("stream", 7), ("draft", 8), ("target", 7)):
        same = (getattr(before, name) == getattr(after, name)).all(-1)[0]
        moved = (getattr(before, name) - getattr(after, name)).abs().amax(-1)[0] > 1e-9
        assert same[:first_to_see].all(), name
        assert moved[first_to_see:].all(), name


@torch.no_grad()
@pytest.mark.parametrize("is_sound", [True, False])
def test_a_changed_token_is_run_again_and_all_behind_it(is_sound, monkeypatch):
    """Also those behind that hold what they held: they saw another token before them."""
    network, (token_ids, order) = random_stream(), sequences(1)
    if not is_sound:
        monkeypatch.setattr(
            StreamKVCache,
            "num_known",
            lambda self, ids: (self.run_ids[:, : ids.shape[1]] == ids).sum(dim=1) + 1,
        )

    def laws(ids, memory):
        last = torch.tensor([TINY.length - 1])
        return network.extend(
            ids, order, first=last, window=0 * last, num_columns=0, num_laws=1, memory=memory
        )

    remembered = laws(token_ids, None).memory
    changed = token_ids.clone()
    place = order[0, 3]
    changed[0, place] = (changed[0, place] + 1) % TINY.vocab_size
    again, whole = laws(changed, remembered), laws(changed, None)
    is_same = torch.allclose(again.law_log_probs, whole.law_log_probs, atol=1e-12)
    assert is_same == is_sound
    if is_sound:
        assert again.work.tokens.item() == TINY.length - 4


@torch.no_grad()
def test_a_padded_sequence_is_told_what_it_is_told_alone():
    network, (token_ids, order) = random_stream(), sequences(3)
    start = random_partition(SeededDraws([3]), TINY.length, TINY.max_window)
    length = next(n for n in range(3, 9) if start[n] < n)  # a window in which sequences end
    token_ids, order = token_ids[:, :9], orders.left_to_right(3, 9)
    token_ids[0, length:] = PAD
    together = network(token_ids, order, start[:9])
    alone = network(token_ids[:1, :length], order[:1, :length], start[:length])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[:1, :length], other)
