"""An error head: which tokens of a sequence without masks are wrong, from a frozen trunk.

    h    = norm(trunk(x))                                  the model's own, x holds no MASK
    e_l  = w . norm(block(h))_l + b                        the logit of P(x_l is an error)

One non-causal block of the network's width, with an MLP of twice that width, sees what the
trunk makes of every token; trunk features alone, through a linear map or an MLP per position,
tell errors far less well (docs/log.md). What it is trained on: training/parts/error_head.py.

The head's block is small beside a trunk pass and is not counted as one.

A folder of config.json and model.safetensors (bf16) holds a head, and says by a fingerprint of
the weights which model it was trained for; with another trunk its numbers would mean nothing.

Source: Meshchaninov et al. (2025), arXiv:2510.08369, who train one output layer of the backbone.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unmask.draws import weight_generator
from unmask.errors import CheckpointError
from unmask.files.atomic import make_folder
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    load_weights,
    read_json,
    read_tensors,
    weights_fingerprint,
    write_json,
    write_tensors,
)
from unmask.network.blocks import Block, Layout, init_weights
from unmask.network.hybrid import HybridTransformer
from unmask.network.rotary import Rotary
from unmask.shapes import PAD, TokenIds

_FORMAT = "unmask-error-head-1"
_MLP_RATIO = 2.0


class ErrorHead(nn.Module):
    """One block and a logit per position, for the trunk features of `network`.

    New weights are drawn from `seed` alone, and call every token right or wrong with even odds.
    """

    def __init__(self, network: HybridTransformer, seed: int = 0) -> None:
        super().__init__()
        config = replace(network.config, mlp_ratio=_MLP_RATIO, dropout=0.0)
        self.rotary = Rotary(config.length, config.width // config.num_heads)
        self.block = Block(config.block)
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.unembedding = nn.Linear(config.width, 1)
        init_weights(self, weight_generator(seed))
        nn.init.zeros_(self.unembedding.weight)
        nn.init.zeros_(self.unembedding.bias)
        # Its own logits are in float32 at least, whatever the network computes in.
        self.to(network.device, torch.promote_types(network.embedding.weight.dtype, torch.float32))

    def forward(
        self, features: Float[Tensor, "B L d"], is_real: Bool[Tensor, "B L"] | None = None
    ) -> Float[Tensor, "B L"]:
        """e by position, from `trunk_features`; `is_real` says where no padding is."""
        rotation = self.rotary.by(torch.arange(features.shape[1], device=features.device))
        visible = None if is_real is None else is_real[:, None, None, :]
        layout = Layout(rotation, rotation, visible)
        x = self.block(features.to(self.norm.weight.dtype), layout)
        found: Float[Tensor, "B L"] = self.unembedding(self.norm(x)).squeeze(-1)
        return found


@torch.no_grad()
def trunk_features(network: HybridTransformer, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
    """One trunk pass: what unembedding and tail read as well. No gradient reaches the network."""
    found: Float[Tensor, "B L d"] = network.norm(network.hidden_states(token_ids))
    return found


class LearnedErrorPredictor:
    """A head together with its network: an `ErrorPredictor` of the star-shaped sampler."""

    def __init__(self, network: HybridTransformer, head: ErrorHead) -> None:
        self.network, self.head = network, head

    @property
    def trunk_passes(self) -> int:
        """The head reads a pass over the whole guess, which no step makes otherwise."""
        return 1

    @torch.inference_mode()
    def __call__(
        self, guess_ids: TokenIds, confidence: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B L"]:
        """The logit of an error, by position."""
        found: Float[Tensor, "B L"] = self.head(
            trunk_features(self.network, guess_ids), guess_ids != PAD
        )
        return found


def write_error_head(folder: Path, head: ErrorHead, network: HybridTransformer) -> None:
    """A head folder: config.json, which names the network by its fingerprint, and the weights."""
    make_folder(folder)
    weights = {name: value.bfloat16() for name, value in head.state_dict().items()}
    write_tensors(folder / WEIGHTS_FILE, weights)
    values: dict[str, Any] = {
        "format": _FORMAT,
        "width": network.config.width,
        "trained_for": weights_fingerprint(network),
    }
    write_json(folder / CONFIG_FILE, values)


def read_error_head(folder: Path, network: HybridTransformer) -> ErrorHead:
    """The head of a folder, ready to judge guesses of `network`.

    Raises:
        CheckpointError: a file is missing or damaged, or it was trained for another model.
    """
    file = folder / CONFIG_FILE
    values = read_json(file)
    if values.get("format") != _FORMAT:
        raise CheckpointError(
            f"{file} is of format {values.get('format')!r}, an error head has {_FORMAT!r}. Name "
            "the folder that `unmask train-error-head` wrote."
        )
    asked = {"width": network.config.width, "trained_for": weights_fingerprint(network)}
    for name, wanted in asked.items():
        if values.get(name) != wanted:
            raise CheckpointError(
                f"{folder} holds an error head of another model: its {name} is "
                f"{values.get(name)!r}, this model's {wanted!r}. Train one for this model with "
                "`unmask train-error-head`."
            )
    head = ErrorHead(network)
    weights = folder / WEIGHTS_FILE
    load_weights(head, read_tensors(weights), weights)
    return head.eval()
