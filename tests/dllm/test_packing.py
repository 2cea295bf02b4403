import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.dllm.small import CONFIGS, random_network
from unmask.dllm.packing import pack
from unmask.shapes import PAD


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(9, 14))
def test_each_token_stands_in_one_place_beside_its_own(lengths: list[int], width: int) -> None:
    packing = pack(torch.tensor(lengths), 9, width)
    column = torch.arange(9)
    for number, length in enumerate(lengths):
        places = packing.place[number, :length]
        assert (places.diff() == 1).all()
        assert places[0] // width == places[-1] // width
        assert (packing.owner.flatten()[places] == number).all()
        assert (packing.source.flatten()[places] == number * 9 + column[:length]).all()
    assert (packing.owner >= 0).sum() == sum(lengths)
    assert len(packing.owner) % 8 == 0


def test_little_is_left_empty() -> None:
    lengths = torch.tensor([9, 1, 5, 5, 3, 7, 2, 8] * 8)
    assert len(pack(lengths, 9, 10).owner) == 32  # 320 tokens in rows of ten


@pytest.mark.parametrize("family", CONFIGS)
def test_a_packed_pass_says_the_same_and_learns_the_same(family: str) -> None:
    network = random_network(CONFIGS[family]).train().requires_grad_(True)
    lengths = torch.tensor([11, 4, 7, 3, 2])
    column = torch.arange(11)
    token_ids = (column * lengths[:, None] % 60).masked_fill(column >= lengths[:, None], PAD)
    order = torch.stack([torch.arange(11).roll(int(n)) for n in lengths])
    entries = (order < lengths[:, None]).flatten().nonzero().squeeze(1)
    gradients = []
    for packing in ((), (pack(lengths, 11, 16),)):
        logits, _ = network(token_ids, token_ids, order, entries, *packing)
        gradients.append(
            (logits.detach(), *torch.autograd.grad(logits.cos().sum(), [*network.parameters()]))
        )
    for plain, packed in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-5)  # angles are float32
