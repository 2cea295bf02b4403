"""Both ways of attending, and the definition."""

import pytest
import torch
import torch.nn.functional as F

from tests.reference.random_network import random_network
from unmask.draws import weight_generator
from unmask.network import attention
from unmask.process import orders

CAUSAL = torch.ones(3, 5, dtype=torch.bool).tril(diagonal=2)
RAGGED = torch.stack([CAUSAL, CAUSAL.roll(1, dims=0)])[:, None]


def random_tensors(*num_tokens: int) -> list[torch.Tensor]:
    generator = weight_generator(0)
    shapes = [(2, 4, num, 8) for num in num_tokens]
    return [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]


def by_definition(query, key, value, visible):
    """One query at a time, over the keys that it sees."""
    mixed = torch.zeros_like(query)
    seen_by = torch.ones(2, 1, 3, 5, dtype=torch.bool) & (True if visible is None else visible)
    for b, h, q in torch.cartesian_prod(*map(torch.arange, query.shape[:3])):
        seen = seen_by[b, 0, q]
        weights = torch.softmax(key[b, h, seen] @ query[b, h, q] / 8**0.5, dim=0)
        mixed[b, h, q] = weights @ value[b, h, seen]
    return mixed


@pytest.mark.parametrize("most_explicit", [0, 15, 31, 75, 2**25])
@pytest.mark.parametrize("visible", [None, CAUSAL, RAGGED], ids=["all", "causal", "ragged"])
def test_attend_is_its_definition(monkeypatch, visible, most_explicit: int) -> None:
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", {torch.float64})
    """Fused, and explicit: a head, two heads, a sequence or all at once."""
    monkeypatch.setattr(attention, "_MOST_SCORES", most_explicit)
    query, key, value = random_tensors(3, 5, 5)
    with torch.no_grad():
        mixed = attention.attend(query, key, value, visible)
    torch.testing.assert_close(mixed, by_definition(query, key, value, visible))


def test_what_is_too_large_goes_to_the_fused_kernel(monkeypatch) -> None:
    """With gradients all scores have to be kept at once; without, those of one head."""
    num_fused = 0

    def counting(*args, **kwargs):
        nonlocal num_fused
        num_fused += 1
        return fused(*args, **kwargs)

    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", counting)
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", {torch.float64})
    monkeypatch.setattr(attention, "_MOST_SCORES", 2 * 4 * 3 * 5)
    attention.attend(*random_tensors(3, 5, 5))
    assert num_fused == 0
    attention.attend(*random_tensors(3, 6, 6))
    assert num_fused == 1
    with torch.no_grad():
        attention.attend(*random_tensors(3, 40, 40))
        assert num_fused == 1
        attention.attend(*random_tensors(3, 41, 41))
        assert num_fused == 2


def test_the_network_says_the_same_either_way(monkeypatch) -> None:
    network = random_network()
    order = orders.left_to_right(1, 8).flip(1)
    masked_ids = torch.tensor([[5, 5, 5, 5, 5, 0, 1, 2]])
    filled_ids = torch.tensor([[1, 0, 3, 2, 4, 0, 1, 2]])
    fused = network(masked_ids, filled_ids, order)
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", {torch.float64})
    explicit = network(masked_ids, filled_ids, order)
    torch.testing.assert_close(fused, explicit, atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, {torch.bfloat16}),
        ({"avx512_bf16": True, "amx_bf16": True, "amx_tile": True}, set()),
        ({"architecture": "arm64", "bf16": True}, {torch.bfloat16}),
        ({}, {torch.bfloat16}),
    ],
)
def test_the_processor_says_which_way_is_taken(capabilities, expected) -> None:
    assert attention.explicit_dtypes(capabilities) == expected


def test_the_way_of_this_processor_is_known() -> None:
    has_amx = torch.cpu._is_amx_tile_supported()
    assert (torch.bfloat16 in attention._EXPLICIT_DTYPES) == (not has_amx)
    assert torch.float32 not in attention._EXPLICIT_DTYPES


@pytest.mark.parametrize("shape", [(1, 2, 7, 16), (2, 3, 70, 32)], ids=str)
@pytest.mark.parametrize("is_causal", [False, True])
def test_both_ways_are_exact_to_the_rounding_of_bf16(monkeypatch, shape, is_causal) -> None:
    generator = weight_generator(0)
    tensors = [torch.randn(shape, generator=generator).bfloat16() for _ in range(3)]
    length = shape[2]
    visible = torch.ones(length, length, dtype=torch.bool).tril() if is_causal else None
    exact = attention.attend(*(x.double() for x in tensors), visible)
    for dtypes in (frozenset(), frozenset({torch.bfloat16})):
        monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", dtypes)
        mixed = attention.attend(*tensors, visible)
        assert mixed.dtype == torch.bfloat16
        # Scores of 3 and weights of 1 are rounded to 2^-8 of themselves, then the result.
        torch.testing.assert_close(mixed.double(), exact, atol=0.03, rtol=2**-7)
        assert (
            mixed.double() - exact
        ).square().mean().sqrt() < 2**-7 * exact.square().mean().sqrt()


@pytest.mark.parametrize("capabilities", [{}, {"amx_bf16": True}], ids=["without AMX", "AMX"])
def test_each_processor_takes_its_own_way(monkeypatch, capabilities) -> None:
    num_fused = 0
    fused = F.scaled_dot_product_attention

    def counting(*args, **kwargs):
        nonlocal num_fused
        num_fused += 1
        return fused(*args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counting)
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", attention.explicit_dtypes(capabilities))
    attention.attend(*(x.bfloat16() for x in random_tensors(3, 5, 5)))
    assert num_fused == len(capabilities)
    attention.attend(*(x.float() for x in random_tensors(3, 5, 5)))
    assert num_fused == len(capabilities) + 1
