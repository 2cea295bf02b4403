"""The cross-entropy in rows is that of torch, and so is its slope."""

import pytest
import torch
import torch.nn.functional as F

from unmask.training import cross_entropy as module
from unmask.training.cross_entropy import cross_entropy


def made(dtype: torch.dtype, num: int = 37, vocab_size: int = 11) -> tuple:
    generator = torch.Generator().manual_seed(0)
    logits = (8 * torch.randn(num, vocab_size, generator=generator)).to(dtype)
    token_ids = torch.randint(vocab_size, (num,), generator=generator)
    return logits.requires_grad_(), token_ids, torch.randn(num, generator=generator)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("at_once", [1, 30, 2**18])
def test_it_is_torchs(dtype: torch.dtype, at_once: int, monkeypatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    logits, token_ids, weights = made(dtype)
    nats = cross_entropy(logits, token_ids)
    (nats * weights).sum().backward()
    exact = logits.detach().double().requires_grad_()
    expected = F.cross_entropy(exact, token_ids, reduction="none")
    (expected * weights).sum().backward()
    assert nats.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.allclose(nats.double(), expected, atol=2e-6)
    close = {torch.bfloat16: 2e-2, torch.float16: 2e-3, torch.float32: 1e-6, torch.float64: 1e-12}
    assert torch.allclose(logits.grad.double(), exact.grad, atol=close[dtype])


def test_without_a_slope_none_is_kept() -> None:
    logits, token_ids, _ = made(torch.bfloat16)
    with torch.no_grad():
        nats = cross_entropy(logits, token_ids)
    assert not nats.requires_grad and nats.shape == (37,)


def test_no_tokens_have_no_nats() -> None:
    logits = torch.zeros(0, 5, dtype=torch.bfloat16, requires_grad=True)
    nats = cross_entropy(logits, torch.zeros(0, dtype=torch.int64))
    nats.sum().backward()
    assert nats.shape == (0,) and logits.grad.shape == (0, 5)
