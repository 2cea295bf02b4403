"""What config.json of LLaDA and Dream says (files/published_config.py), and what it means here."""

from collections.abc import Mapping
from typing import Any

from unmask.errors import ConfigError
from unmask.files.published_config import Family

FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="llada",
            names={
                "vocab_size": "embedding_size",
                "width": "d_model",
                "hidden": "mlp_hidden_size",
                "num_blocks": "n_layers",
                "num_heads": "n_heads",
                "num_key_heads": "n_kv_heads",
                "length": "max_sequence_length",
                "rope_theta": "rope_theta",
                "norm_eps": "rms_norm_eps",
                "tied": "weight_tying",
                "mask_token_id": "mask_token_id",
                "eos_token_id": "eos_token_id",
            },
            must_be={
                "block_type": "llama",
                "activation_type": "silu",
                "layer_norm_type": "rms",
                "layer_norm_with_affine": True,
                "bias_for_layer_norm": False,
                "rope": True,
                "rope_full_precision": True,
                "alibi": False,
                "include_bias": False,
                "include_qkv_bias": False,
                "scale_logits": False,
                "input_emb_norm": False,
                "attention_layer_norm": False,
                "multi_query_attention": False,
            },
            changes_nothing={
                "alibi_bias_max",
                "attention_layer_norm_with_affine",
                "block_group_size",
                "embedding_dropout",
                "flash_attention",
                "init_cutoff_factor",
                "init_device",
                "init_fn",
                "init_std",
                "mlp_ratio",
                "precision",
                "residual_dropout",
                "vocab_size",
            },
            assumed={
                "rms_norm_eps": 1e-05,
                "rope_theta": 10000.0,
                "weight_tying": False,
            },
            same_as={
                "n_kv_heads": "n_heads",
                "embedding_size": "vocab_size",
            },
        ),
        Family(
            name="Dream",
            names={
                "vocab_size": "vocab_size",
                "width": "hidden_size",
                "hidden": "intermediate_size",
                "num_blocks": "num_hidden_layers",
                "num_heads": "num_attention_heads",
                "num_key_heads": "num_key_value_heads",
                "length": "max_position_embeddings",
                "rope_theta": "rope_theta",
                "norm_eps": "rms_norm_eps",
                "tied": "tie_word_embeddings",
                "mask_token_id": "mask_token_id",
                "eos_token_id": "eos_token_id",
            },
            must_be={
                "hidden_act": "silu",
                "use_sliding_window": False,
                "partial_rotary_factor": 1.0,
                "rope_interleave": False,
            },
            changes_nothing={"initializer_range", "max_window_layers", "sliding_window"},
            assumed={
                "rms_norm_eps": 1e-06,
                "rope_theta": 10000.0,
                "tie_word_embeddings": False,
            },
            same_as={
                "num_key_value_heads": "num_attention_heads",
            },
        ),
    )
}
"""By their `model_type`."""


def fields_of(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `DllmConfig` by their names here, and those that had to be assumed.

    Raises:
        ConfigError: it is of another family, lacks a field, or asks for what is not here.
    """
    family = values.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise ConfigError(
            f"model_type is {family!r:.60}; of large masked diffusion models unmask reads "
            f"{', '.join(map(repr, FAMILIES))}."
        )
    found, assumed = FAMILIES[family].read(values)
    found = {"family": family} | found
    ends = found["eos_token_id"]
    if isinstance(ends, list):
        if not ends or not all(type(end) is int for end in ends):
            raise ConfigError(f"eos_token_id must be a token or a list of some, got {ends!r:.60}.")
        found["eos_token_id"], *others = ends
        found["other_end_ids"] = tuple(others)
    return found, assumed
