"""config.json of a published model, read so that nothing in it is passed over.

Every field is used, is known to change nothing that is computed here, or is refused by its name:
a rotation that is scaled, say, gives other text without any error. Both spellings of transformers
are read (`rope_parameters` of 5, `rope_theta` and `rope_scaling` of 4), a null is a field that
was left out, and what published files leave out is as the model's own code has it (`assumed`).
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from unmask.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Family:
    """What config.json says of the models of one `model_type`."""

    name: str
    """The `model_type`."""
    names: Mapping[str, str]
    """What each field that is read is called there, by its name here."""
    must_be: Mapping[str, Any]
    """Choices of other models that share the format, and that this code does not have."""
    must_say: Set[str] = frozenset()
    """Which of `must_be` may not be left out."""
    changes_nothing: Set[str] = frozenset()
    """Of training and of other machines."""
    assumed: Mapping[str, Any] = field(default_factory=dict)
    """What published files leave out, as the models' own code has it."""
    same_as: Mapping[str, str] = field(default_factory=dict)
    """What is left out where it is as another field says."""

    def read(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields by their names here, and those that had to be assumed.

        Raises:
            ConfigError: it lacks a field, or asks for what is not here.
        """
        given = {name: value for name, value in values.items() if value is not None}
        for name, why in _OF_OTHERS.items():
            if name in given:
                raise ConfigError(f"it has {name}: {why}")
        given = _with_rotation(given)
        self._check_the_rest(given)
        found, assumed = dict[str, Any](), dict[str, Any]()
        for ours, theirs in self.names.items():
            if theirs not in given:
                given[theirs] = assumed[theirs] = self._assumed(given, theirs)
            found[ours] = given[theirs]
        return found, assumed

    def checked(self, found: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
        """The same, if each is of its type. Raises `ConfigError`."""
        checked = dict(found)
        for name, value in found.items():
            kind = kinds[name]
            if kind is float and type(value) is int:
                checked[name] = value = float(value)
            if type(value) is not kind and kind in (int, float, bool):
                raise ConfigError(
                    f"{self.names[name]} must be of type {kind.__name__}, got {value!r:.60}."
                )
        return checked

    def _check_the_rest(self, given: Mapping[str, Any]) -> None:
        """Of the fields that are not read, each is as it must be, or changes nothing."""
        known = {*self.names.values(), *self.must_be, *self.changes_nothing}
        for name in sorted(self.must_say - given.keys()):
            raise ConfigError(
                f"it does not say its {name}; the models of type {self.name!r} that unmask reads "
                f"have {self.must_be[name]!r}."
            )
        for name, value in given.items():
            wanted = self.must_be.get(name, value)
            if value != wanted:
                raise ConfigError(
                    f"{name} is {value!r:.60}; the models of type {self.name!r} that unmask reads "
                    f"have {wanted!r}."
                )
            if name == "layer_types" and set(value) == {"full_attention"}:
                continue
            if name == "head_dim":
                width, heads = self.names["width"], self.names["num_heads"]
                if value == given.get(width, 0) / given.get(heads, 1):
                    continue
            if name not in known | _OF_TRANSFORMERS:
                raise ConfigError(
                    f"it has {name!r:.60} ({value!r:.60}), which unmask does not know: it may "
                    "change what the network computes. If it does not, take it out of config.json."
                )

    def _assumed(self, given: Mapping[str, Any], name: str) -> Any:
        if name in self.same_as:
            return given.get(self.same_as[name])
        if name in self.assumed:
            return self.assumed[name]
        raise ConfigError(f"there is no {name}, which a model of type {self.name!r} needs.")


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
