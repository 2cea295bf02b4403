"""The config files as they are published, and those that are not for this code."""

import pytest

from tests.dllm.small import CONFIGS
from unmask.dllm.config import DllmConfig
from unmask.dllm.weight_names import published_names
from unmask.errors import ConfigError

LLADA_8B = {
    "model_type": "llada", "architectures": ["LLaDAModelLM"], "d_model": 4096, "n_layers": 32,
    "n_heads": 32, "n_kv_heads": 32, "mlp_hidden_size": 12288, "vocab_size": 126464,
    "embedding_size": 126464, "max_sequence_length": 4096, "rope": True, "rope_theta": 500000.0,
    "rope_full_precision": True, "layer_norm_type": "rms", "rms_norm_eps": 1e-05,
    "activation_type": "silu", "block_type": "llama", "include_bias": False,
    "include_qkv_bias": False, "weight_tying": False, "scale_logits": False,
    "input_emb_norm": False, "attention_layer_norm": False, "eos_token_id": 126081,
    "pad_token_id": 126081, "mask_token_id": 126336, "precision": "amp_bf16", "use_cache": False,
    "alibi": False, "flash_attention": False,
}  # fmt: skip
DREAM_7B = {
    "model_type": "Dream", "hidden_size": 3584, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944,
    "vocab_size": 152064, "rope_theta": 1000000.0, "rms_norm_eps": 1e-06, "hidden_act": "silu",
    "max_position_embeddings": 131072, "tie_word_embeddings": False, "mask_token_id": 151666,
    "pad_token_id": 151643, "eos_token_id": 151643, "bos_token_id": 151643,
    "use_sliding_window": False, "rope_scaling": None,
}  # fmt: skip


def test_llada_8b_is_read() -> None:
    config = DllmConfig.from_json(LLADA_8B)
    assert (config.width, config.num_blocks, config.hidden) == (4096, 32, 12288)
    assert (config.mask_token_id, config.eos_token_id) == (126336, 126081)
    assert not config.is_shifted and not config.has_qkv_bias
    assert config.num_weights == 8_015_581_184


def test_dream_7b_is_read() -> None:
    config = DllmConfig.from_json(DREAM_7B)
    assert (config.num_heads, config.num_key_heads, config.rope_theta) == (28, 4, 1e6)
    assert config.is_shifted and config.has_qkv_bias
    assert config.num_weights == 7_615_616_512


def test_the_tensor_names_of_llada_are_pinned() -> None:
    names = list(published_names(DllmConfig.from_json(LLADA_8B)).values())
    assert len(names) == 3 + 32 * 9
    assert names[0] == "model.transformer.wte.weight"
    assert names[-2:] == ["model.transformer.ln_f.weight", "model.transformer.ff_out.weight"]
    parts = ("attn_norm", "q_proj", "k_proj", "v_proj", "attn_out", "ff_norm", "ff_proj",
             "up_proj", "ff_out")  # fmt: skip
    assert names[-11:-2] == [f"model.transformer.blocks.31.{part}.weight" for part in parts]


def test_the_tensor_names_of_dream_are_pinned() -> None:
    names = list(published_names(DllmConfig.from_json(DREAM_7B)).values())
    assert len(names) == 3 + 28 * 12
    assert [names[0], *names[-2:]] == [
        "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"
    ]  # fmt: skip
    assert sorted(name for name in names if name.startswith("model.layers.27.")) == [
        f"model.layers.27.{part}"
        for part in (
            "input_layernorm.weight", "mlp.down_proj.weight", "mlp.gate_proj.weight",
            "mlp.up_proj.weight", "post_attention_layernorm.weight", "self_attn.k_proj.bias",
            "self_attn.k_proj.weight", "self_attn.o_proj.weight", "self_attn.q_proj.bias",
            "self_attn.q_proj.weight", "self_attn.v_proj.bias", "self_attn.v_proj.weight",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("family", CONFIGS)
def test_a_config_survives_its_json(family: str) -> None:
    assert DllmConfig.from_json(CONFIGS[family].to_json()) == CONFIGS[family]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'.*'llada', 'Dream'"),
        ({"model_type": None}, "model_type is None"),
        ({"block_type": "sequential"}, "block_type is 'sequential'.*have 'llama'"),
        ({"d_model": "4096"}, "d_model must be of type int, got '4096'"),
        ({"n_heads": 33}, "num_heads must give each head an even share"),
        ({"n_kv_heads": 5}, "num_key_heads must divide the 32 heads, got 5"),
        ({"mask_token_id": 126464}, "mask_token_id must be an id below vocab_size"),
        ({"n_layers": 0}, "num_blocks must be from 1 to"),
    ],
    ids=str,
)
def test_what_is_not_such_a_model_is_refused(changes: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        DllmConfig.from_json(LLADA_8B | changes)


def test_a_missing_field_is_named_and_a_needless_one_is_not_missed() -> None:
    short = {name: value for name, value in LLADA_8B.items() if name != "mask_token_id"}
    with pytest.raises(ConfigError, match="there is no mask_token_id"):
        DllmConfig.from_json(short)
    short = {name: value for name, value in LLADA_8B.items() if name != "n_kv_heads"}
    assert DllmConfig.from_json(short).num_key_heads == 32
