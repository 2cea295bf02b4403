"""config.json of a published model, read so that nothing in it is passed over.

Every field is used, is known to change nothing that is computed here, or is refused by its name:
a rotation that is scaled, say, gives other text without any error. Both spellings of transformers
are read (`rope_parameters` of 5, `rope_theta` and `rope_scaling` of 4), a null is a field that
was left out, and what published files leave out is as the model's own code has it (`ASSUMED`).
"""

from collections.abc import Mapping
from typing import Any

from unmask.errors import ConfigError

FIELDS: dict[str, dict[str, str]] = {
    "llada": {
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
    "Dream": {
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
}
"""What each field of `DllmConfig` is called in the config.json of a family."""

MUST_BE: dict[str, dict[str, Any]] = {
    "llada": {
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
    "Dream": {
        "hidden_act": "silu",
        "use_sliding_window": False,
        "partial_rotary_factor": 1.0,
        "rope_interleave": False,
    },
}
"""Choices of other models that share a family's file format, and that this code does not have."""

_CHANGES_NOTHING = {
    "llada": {
        "alibi_bias_max", "attention_layer_norm_with_affine", "block_group_size",
        "embedding_dropout", "flash_attention", "init_cutoff_factor", "init_device", "init_fn",
        "init_std", "mlp_ratio", "precision", "residual_dropout", "vocab_size",
    },
    "Dream": {"initializer_range", "max_window_layers", "sliding_window"},
}  # fmt: skip
"""Of training and of other machines."""

_OF_TRANSFORMERS = {
    "_attn_implementation", "_attn_implementation_autoset", "_name_or_path", "architectures",
    "attention_dropout", "auto_map", "bos_token_id", "chunk_size_feed_forward",
    "decoder_start_token_id", "dtype", "finetuning_task", "id2label", "is_decoder",
    "is_encoder_decoder", "label2id",
    "max_length", "min_length", "model_type", "name_or_path", "output_attentions",
    "output_hidden_states", "pad_token_id", "problem_type", "return_dict", "sep_token_id",
    "task_specific_params", "tokenizer_class", "torch_dtype", "torchscript",
    "transformers_version", "use_bfloat16", "use_cache", "pruned_heads", "prefix",
    "tf_legacy_loss",
    "do_sample", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
    "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
    "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
    "num_return_sequences", "output_scores", "return_dict_in_generate", "forced_bos_token_id",
    "forced_eos_token_id", "remove_invalid_values", "exponential_decay_length_penalty",
    "suppress_tokens", "begin_suppress_tokens", "cross_attention_hidden_size",
    "add_cross_attention", "tie_encoder_decoder",
}  # fmt: skip
"""Of what a model is called, and of samplers that are not used here."""

_OF_OTHERS = {
    "quantization_config": "its weights are quantised, and only float weights are read. Fetch the "
    "model that it was made from.",
    **dict.fromkeys(
        ("n_experts", "num_experts", "num_local_experts", "moe_intermediate_size"),
        "it is a mixture of experts, which unmask does not have.",
    ),
}

ASSUMED: dict[str, dict[str, Any]] = {
    "llada": {"rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "weight_tying": False},
    "Dream": {"rms_norm_eps": 1e-6, "rope_theta": 10_000.0, "tie_word_embeddings": False},
}
"""What published files leave out, as the models' own code has it."""


def fields_of(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `DllmConfig` by their names here, and those that had to be assumed.

    Raises:
        ConfigError: it is of another family, lacks a field, or asks for what is not here.
    """
    family = values.get("model_type")
    if not isinstance(family, str) or family not in FIELDS:
        raise ConfigError(
            f"model_type is {family!r:.60}; of large masked diffusion models unmask reads "
            f"{', '.join(map(repr, FIELDS))}."
        )
    given = {name: value for name, value in values.items() if value is not None}
    for name, why in _OF_OTHERS.items():
        if name in given:
            raise ConfigError(f"it has {name}: {why}")
    given = _with_rotation(given)
    _check_the_rest(given, family)
    names, assumed = FIELDS[family], {}
    found: dict[str, Any] = {"family": family}
    for ours, theirs in names.items():
        if theirs not in given:
            given[theirs] = assumed[theirs] = _assumed(given, family, theirs)
        found[ours] = given[theirs]
    ends = found["eos_token_id"]
    if isinstance(ends, list):
        if not ends or not all(type(end) is int for end in ends):
            raise ConfigError(f"eos_token_id must be a token or a list of some, got {ends!r:.60}.")
        found["eos_token_id"], *others = ends
        found["other_end_ids"] = tuple(others)
    return found, assumed


def _with_rotation(given: dict[str, Any]) -> dict[str, Any]:
    """With `rope_theta` at the top, wherever it was written."""
    rest = {n: v for n, v in given.items() if n not in ("rope_parameters", "rope_scaling")}
    for name in ("rope_parameters", "rope_scaling"):
        nested = given.get(name, {})
        if not isinstance(nested, dict):
            raise ConfigError(f"{name} must be a section of its own, got {nested!r:.60}.")
        inner = {n: v for n, v in nested.items() if v is not None}
        kind = inner.pop("rope_type", inner.pop("type", "default"))
        inner.pop("type", None)
        theta = inner.pop("rope_theta", rest.get("rope_theta"))
        if kind != "default" or inner:
            asked = f"a rotation of the kind {kind!r}" if kind != "default" else f"{min(inner)!r}"
            raise ConfigError(
                f"{name} asks for {asked:.60}, and unmask has the plain one alone: the text would "
                "be another one. Choose a model without it."
            )
        if rest.get("rope_theta", theta) != theta:
            raise ConfigError(
                f"rope_theta is {rest['rope_theta']!r:.30}, and {theta!r:.30} in {name}."
            )
        if theta is not None:
            rest["rope_theta"] = theta
    return rest


def _check_the_rest(given: Mapping[str, Any], family: str) -> None:
    """Of the fields that are not read, each is as it must be, or changes nothing."""
    known = {*FIELDS[family].values(), *MUST_BE[family], *_CHANGES_NOTHING[family]}
    for name, value in given.items():
        wanted = MUST_BE[family].get(name, value)
        if value != wanted:
            raise ConfigError(
                f"{name} is {value!r:.60}; the models of type {family!r} that unmask reads have "
                f"{wanted!r}."
            )
        if name == "layer_types" and set(value) == {"full_attention"}:
            continue
        if name == "head_dim":
            names = FIELDS[family]
            if value == given.get(names["width"], 0) / given.get(names["num_heads"], 1):
                continue
        if name not in known | _OF_TRANSFORMERS:
            raise ConfigError(
                f"it has {name!r:.60} ({value!r:.60}), which unmask does not know: it may change "
                "what the network computes. If it does not, take it out of config.json."
            )


def _assumed(given: Mapping[str, Any], family: str, name: str) -> Any:
    if name in ("n_kv_heads", "num_key_value_heads"):
        return given.get(FIELDS[family]["num_heads"])
    if name == "embedding_size":
        return given.get("vocab_size")
    if name in ASSUMED[family]:
        return ASSUMED[family][name]
    raise ConfigError(f"there is no {name}, which a model of type {family!r} needs.")
