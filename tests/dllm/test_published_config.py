"""config.json as published: every field used, known to change nothing, or refused by name."""

import pytest

from unmask.dllm.config import DllmConfig
from unmask.dllm.published_config import fields_of
from unmask.errors import ConfigError

LLADA = {
    "activation_type": "silu", "alibi": False, "alibi_bias_max": 8.0, "architectures": ["LLaDA"],
    "attention_dropout": 0.0, "attention_layer_norm": False,
    "attention_layer_norm_with_affine": True, "auto_map": {"AutoModel": "x.Y"},
    "bias_for_layer_norm": False, "block_group_size": 1, "block_type": "llama", "d_model": 4096,
    "embedding_dropout": 0.0, "embedding_size": 126464, "eos_token_id": 126081,
    "flash_attention": False, "include_bias": False, "include_qkv_bias": False,
    "init_cutoff_factor": None, "init_device": "meta", "init_fn": "mitchell", "init_std": 0.02,
    "input_emb_norm": False, "layer_norm_type": "rms", "layer_norm_with_affine": True,
    "mask_token_id": 126336, "max_sequence_length": 4096, "mlp_hidden_size": 12288,
    "mlp_ratio": 4, "model_type": "llada", "multi_query_attention": None, "n_heads": 32,
    "n_kv_heads": 32, "n_layers": 32, "pad_token_id": 126081, "precision": "amp_bf16",
    "residual_dropout": 0.0, "rms_norm_eps": 1e-05, "rope": True, "rope_full_precision": True,
    "rope_theta": 500000.0, "scale_logits": False, "transformers_version": "4.46.3",
    "use_cache": False, "vocab_size": 126464, "weight_tying": False,
}  # fmt: skip
DREAM = {
    "architectures": ["DreamModel"], "attention_dropout": 0.0, "auto_map": {"AutoModel": "x.Y"},
    "bos_token_id": 151643, "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 3584,
    "initializer_range": 0.02, "intermediate_size": 18944, "mask_token_id": 151666,
    "max_position_embeddings": 131072, "max_window_layers": 28, "model_type": "Dream",
    "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
    "pad_token_id": 151643, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000.0,
    "sliding_window": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.46.2", "use_cache": True, "use_sliding_window": False,
    "vocab_size": 152064,
}  # fmt: skip


@pytest.mark.parametrize("published", [LLADA, DREAM], ids=["llada", "Dream"])
def test_what_is_published_is_read_whole(published) -> None:
    config = DllmConfig.from_json(published)
    found, assumed = fields_of(published)
    assert not assumed and found["family"] == published["model_type"]
    assert 6e9 < config.num_weights < 9e9
    assert DllmConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("changed", "read"),
    [
        ({"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
         {"rope_theta": 5e5}),
        ({"rope_scaling": {"type": "default"}}, {"rope_theta": 1e6}),
        ({"rope_parameters": {}}, {"rope_theta": 1e6}),
        ({"rope_theta": None}, {"rope_theta": 10_000.0}),
        ({"eos_token_id": [7, 8, 9]}, {"eos_token_id": 7, "other_end_ids": (8, 9)}),
        ({"tie_word_embeddings": None}, {"tied": False}),
        ({"num_key_value_heads": None}, {"num_key_heads": 28}),
        ({"rms_norm_eps": None}, {"norm_eps": 1e-6}),
        ({"head_dim": 128, "layer_types": ["full_attention"] * 28}, {"width": 3584}),
        ({"output_attentions": False, "id2label": {"0": "a"}}, {}),
    ],
)  # fmt: skip
def test_both_spellings_and_what_is_left_out(changed, read) -> None:
    config = DllmConfig.from_json({**DREAM, **changed})
    assert {name: getattr(config, name) for name in read} == read


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
            "a rotation of the kind 'yarn'",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "a rotation of the kind 'linear'"),
        ({"rope_parameters": {"factor": 4.0}}, "asks for 'factor'"),
        ({"rope_parameters": {"rope_theta": 5.0}}, "rope_theta is 1000000.0, and 5.0"),
        ({"rope_scaling": "yarn"}, "must be a section of its own"),
        ({"layer_types": ["sliding_attention"]}, "which unmask does not know"),
        ({"head_dim": 64}, "which unmask does not know"),
        ({"use_sliding_window": True}, "use_sliding_window is True"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
        ({"a_new_gate": 1}, "it has 'a_new_gate'"),
        ({"quantization_config": {"bits": 4}}, "its weights are quantised"),
        ({"num_experts": 8}, "a mixture of experts"),
        ({"eos_token_id": []}, "a token or a list of some"),
        ({"eos_token_id": "x"}, "eos_token_id must be of type int"),
        ({"hidden_size": None}, "there is no hidden_size"),
        ({"hidden_size": "3584"}, "hidden_size must be of type int"),
        ({"model_type": "qwen2"}, "model_type is 'qwen2'"),
    ],
)
def test_what_would_give_other_text_is_refused_by_name(changed, said) -> None:
    with pytest.raises(ConfigError, match=said):
        DllmConfig.from_json({**DREAM, **changed})
