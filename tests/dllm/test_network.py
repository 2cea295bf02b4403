"""The network against transformers' Llama and Qwen2 with a mask that hides nothing."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork, new_network
from unmask.network.blocks import Layout
from unmask.shapes import PAD

_TRANSFORMERS_NAMES = {
    "attention_norm": "input_layernorm",
    "mlp_norm": "post_attention_layernorm",
    "attention.out": "self_attn.o_proj",
    "attention.q": "self_attn.q_proj",
    "attention.k": "self_attn.k_proj",
    "attention.v": "self_attn.v_proj",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
}


def reference(config: DllmConfig, network: DllmNetwork):
    """The causal model of transformers that has the same blocks, with the same weights."""
    import transformers

    name = {"llada": "Llama", "Dream": "Qwen2"}[config.family]
    settings = getattr(transformers, f"{name}Config")(
        vocab_size=config.vocab_size,
        hidden_size=config.width,
        intermediate_size=config.hidden,
        num_hidden_layers=config.num_blocks,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_key_heads,
        rms_norm_eps=config.norm_eps,
        max_position_embeddings=config.length,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    model = getattr(transformers, f"{name}ForCausalLM")(settings).eval()
    weights = {}
    for key, value in network.state_dict().items():
        name = key.replace("blocks.", "model.layers.")
        for ours, theirs in _TRANSFORMERS_NAMES.items():
            name = name.replace(ours, theirs)
        name = {"norm.weight": "model.norm.weight"}.get(key, name)
        name = name.replace("unembedding", "lm_head").replace("embedding", "model.embed_tokens")
        weights[name] = value.float()
    model.load_state_dict(weights)
    return model


@pytest.mark.parametrize("family", CONFIGS)
@torch.no_grad()
def test_logits_are_those_of_transformers(family: str) -> None:
    config = CONFIGS[family]
    network = random_network(config).float()
    token_ids = torch.arange(40).view(2, 20) * 7 % 60
    rotation = network.rotation(torch.arange(20)[None])
    hidden = network.run(token_ids, Layout(rotation, rotation))
    sees_all = torch.zeros(2, 1, 20, 20)
    expected = reference(config, network)(input_ids=token_ids, attention_mask=sees_all).logits
    assert expected.abs().max() > 1
    torch.testing.assert_close(
        network.unembedding(network.norm(hidden)), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("family", CONFIGS)
def test_predictions_are_about_their_own_position_and_never_a_mask(family: str) -> None:
    config = CONFIGS[family]
    network = random_network(config)
    mask = config.mask_id
    token_ids = torch.tensor([[5, mask, 9, mask, mask], [1, 2, 3, mask, 4]])
    positions = torch.tensor([[1, 3], [3, 0]])
    found = network.draft(token_ids, positions).log_probs
    inputs = token_ids.masked_fill(token_ids == mask, config.mask_token_id)
    rotation = network.rotation(torch.arange(5)[None])
    hidden = network.run(inputs, Layout(rotation, rotation))
    logits = network.unembedding(network.norm(hidden))
    if config.is_shifted:  # what is said at l - 1 is about l; of the first it is said at itself
        logits = torch.cat([logits[:, :1], logits[:, :-1]], dim=1)
    logits[..., config.mask_token_id] = -torch.inf
    expected = logits.log_softmax(-1).take_along_dim(positions[..., None], dim=1)
    torch.testing.assert_close(found, expected)
    assert (found[..., config.mask_token_id] == -torch.inf).all()


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(family: str, side: str) -> None:
    config = CONFIGS[family]
    network = random_network(config)
    mask = config.mask_id
    long, short = torch.tensor([3, 1, mask, 8, mask, 2]), torch.tensor([7, mask, 5, mask])
    pad = torch.full((2,), PAD)
    shift = 2 if side == "left" else 0
    padded = torch.cat([pad, short] if shift else [short, pad])
    positions = torch.tensor([[2, 4], [1 + shift, 3 + shift]])
    both = network.draft(torch.stack([long, padded]), positions).log_probs
    alone = network.draft(short[None], torch.tensor([[1, 3]])).log_probs
    torch.testing.assert_close(both[1:], alone)
    alone = network.draft(long[None], positions[:1]).log_probs
    torch.testing.assert_close(both[:1], alone)
    first = network.draft(torch.stack([long, padded]), torch.tensor([[0], [shift]])).log_probs
    alone = network.draft(short[None], torch.tensor([[0]])).log_probs
    torch.testing.assert_close(first[1:], alone)


def test_padding_costs_nothing_or_is_looked_away_from_alike(monkeypatch) -> None:
    """The packed pass of a CPU against the masked one of a GPU."""
    network = random_network(CONFIGS["llada"])
    token_ids = torch.tensor([[3, 1, 64, 8], [7, 64, PAD, PAD]])
    packed = network.hidden_states(token_ids)
    is_real = token_ids != PAD
    rotation = network.rotation(torch.arange(4)[None])
    masked = network.run(token_ids, Layout(rotation, rotation, is_real[:, None, None, :]))
    torch.testing.assert_close(packed[is_real], masked[is_real])


def test_weights_are_drawn_from_the_seed_and_blocks_begin_as_the_identity() -> None:
    config = CONFIGS["Dream"]
    one, same, other = new_network(config, 1), new_network(config, 1), new_network(config, 2)
    assert torch.equal(one.embedding.weight, same.embedding.weight)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)
    token_ids = torch.tensor([[1, 2, 3]])
    hidden = one.hidden_states(token_ids)
    torch.testing.assert_close(hidden, one.embedding(token_ids))


@pytest.mark.parametrize("family", CONFIGS)
def test_the_number_of_weights_is_that_of_the_config(family: str) -> None:
    config = CONFIGS[family]
    assert sum(p.numel() for p in new_network(config).parameters()) == config.num_weights


def test_gradients_flow_and_the_draft_is_its_own_target() -> None:
    network = new_network(CONFIGS["llada"])
    token_ids = torch.tensor([[1, 2, 3, 4], [5, 6, PAD, PAD]])
    order = torch.tensor([[0, 3, 1, 2], [1, 0, 2, 3]])
    draft, target = network(token_ids.masked_fill(token_ids == 3, 64), token_ids, order)
    assert draft is target
    draft.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
