"""A pass over sequences of different length, in which padding costs nothing on a CPU."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.network.blocks import Layout
from unmask.network.rotary import Rotation
from unmask.shapes import PAD, TokenIds


def hidden_states(
    token_ids: TokenIds,
    run: Callable[[TokenIds, Layout], Float[Tensor, "R T d"]],
    rotation: Callable[[Int[Tensor, "*b T"]], Rotation],
    tokens_at_once: int = 0,
) -> Float[Tensor, "B L d"]:
    """Hidden states of whole sequences; what stands at PAD is meaningless.

    `run` passes tokens through blocks, `rotation` turns by positions. On a CPU sequences of
    different length are packed into one row; a GPU works on the padding and looks away. With
    `tokens_at_once`, on a CPU and without gradients, the sequences go in groups of so many, which
    bounds the memory.
    """
    num_at_once = max(1, tokens_at_once // token_ids.shape[1]) if tokens_at_once else 0
    is_small = torch.is_grad_enabled() or token_ids.device.type != "cpu"
    if 0 < num_at_once < len(token_ids) and not is_small:
        groups = token_ids.split(num_at_once)
        return torch.cat([hidden_states(ids, run, rotation) for ids in groups])
    is_real = token_ids != PAD
    if token_ids.device.type != "cpu" or is_real.all():
        return run(token_ids, whole(token_ids, rotation))
    positions = torch.arange(token_ids.shape[1], device=token_ids.device)
    turned = rotation(positions.expand_as(token_ids)[is_real][None])
    layout = Layout(turned, turned, row_lengths=is_real.sum(dim=1).tolist())
    packed = run(token_ids[is_real][None], layout)
    hidden = packed.new_zeros(*token_ids.shape, packed.shape[-1])
    hidden[is_real] = packed[0]
    return hidden


# Apart, because torch 2.11 cannot compile what makes a Layout.
@torch.compiler.disable  # type: ignore[untyped-decorator]
def whole(
    token_ids: TokenIds,
    rotation: Callable[[Int[Tensor, "*b T"]], Rotation],
    *,
    asks_for_padding: bool = True,
) -> Layout:
    """Of whole sequences, one beside the other.

    `asks_for_padding`: no mask where there is none, for which a GPU waits; training does not.
    """
    is_real = token_ids != PAD
    turned = rotation(torch.arange(token_ids.shape[1], device=token_ids.device)[None])
    if asks_for_padding and is_real.all():
        return Layout(turned, turned)
    return Layout(turned, turned, is_real[:, None, None, :])


TOKENS_AT_ONCE = 2**13
"""That go through a trunk together on a CPU; more gain no speed there, but take memory."""
