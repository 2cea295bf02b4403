"""What a network really did, counted by hooks on its blocks and not by whoever called it.

With L_trunk + L_tail = L blocks, and passes counted once per sequence that takes part,

    NFE = (L_trunk * trunk_passes + L_tail * tail_passes) / L.

One NFE is one sequence through every block once. FLOPs are two per multiply-add of every
matrix product, those of attention included; norms, activations and softmax are not counted.
Both are sums over sequences: for the cost of a sample divide by how many were drawn.

For audits: the statistics that samplers keep must agree with it. Counting slows the network.

Source: Campbell et al. (2025), arXiv:2510.03929, for the NFE of a partial pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from unmask.errors import ConfigError


@dataclass
class BlockWork:
    """What has gone through one block so far."""

    batch_passes: int = 0
    """Calls, whatever their batch size."""
    sequence_passes: int = 0
    """Sequences, summed over calls."""
    tokens: int = 0
    """Tokens that asked and were updated; those that only give keys and values do not count."""
    flops: int = 0


@dataclass(frozen=True)
class PartWork:
    """What has gone through trunk or tail so far."""

    blocks: tuple[BlockWork, ...]
    """From the first block to the last. In the tail all tracks pass the early blocks, but only
    the window's ask in the last."""

    @property
    def batch_passes(self) -> int:
        """Calls that reached the last block."""
        return self.blocks[-1].batch_passes if self.blocks else 0

    @property
    def sequence_passes(self) -> int:
        """Sequences that reached the last block, summed over calls."""
        return self.blocks[-1].sequence_passes if self.blocks else 0

    @property
    def tokens(self) -> int:
        """Tokens that the last block updated."""
        return self.blocks[-1].tokens if self.blocks else 0

    @property
    def flops(self) -> int:
        """Of all its blocks."""
        return sum(block.flops for block in self.blocks)


@dataclass(frozen=True)
class WorkCounter:
    """Totals since counting began; they go on growing until it ends."""

    trunk: PartWork
    tail: PartWork
    _products: FlopCounterMode

    @property
    def nfe(self) -> float:
        """Passes through the whole network, summed over sequences."""
        blocks = self.trunk.blocks + self.tail.blocks
        # By block, not by part: a pass that left out a block is not taken for a whole one.
        return sum(block.sequence_passes for block in blocks) / len(blocks)

    @property
    def flops(self) -> int:
        """Of every matrix product while counting: blocks, projections, unembedding."""
        return self._products.get_total_flops()


@contextmanager
def count_work(network: nn.Module) -> Iterator[WorkCounter]:
    """Count what the blocks of `network.trunk` and `network.tail` do inside the `with`.

    Both are lists of modules that are called with the tokens, [B, T, d], as first argument and
    return the updated ones, [B, Q, d]. A network without causal blocks needs no `tail`. Sequences
    that are packed into one row are counted by the `row_lengths` of the second argument.

        with count_work(network) as work:
            sample(network, ...)
        assert work.nfe == ...
    """
    trunk, tail = _blocks(network, "trunk"), _blocks(network, "tail")
    if not trunk:
        raise ConfigError(
            f"cannot count the work of a {type(network).__name__}: it has no list of modules "
            "named `trunk`. Pass the network itself, not what wraps it."
        )
    products = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    work = WorkCounter(_untouched(trunk), _untouched(tail), products)
    handles = []
    try:
        for block, counted in zip(trunk + tail, work.trunk.blocks + work.tail.blocks, strict=True):
            before, after = _hooks(counted, products)
            handles += [
                block.register_forward_pre_hook(before),
                block.register_forward_hook(after),
            ]
        with products:
            yield work
    finally:
        for handle in handles:
            handle.remove()


_attention_flops: Callable[..., int] = sdpa_flop_count
_attention_backward_flops: Callable[..., int] = sdpa_backward_flop_count
# torch 2.13 knows the fused attention kernels of GPUs, but counts nothing for that of the CPU.
_CPU_ATTENTION: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, **__: _attention_flops(query, key, value)
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, query, key, value, *_, **__: _attention_backward_flops(
            grad, query, key, value
        )
    ),
}


def _blocks(network: nn.Module, name: str) -> list[nn.Module]:
    found = getattr(network, name, None)
    return list(found) if isinstance(found, nn.ModuleList) else []


def _untouched(blocks: list[nn.Module]) -> PartWork:
    return PartWork(tuple(BlockWork() for _ in blocks))


def _hooks(
    counted: BlockWork, products: FlopCounterMode
) -> tuple[Callable[..., None], Callable[..., None]]:
    """What runs before and after each call of one block."""
    flops_before = 0

    def before(block: nn.Module, inputs: tuple[Any, ...]) -> None:
        nonlocal flops_before
        flops_before = products.get_total_flops()

    def after(block: nn.Module, inputs: tuple[Any, ...], updated: Tensor) -> None:
        counted.batch_passes += 1
        row_lengths = getattr(inputs[1], "row_lengths", ()) if len(inputs) > 1 else ()
        counted.sequence_passes += len(row_lengths) or updated.shape[0]
        counted.tokens += updated.shape[0] * updated.shape[1]
        counted.flops += products.get_total_flops() - flops_before

    return before, after
