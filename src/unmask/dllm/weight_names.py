"""What each weight is called in the files that LLaDA and Dream are published in.

LLaDA's files keep the names of OLMo, Dream's those of Qwen2. Sources: the index files beside
GSAI-ML/LLaDA-8B-Instruct and Dream-org/Dream-v0-Instruct-7B.
"""

from unmask.dllm.config import DllmConfig

_OUTSIDE = {
    "llada": {
        "embedding.weight": "model.transformer.wte.weight",
        "norm.weight": "model.transformer.ln_f.weight",
        "unembedding.weight": "model.transformer.ff_out.weight",
    },
    "Dream": {
        "embedding.weight": "model.embed_tokens.weight",
        "norm.weight": "model.norm.weight",
        "unembedding.weight": "lm_head.weight",
    },
}
_BLOCK = {
    "llada": (
        "model.transformer.blocks",
        {
            "attention_norm": "attn_norm",
            "attention.q": "q_proj",
            "attention.k": "k_proj",
            "attention.v": "v_proj",
            "attention.out": "attn_out",
            "mlp_norm": "ff_norm",
            "mlp.gate": "ff_proj",
            "mlp.up": "up_proj",
            "mlp.down": "ff_out",
        },
    ),
    "Dream": (
        "model.layers",
        {
            "attention_norm": "input_layernorm",
            "attention.q": "self_attn.q_proj",
            "attention.k": "self_attn.k_proj",
            "attention.v": "self_attn.v_proj",
            "attention.out": "self_attn.o_proj",
            "mlp_norm": "post_attention_layernorm",
            "mlp.gate": "mlp.gate_proj",
            "mlp.up": "mlp.up_proj",
            "mlp.down": "mlp.down_proj",
        },
    ),
}


def published_names(config: DllmConfig) -> dict[str, str]:
    """The published name of each weight of the network, by ours, in the order of a pass."""
    outside = _OUTSIDE[config.family]
    stem, parts = _BLOCK[config.family]
    names = {"embedding.weight": outside["embedding.weight"]}
    for block in range(config.num_blocks):
        for ours, theirs in parts.items():
            names[f"blocks.{block}.{ours}.weight"] = f"{stem}.{block}.{theirs}.weight"
            if config.has_qkv_bias and ours in ("attention.q", "attention.k", "attention.v"):
                names[f"blocks.{block}.{ours}.bias"] = f"{stem}.{block}.{theirs}.bias"
    names["norm.weight"] = outside["norm.weight"]
    if not config.tied:
        names["unembedding.weight"] = outside["unembedding.weight"]
    return names
