"""The network of LLaDA and Dream: Llama's blocks, attending in both directions.

    x = E[tokens];  every block (network/blocks.py) in turn;  h = x;  logits = W norm(h)

Any subset of a sequence can be run: its positions are told, and keys and values of other tokens
may be given.

Sources: Touvron et al. (2023), arXiv:2302.13971, for the blocks; Nie et al. (2025),
arXiv:2502.09992, for their use without a causal mask.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unmask.batches import join
from unmask.cost import Work
from unmask.dllm.config import DllmConfig
from unmask.dllm.packing import Packing
from unmask.draws import weight_generator
from unmask.network import packing as packed
from unmask.network.blocks import Block, Layout, entries_of, init_weights, norm
from unmask.network.cache import CopiedKeys, KeyValueStore, gather_rows, write_rows
from unmask.network.never_predicted import silence
from unmask.network.rotary import Rotation
from unmask.predictors.kv_cache import CachedForward, KVCache, KVCacheShape
from unmask.predictors.protocol import Draft
from unmask.predictors.shadows import Shadowed, check_casts_shadows
from unmask.shapes import PAD, Order, TokenIds, WindowIds, WindowLogProbs


class DllmNetwork(nn.Module):
    """A `Predictor`. Its weights are whatever memory held: see `new_network`, `read_network`."""

    never_predicted_ids: tuple[int, ...] = ()
    """Of a vocabulary that has rows for no token, beside the mask."""
    known_fingerprint: str | None = None
    """See `weights_fingerprint`."""
    known_mark: str | None = None
    """See `tail_folder.mark`."""

    def __init__(self, config: DllmConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config.block) for _ in range(config.num_blocks))
        self.norm = norm(config.block)
        self.unembedding = nn.Linear(config.width, config.vocab_size, bias=False)
        if config.tied:
            self.unembedding.weight = self.embedding.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def rotation(self, positions: Int[Tensor, "*b T"]) -> Rotation:
        """How tokens at these positions turn; in float32."""
        channels = self.config.width // self.config.num_heads
        exponent = torch.arange(0, channels, 2, dtype=torch.float64, device=self.device)
        frequency = (self.config.rope_theta ** (-exponent / channels)).float()
        angle = positions[..., None].float() * frequency
        cos, sin = angle.cos(), angle.sin()
        return Rotation(
            torch.cat([cos, cos], -1)[..., None, :],
            torch.cat([-sin, sin], -1)[..., None, :],
            is_exact=True,
        )

    def run(
        self, token_ids: TokenIds, layout: Layout, stores: Sequence[KeyValueStore] = ()
    ) -> Float[Tensor, "B T d"]:
        """Hidden states after the last block.

        `stores`, one per block, give and take keys and values, of other tokens too.
        """
        x = self.embed(token_ids)
        for number, block in enumerate(self.blocks):
            x = block(x, layout, stores[number] if stores else None)
        return x

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Tokens, MASK among them; PAD embeds as anything, nothing attends to it."""
        is_mask = token_ids == self.config.mask_id
        input_ids = token_ids.masked_fill(is_mask, self.config.mask_token_id).clamp(min=0)
        embedded: Tensor = self.embedding(input_ids)
        return embedded

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """One pass over whole sequences; what stands at PAD is meaningless.

        PAD may stand on either side: rotations are relative, so it does not matter where
        positions are counted from. On a CPU sequences are packed, so that it costs nothing.
        """
        if self.training and token_ids.device.type != "cpu":  # does not wait for the device
            whole = packed.whole(token_ids, self.rotation, asks_for_padding=False)
            return self.run(token_ids, whole)
        return packed.hidden_states(token_ids, self.run, self.rotation)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _rows(self, owner: Int[Tensor, "R W"]) -> Layout:
        """Of packed rows, in which each token sees those of its owner."""
        rotation = self.rotation(torch.arange(owner.shape[1], device=owner.device)[None])
        return Layout(rotation, rotation, (owner[:, :, None] == owner[:, None, :])[:, None])

    def read_positions(self, token_ids: TokenIds, positions: WindowIds) -> WindowIds:
        """Where the network says what token stands at `positions`: there, or one before."""
        if not self.config.is_shifted:
            return positions
        before = (positions - 1).clamp(min=0)
        return torch.where(token_ids.gather(1, before) == PAD, positions, before)

    def forward(
        self,
        masked_ids: TokenIds,
        token_ids: TokenIds,
        order: Order,
        entries: Int[Tensor, " N"] | None = None,
        packing: Packing | None = None,
    ) -> tuple[Float[Tensor, "*n V"], Float[Tensor, "*n V"]]:
        """Draft and target logits of every entry of the order, which are the same here.

        What training uses; see `HybridTransformer.forward`. With a packing the pass is over its
        rows, and says the same.
        """
        read_positions = self.read_positions(masked_ids, order)
        if packing is None:
            said = entries_of(gather_rows(self.hidden_states(masked_ids), read_positions), entries)
        else:
            row_ids = masked_ids.flatten()[packing.source].masked_fill(packing.owner < 0, PAD)
            hidden = self.run(row_ids, self._rows(packing.owner))
            places = packing.place.gather(1, read_positions)
            said = hidden.flatten(0, 1)[places if entries is None else places.flatten()[entries]]
        logits = self.unembedding(self.norm(said))
        return logits, logits

    # The predictor: what samplers use.

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        return self.config.length

    @property
    def vocab_size(self) -> int:
        """V: every id of the tokenizer; MASK has the id V here."""
        return self.config.vocab_size

    @torch.inference_mode()
    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One pass; unembedding at `positions` only."""
        hidden = self.hidden_states(token_ids)
        return Draft(
            self.log_probs(gather_rows(hidden, self.read_positions(token_ids, positions))), None
        )

    @property
    def kv_cache_shape(self) -> KVCacheShape:
        """What is remembered of a token."""
        config, weight = self.config, self.embedding.weight
        return KVCacheShape(
            num_blocks=config.num_blocks,
            num_key_heads=config.num_key_heads,
            channels=config.width // config.num_heads,
            width=config.width,
            dtype=weight.dtype,
            device=weight.device,
        )

    @torch.inference_mode()
    def forward_cached(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[Tensor, "B L"],
        memory: KVCache,
    ) -> CachedForward:
        """One pass over the queries. See `CachingPredictor`."""
        is_real = token_ids != PAD
        is_key = is_real & (is_query | (memory.run_ids != PAD))
        num_queries = is_query.sum(dim=1)
        is_whole = num_queries == is_real.sum(dim=1)
        if is_whole.any() and not is_whole.all():
            groups = [group.nonzero().squeeze(1) for group in (is_whole, ~is_whole)]
        else:  # sequences that run little do not wait for those that run everything
            groups = [torch.arange(len(token_ids), device=token_ids.device)]
        parts = [
            self._run_queries(token_ids[rows], is_query[rows], is_key[rows], memory.select(rows))
            for rows in groups
        ]
        back = torch.cat(groups).argsort()
        memory = join(parts).select(back)
        hidden = gather_rows(memory.hidden, self.read_positions(token_ids, positions))
        one = torch.ones_like(num_queries)
        work = Work(one, num_queries, num_queries * is_key.sum(dim=1))
        return CachedForward(Draft(self.log_probs(hidden), None), memory, work)

    def _run_queries(
        self,
        token_ids: TokenIds,
        is_query: Bool[Tensor, "B L"],
        is_key: Bool[Tensor, "B L"],
        memory: KVCache,
    ) -> KVCache:
        """The memory after a pass over the queries."""
        width = int(is_query.sum(dim=1).max())
        if not width:
            return memory
        places = (~is_query).long().argsort(dim=1, stable=True)[:, :width]
        is_there = is_query.gather(1, places)
        slots = places.masked_fill(~is_there, token_ids.shape[1])
        rotation = self.rotation(places)
        layout = Layout(rotation, rotation, is_key[:, None, None, :])
        stores = [CopiedKeys(part, slots) for part in memory.keys_values.unbind(2)]
        hidden = self.run(token_ids.gather(1, places), layout, stores)
        return KVCache(
            torch.where(is_query, token_ids, memory.run_ids),
            write_rows(memory.hidden, slots, hidden),
            torch.stack([store.keys_values for store in stores], dim=2),
        )

    @property
    def casts_shadows(self) -> bool:
        """Not if shifted: a masked copy of a token would speak of the next one."""
        return not self.config.is_shifted

    @torch.inference_mode()
    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """One pass with shadows. See `ShadowPredictor`."""
        check_casts_shadows(self)
        length = token_ids.shape[1]
        is_real = token_ids != PAD
        masks = torch.full_like(shadows, self.config.mask_id)
        place = torch.arange(length, device=token_ids.device)
        # Rows ask, columns answer: tokens see tokens; a shadow sees all tokens but its, and itself
        # or those that it is together with.
        others = is_real[:, None, :] & (place != shadows[..., None])
        itself = torch.eye(shadows.shape[1], dtype=torch.bool, device=token_ids.device)
        to_tokens = torch.cat([is_real[:, None, :].expand(-1, length, -1), others], dim=1)
        nobody = torch.zeros_like(others).mT
        beside = itself.expand(len(masks), -1, -1)
        if together is not None:
            beside = beside | (together[:, :, None] & together[:, None, :])
        to_shadows = torch.cat([nobody, beside], dim=1)
        visible = torch.cat([to_tokens, to_shadows], dim=2)[:, None]
        turns = torch.cat([place.expand_as(token_ids), shadows], dim=1)
        rotation = self.rotation(turns)
        layout, stores = Layout(rotation, rotation, visible), [CopiedKeys() for _ in self.blocks]
        hidden = self.run(torch.cat([token_ids, masks], dim=1), layout, stores)
        log_probs = self.log_probs(gather_rows(hidden[:, :length], positions))

        def remembered() -> KVCache:
            parts = [store.keys_values[:, :length] for store in stores]
            keys_values = torch.stack(parts, dim=2)
            return KVCache(token_ids, hidden[:, :length], keys_values)

        return Shadowed(log_probs, self.log_probs(hidden[:, length:]), remembered)

    def log_probs(self, hidden: Float[Tensor, "B K d"]) -> WindowLogProbs:
        """Of every token but the mask, from hidden states; in float32 at least."""
        logits: Tensor = self.unembedding(self.norm(hidden))
        silence(logits, (self.config.mask_token_id, *self.never_predicted_ids))
        dtype = torch.promote_types(logits.dtype, torch.float32)
        return logits.log_softmax(dim=-1, dtype=dtype)


def new_network(config: DllmConfig, seed: int = 0) -> DllmNetwork:
    """Weights drawn from `seed` alone; each block begins as the identity."""
    network = DllmNetwork(config)
    generator = weight_generator(seed)
    init_weights(network, generator)
    nn.init.normal_(network.embedding.weight, std=1.0, generator=generator)
    nn.init.normal_(network.unembedding.weight, std=0.02, generator=generator)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network


def shallower(network: DllmNetwork, num_blocks: int) -> DllmNetwork:
    """A network of `num_blocks` blocks of this one, evenly spread from the first to the last.

    What a smaller model that drafts for a larger one begins with (Sanh et al. (2019),
    arXiv:1910.01108). A network with no more blocks than that stays as it is.
    """
    depth = network.config.num_blocks
    if depth <= num_blocks:
        return network
    made = DllmNetwork(replace(network.config, num_blocks=num_blocks))
    kept = torch.linspace(0, depth - 1, num_blocks).round().int().tolist()
    weights = dict(network.state_dict())
    taken = {name: weight for name, weight in weights.items() if not name.startswith("blocks.")}
    for new, old in enumerate(kept):
        stem = f"blocks.{old}."
        taken |= {
            f"blocks.{new}.{name.removeprefix(stem)}": weight
            for name, weight in weights.items()
            if name.startswith(stem)
        }
    made.load_state_dict(taken)
    return made
