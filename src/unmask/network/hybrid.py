"""The hybrid transformer: a non-causal trunk that drafts, a causal tail that verifies.

    h        = trunk(tokens with MASK on what is masked)                    [B, L, d]
    draft_l  = unembed(norm(h_l))                            of the token at position l
    target   = tail(h, tokens, order)                        see tail.py

Source: Campbell et al. (2025), arXiv:2510.03929, section 3.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unmask.draws import weight_generator
from unmask.network import packing
from unmask.network.blocks import Block, Layout, init_weights
from unmask.network.config import HybridConfig
from unmask.network.rotary import Rotary, Rotation
from unmask.network.tail import TailedNetwork
from unmask.shapes import TokenIds


class HybridTransformer(TailedNetwork):
    """A `HybridPredictor` with weights. New weights are drawn from `seed` alone."""

    def __init__(self, config: HybridConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size + 1, config.width)
        self.rotary = Rotary(config.length, config.width // config.num_heads)
        self.trunk = nn.ModuleList(Block(config.block) for _ in range(config.num_trunk_blocks))
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.unembedding = nn.Linear(config.width, config.vocab_size, bias=False)
        if config.has_tail:
            self.add_tail(config)
        else:
            self.tail = nn.ModuleList()
        self._init(weight_generator(seed))

    def _init(self, generator: torch.Generator) -> None:
        init_weights(self, generator)
        nn.init.normal_(self.embedding.weight, std=1.0, generator=generator)
        nn.init.normal_(self.unembedding.weight, std=0.02, generator=generator)
        if self.config.has_tail:
            self.init_tail(generator)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """The trunk: one hidden state per position; what stands at PAD is meaningless.

        On a CPU, without gradients, the sequences go in groups, which bounds the memory.
        """
        at_once = packing.TOKENS_AT_ONCE
        return packing.hidden_states(token_ids, self._trunk, self._rotation, at_once)

    def _rotation(self, positions: Int[Tensor, "*b T"]) -> Rotation:
        # In the type of the network at once, not again in every block.
        return self.rotary.by(positions).to(self.embedding.weight.dtype)

    def compile_trunk(self) -> None:
        """Let torch.compile fuse what the trunk does; the first pass then takes a minute.

        Packed sequences, of which no two passes have the same, go as before.
        """
        self._compiled_trunk = torch.compile(self._eager_trunk, dynamic=True)

    known_fingerprint: str | None = None
    """Of the weights as they were read, where they have another form by now."""

    _compiled_trunk: Callable[[TokenIds, Layout], Tensor] | None = None

    def _trunk(self, token_ids: TokenIds, layout: Layout) -> Float[Tensor, "B L d"]:
        if self._compiled_trunk is None or layout.row_lengths:
            return self._eager_trunk(token_ids, layout)
        return self._compiled_trunk(token_ids, layout)

    def _eager_trunk(self, token_ids: TokenIds, layout: Layout) -> Float[Tensor, "B L d"]:
        x = self.embed(token_ids)
        for block in self.trunk:
            x = block(x, layout)
        return x

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Normalised, to be on the scale of the hidden states it meets in the tail."""
        # PAD embeds as anything: nothing attends to it.
        return F.layer_norm(self.embedding(token_ids.clamp(min=0)), (self.config.width,))
