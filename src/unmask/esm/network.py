"""The network of ESM-2, DPLM and ESM-C: a trunk that drafts residues, in any order.

    x = E[tokens]
    token dropout (ESM-2): x = 0 at masks, and everything times (1 - 0.12) / (1 - m), where m is
                           the share of masks in the sequence, which was 0.12 in training
    every block (network/blocks.py) in turn;  h = x
    logits = W norm(gelu(W_d norm(h) + b_d)) + b          W is E where the two are tied

Sources: Lin et al. (2023); the models' own code in transformers, with which it agrees to rounding
(tests/esm/test_parity.py).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from unmask.esm.config import MASK_ID, EsmConfig
from unmask.network import packing
from unmask.network.blocks import Block, Layout
from unmask.network.rotary import Rotary, Rotation
from unmask.network.tail import TailedNetwork
from unmask.shapes import PAD, TokenIds

_SHARE_IN_TRAINING = 0.15 * 0.8


class EsmHead(nn.Module):
    """What the unembedding reads of hidden states."""

    def __init__(self, config: EsmConfig) -> None:
        super().__init__()
        width, has_bias = config.width, config.family == "esm"
        self.last = nn.LayerNorm(width, config.norm_eps, bias=has_bias)
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, config.norm_eps)

    def forward(self, hidden: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        found: Float[Tensor, "*n d"] = self.norm(F.gelu(self.dense(self.last(hidden))))
        return found


class Decoder(nn.Linear):
    """Logits of the tokens before MASK; there are rows for more."""

    def __init__(self, config: EsmConfig) -> None:
        super().__init__(config.width, config.num_rows)
        self.out_features = MASK_ID

    def forward(self, features: Float[Tensor, "*n d"]) -> Float[Tensor, "*n V"]:
        return F.linear(features, self.weight[: self.out_features], self.bias[: self.out_features])


class EsmNetwork(TailedNetwork):
    """A `HybridPredictor` without a tail. Its weights are whatever memory held: `read_esm`."""

    known_fingerprint: str | None = None
    """See `weights_fingerprint`."""
    known_mark: str | None = None
    """See `tail_folder.mark`."""

    def __init__(self, esm: EsmConfig) -> None:
        super().__init__()
        self.esm, self.config = esm, esm.hybrid
        self.embedding = nn.Embedding(esm.num_rows, esm.width)
        self.rotary = self.rotary_of(esm)
        self.trunk = nn.ModuleList(Block(esm.block) for _ in range(esm.num_blocks))
        self.norm = EsmHead(esm)
        self.unembedding = Decoder(esm)
        if esm.tied:
            self.unembedding.weight = self.embedding.weight

    @staticmethod
    def rotary_of(esm: EsmConfig) -> Rotary:
        """Tables of angles, which no file holds."""
        return Rotary(esm.length, esm.width // esm.num_heads)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """One per position; what stands at PAD is meaningless."""
        at_once = packing.TOKENS_AT_ONCE
        return packing.hidden_states(token_ids, self._run, self._rotation, at_once)

    def _rotation(self, positions: Int[Tensor, "*b T"]) -> Rotation:
        return self.rotary.by(positions).to(self.embedding.weight.dtype)

    def _run(self, token_ids: TokenIds, layout: Layout) -> Float[Tensor, "B T d"]:
        x = self.embed(token_ids)
        if self.esm.token_dropout:
            x = self._without_masks(x, token_ids, layout)
        for block in self.trunk:
            x = block(x, layout)
        return x

    def _without_masks(
        self, x: Float[Tensor, "B T d"], token_ids: TokenIds, layout: Layout
    ) -> Float[Tensor, "B T d"]:
        """Masks as zero, and the rest scaled by the share of them in each sequence."""
        is_mask, is_real = token_ids == MASK_ID, token_ids != PAD
        if layout.row_lengths:  # sequences one behind another, without padding
            parts = is_mask[0].split(list(layout.row_lengths))
            shares = [part.float().mean().expand(len(part)) for part in parts]
            share = torch.cat(shares)[None, :, None]
        else:
            share = (is_mask.sum(1).float() / is_real.sum(1).clamp(min=1))[:, None, None]
        # Where all is masked there is nothing to scale: the model sees zeros.
        scale = (1 - _SHARE_IN_TRAINING) / (1 - share).clamp(min=torch.finfo(torch.float32).eps)
        return (x.masked_fill(is_mask[..., None], 0.0) * scale).to(x.dtype)

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Tokens, MASK among them; PAD embeds as anything, nothing attends to it."""
        embedded: Tensor = self.embedding(token_ids.clamp(min=0))
        return embedded
