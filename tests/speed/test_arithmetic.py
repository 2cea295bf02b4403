import pytest
import torch
import torch.nn.functional as F

from unmask.errors import ConfigError
from unmask.speed.arithmetic import PEAKS, count_operations, seconds_on


def test_products_are_counted_forwards_and_backwards() -> None:
    x, weight = torch.randn(5, 7), torch.randn(3, 7, requires_grad=True)
    # x is data: its gradient is not worked out.
    assert count_operations(lambda: F.linear(x, weight).sum()) == 2 * (2 * 5 * 7 * 3)


def test_attention_is_counted_too() -> None:
    query = torch.randn(1, 2, 6, 4, requires_grad=True)
    found = count_operations(lambda: F.scaled_dot_product_attention(query, query, query).sum())
    assert found == 3 * 2 * (2 * 2 * 6 * 6 * 4)


def test_a_gpu_takes_its_time() -> None:
    assert seconds_on("rtx 4090", 1e15) == seconds_on("RTX-4090", 1e15) > 1e15 / PEAKS["RTX4090"]
    with pytest.raises(ConfigError, match="nothing is known of the GPU 'H1000'"):
        seconds_on("H1000", 1.0)
